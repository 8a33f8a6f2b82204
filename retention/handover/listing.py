"""The recordings of an export in their order, and the pages that list them by day."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from itertools import count
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from archive.catalogue import Recording
from archive.house import Archive
from retention.handover import pages
from retention.handover.scope import Scope
from retention.handover.tables import Export, ExportItem
from retention.handover.writing import Payload

# Recordings that are asked for and copied together.
CHUNK = 20
DAYS_AT_ONCE = 500


async def chunks(archive: Archive, export_id: UUID, size: int = CHUNK) -> AsyncIterator[list[UUID]]:
    """The recordings of an export, in order."""
    for place in count(0, size):
        query = select(ExportItem.recording_id).where(
            ExportItem.export_id == export_id, ExportItem.ordinal >= place, ExportItem.ordinal < place + size
        )
        async with archive.database.read() as session:
            chunk = list(await session.scalars(query.order_by(ExportItem.ordinal)))
        if not chunk:
            return
        yield chunk


async def write_index(
    archive: Archive, payload: Payload, export: Export, scope: Scope, others: Sequence[tuple[str, str]], zone: ZoneInfo
) -> None:
    """A page for each day, then the first page, which leads to them and to everything else (``others``)."""
    days: list[pages.DayCount] = []
    async for day, recordings in _by_day(archive, export.id, zone):
        days.append(pages.DayCount(day, len(recordings)))
        page = pages.day_page(day, recordings, zone)
        await payload.write(f"data/{pages.day_path(day)}", page.encode())
    await payload.write("data/index.html", pages.index_page(export, scope, days, others).encode())


async def _by_day(archive: Archive, export_id: UUID, zone: ZoneInfo) -> AsyncIterator[tuple[date, list[Recording]]]:
    """The list is in order of time, so a day's recordings follow each other."""
    day, recordings = None, list[Recording]()
    async for chunk in chunks(archive, export_id, DAYS_AT_ONCE):
        async with archive.database.read() as session:
            rows = await session.scalars(select(Recording).where(Recording.id.in_(chunk)))
            found = {row.id: row for row in rows}
        for recording in (found[identifier] for identifier in chunk):
            its_day = pages.local_day(recording.started_at, zone)
            if day is not None and its_day != day:
                yield day, recordings
                recordings = []
            day = its_day
            recordings.append(recording)
    if day is not None:
        yield day, recordings
