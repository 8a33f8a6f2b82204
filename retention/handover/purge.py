"""After a handover: proposing the disposal of what was handed over.

Nothing is deleted here, and nothing is easier: each recording passes the same test as any other proposal, two more
people decide, and the night carries it out.  A handover only adds a condition: the receiver has signed for the bag.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, Recording, StoredObject
from archive.house import Archive
from core.errors import Conflict, Refused
from core.settings import Settings
from retention.disposal import propose
from retention.handover.asking import find
from retention.handover.receipts import signed_receipt
from retention.handover.tables import DONE, Export, ExportItem

# So many reasons are shown; the counts are always complete.
SHOWN = 20


@dataclass(frozen=True)
class Purge:
    """What a purge did: disposals proposed, recordings that may not go (``reasons``: some of them), and those whose
    disposal is open or done already."""

    proposed: int
    refused: int
    already: int
    reasons: tuple[str, ...]


async def propose_purge(archive: Archive, settings: Settings, export_id: UUID, *, by: str, now: datetime) -> Purge:
    """Propose the disposal of an export's recordings.  ``Refused`` without a signed receipt; each recording that is too
    young, held, or that has changed since it was handed over is refused by itself."""
    moment = min(now, archive.clock())
    async with archive.database.read() as session:
        export = await find(session, export_id)
        if export.state != DONE:
            raise Refused("移交尚未完成 / the export is not finished", export=export_id)
        receipt = await signed_receipt(session, export)
        items = select(ExportItem.recording_id).where(ExportItem.export_id == export_id).order_by(ExportItem.ordinal)
        recordings = list(await session.scalars(items))
    reason = f"已移交并取得签字回执 handed over, receipt {receipt.id}"
    proposed = already = 0
    reasons: list[str] = []
    refused = 0
    for recording_id in recordings:
        try:
            done = await _propose_one(archive, settings, export, recording_id, by, reason, moment)
        except Refused as error:
            refused += 1
            reasons += [str(error)] if len(reasons) < SHOWN else []
        else:
            proposed, already = proposed + done, already + (not done)
    return Purge(proposed, refused, already, tuple(reasons))


async def _propose_one(
    archive: Archive, settings: Settings, export: Export, recording_id: UUID, by: str, reason: str, now: datetime
) -> bool:
    async with archive.database.write() as session:
        recording = await session.get_one(Recording, recording_id, with_for_update=True)
        if recording.life == DISPOSED:
            return False
        await _require_unchanged(session, export, recording_id)
        try:
            await propose(session, settings, recording_id, by=by, reason=reason, now=now)
        except Conflict:
            return False
    return True


async def _require_unchanged(session: AsyncSession, export: Export, recording_id: UUID) -> None:
    """What was sealed after the bag's head is not in the bag."""
    later = select(func.count()).where(
        StoredObject.recording_id == recording_id, StoredObject.created_at > export.head_at
    )
    if await session.scalar(later):
        raise Refused(
            "移交后又有新内容，须重新移交 / changed since it was handed over", recording=recording_id, export=export.id
        )
