"""The ledger is kept for at least as long as the recordings that it proves.

Its heads, leaves and keys in the store are locked until the last date of any recording that is kept, and for a while
longer, so that they are lengthened a few times a year and not every night.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, Recording, StoredObject
from archive.heads import HEAD, KEY, LEAVES
from archive.house import Archive
from archive.lock import round_up
from core.errors import NotFound
from core.ledger import Entry, append
from retention.disposal import SYSTEM

LONGER = timedelta(days=90)
# A held recording outlives its date: as long as there is one, the ledger's objects stay this far ahead of today.
AHEAD = timedelta(days=30)
BATCH = 200


async def longest_kept(session: AsyncSession, now: datetime) -> datetime | None:
    """Until when the ledger must be there: the last date of any recording, ``None`` when there is no recording."""
    query = select(func.max(Recording.retain_until)).where(Recording.life != DISPOSED)
    found = await session.scalar(query)
    return None if found is None else max(found, round_up(now) + AHEAD)


async def lengthen_ledger(archive: Archive, *, dry_run: bool) -> tuple[str, ...]:
    """Lengthen what ends too early; the keys of what was, or on a dry run would have been, lengthened."""
    async with archive.database.read() as session:
        longest = await longest_kept(session, archive.clock())
        if longest is None:
            return ()
        short = StoredObject.kind.in_((HEAD, LEAVES, KEY)), StoredObject.lock_until < longest
        rows = (await session.scalars(select(StoredObject).where(*short).order_by(StoredObject.key))).all()
    for at in range(0, 0 if dry_run else len(rows), BATCH):
        await _lengthen(archive, rows[at : at + BATCH], longest + LONGER)
    return tuple(row.key for row in rows)


async def _lengthen(archive: Archive, rows: Sequence[StoredObject], until: datetime) -> None:
    """In the store first, then one entry for all of them."""
    done = []
    for row in rows:
        try:
            await archive.store.lengthen_lock(row.key, row.version_id, until)
        except NotFound:
            continue  # the check of locks names it
        done.append(row.id)
    async with archive.database.write() as session:
        for row in await session.scalars(select(StoredObject).where(StoredObject.id.in_(done)).with_for_update()):
            row.lock_until = max(row.lock_until, until)
        facts = {"count": len(done), "until": until.isoformat(), "why": "kept as long as the recordings"}
        await append(session, Entry("locked", SYSTEM, "ledger", facts), archive.clock())
