"""The catalogue's side of a disposal: text and personal data go, one row stays that says when and on whose decision."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, Recording, StoredObject
from archive.seal import object_facts
from core.ledger import Entry, append_all
from retention.certificates import decided
from retention.copies import remove_copies
from retention.disposal import FINISH, SYSTEM, Disposal, move
from workorders.judging import judge_orders, numbered
from workorders.orders import Link

Concluded = tuple[Disposal, Recording, StoredObject]


async def conclude(session: AsyncSession, rows: Sequence[Concluded], now: datetime) -> None:
    """In the caller's transaction, with every row locked: every copy leaves the catalogue (``copies``)."""
    if not rows:
        return
    session.add_all([stored for _, _, stored in rows])
    await session.flush()
    gone, certificates = [recording.id for _, recording, _ in rows], [stored.id for _, _, stored in rows]
    numbers = (await session.scalars(select(Link.work_order).where(Link.recording_id.in_(gone)))).all()
    await remove_copies(session, gone, certificates)
    for disposal, recording, stored in rows:
        recording.life, recording.disposed_at = DISPOSED, now
        move(disposal, FINISH)
        disposal.done_at, disposal.certificate = now, stored.id
    await append_all(session, [_disposed(*row) for row in rows], now)
    await judge_orders(session, numbered(numbers))


def _disposed(disposal: Disposal, recording: Recording, stored: StoredObject) -> Entry:
    facts = {**decided(disposal), "objects": [object_facts(stored)]}
    return Entry("disposed", SYSTEM, str(recording.id), facts)
