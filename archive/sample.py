"""A rotating sample: the objects whose bytes were read longest ago come first, so that each is read in its turn.

A night reads one part in ``NIGHTS`` of what there is, and all that has waited for ``NIGHTS`` days already: nothing
waits for 90, however many objects come or go and though some nights are missed, as long as the next one is not.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.accounts import Accounts, Known, compare, known, known_objects
from archive.catalogue import StoredObject
from archive.faults import Fault
from archive.histories import Check, compare_histories
from archive.house import Archive
from archive.inspection import Inspector, Reading
from archive.sealed_index import Said, SealedIndex
from archive.shown import shown_by_catalogue
from archive.survey import SETTLE_SECONDS, Progress, head, match, settled, to_read
from core.ledger import LedgerRow

NIGHTS = 85
PAGE = 256
BATCH = 32


def sample_size(total: int, overdue: int) -> int:
    """How many objects a night reads, of ``total`` and with ``overdue`` that have waited for ``NIGHTS`` days."""
    return max(-(-total // NIGHTS), overdue)


async def tonight(session: AsyncSession, now: datetime) -> int:
    """How many objects are to be read in the night of ``now``."""
    total = await session.scalar(select(func.count()).select_from(StoredObject))
    late = select(func.count()).where(StoredObject.verified_at <= now - timedelta(days=NIGHTS))
    return sample_size(total or 0, await session.scalar(late) or 0)


async def oldest_reading(session: AsyncSession) -> datetime | None:
    """When the object that waits longest was last read."""
    query = select(StoredObject.verified_at).order_by(StoredObject.verified_at).limit(1)
    return await session.scalar(query)


@dataclass(frozen=True)
class _Page:
    rows: Sequence[Known]
    last: tuple[datetime, UUID]


async def verify_sample(
    archive: Archive,
    count: int,
    progress: Progress,
    on_progress: Callable[[Progress], None] = lambda _: None,
    *,
    checks: Sequence[Check] = (),
    settle: float = SETTLE_SECONDS,
) -> AsyncIterator[Fault]:
    """Read the ``count`` objects that have waited longest, and compare their recordings' histories.  What is at fault
    keeps its place, and is read again the next time.

    Objects of recordings are also compared with the ledger; the rest (reports, heads) only the whole survey compares,
    because the ledger names them by other things than their keys."""
    begun, last, compared = archive.clock(), None, set[UUID]()
    progress.total_objects = count
    with closing(Inspector(archive)) as inspector:
        while progress.objects < count:
            page = await _page(archive, begun, last, min(PAGE, count - progress.objects))
            if page is None:
                return
            last = page.last
            for fault in await _verify(archive, inspector, page.rows, settle):
                yield fault
            # A recording's objects were read one after the other: where a page parts them, one look is enough.
            before, compared = compared, _recordings(page.rows)
            async for fault in compare_histories(archive, checks, only=sorted(compared - before)):
                yield fault
            progress.objects += len(page.rows)
            progress.octets += sum(row.size for row in page.rows)
            on_progress(progress)


async def _page(archive: Archive, begun: datetime, last: tuple[datetime, UUID] | None, limit: int) -> _Page | None:
    place = (StoredObject.verified_at, StoredObject.id)
    query = known_objects().add_columns(StoredObject.verified_at).order_by(*place).limit(limit)
    query = query.where(StoredObject.verified_at < begun)
    if last is not None:
        query = query.where(tuple_(*place) > tuple_(*last))
    async with archive.database.read() as session:
        rows = (await session.execute(query)).all()
    return _Page([known(row) for row in rows], (rows[-1].verified_at, rows[-1].id)) if rows else None


def _recordings(rows: Sequence[Known]) -> set[UUID]:
    return {row.recording_id for row in rows if row.recording_id is not None}


async def _verify(archive: Archive, inspector: Inspector, rows: Sequence[Known], settle: float) -> list[Fault]:
    with closing(await _index(archive, rows)) as index:
        accounts = await asyncio.gather(*(_account(archive, index, row) for row in rows))
        accounts = await settled(archive, index, accounts, settle)
        found: dict[UUID, list[Fault]] = {one.known.id: list(compare(one)) for one in accounts if one.known}
        readings = [(to_read(one, index), one.known) for one in accounts]
    batch = [(reading, row) for reading, row in readings if reading is not None]
    for results in await asyncio.gather(
        *(_read(archive, inspector, batch[at : at + BATCH]) for at in range(0, len(batch), BATCH))
    ):
        for row, faults in results:
            found[row.id] += faults
    await _mark(archive, [identifier for identifier, faults in found.items() if not faults])
    return [fault for faults in found.values() for fault in faults]


async def _index(archive: Archive, rows: Sequence[Known]) -> SealedIndex:
    """What the ledger says of these objects' recordings."""
    subjects = {str(row.recording_id) for row in rows if row.recording_id is not None}
    async with archive.database.read() as session:
        query = select(LedgerRow.seq, LedgerRow.leaf).where(LedgerRow.subject.in_(subjects)).order_by(LedgerRow.seq)
        leaves = (await session.execute(query)).all()
    index = SealedIndex()
    index.add([(row.seq, row.leaf) for row in leaves])
    return index


async def _account(archive: Archive, index: SealedIndex, row: Known) -> Accounts:
    version = await head(archive, Accounts(row.key, row.version_id, None, row, None))
    said = [one for one in index.of_key(row.key) if one.version_id == row.version_id]
    if row.recording_id is None:
        said = [Said(row.key, row.version_id, row.sha256, row.size, 0, "")]
    (account,) = match(row.key, [version] if version else [], [row], said, index)
    return account


async def _read(
    archive: Archive, inspector: Inspector, batch: Sequence[tuple[Reading, Known | None]]
) -> list[tuple[Known, list[Fault]]]:
    results = await inspector.read(await shown_by_catalogue(archive.database, batch))
    return [(row, found) for (_, row), (_, found) in zip(batch, results, strict=True) if row is not None]


async def _mark(archive: Archive, identifiers: Sequence[UUID]) -> None:
    if not identifiers:
        return
    now = archive.clock()
    async with archive.database.write() as session:
        await session.execute(
            update(StoredObject)
            .where(StoredObject.id.in_(identifiers))
            .values(verified_at=now, lock_checked_at=now)
            .execution_options(synchronize_session=False)
        )
