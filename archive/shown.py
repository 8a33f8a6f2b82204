"""What the catalogue shows of sealed documents, for comparing it with what they say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive.accounts import Known
from archive.catalogue import Recording, TurnRow
from archive.inspection import Reading
from core.database import Database

# Columns of a recording that only its sealing sets.
COLUMNS = (
    *("sip_call_id", "started_at", "ended_at", "duration_ms", "agent_number", "agent_name", "citizen_number"),
    *("citizen_name", "work_order", "interrupted"),
)


async def shown_by_catalogue(database: Database, batch: Sequence[tuple[Reading, Known | None]]) -> list[Reading]:
    """The same readings, where they are facts or newest texts with what the catalogue shows of them."""
    facts = {row.recording_id for reading, row in batch if row and _is_facts(reading)}
    texts = {row.recording_id for reading, row in batch if row and _is_newest_text(reading, row)}
    columns, turns = await _columns(database, facts), await _turns(database, texts)
    found = []
    for reading, row in batch:
        shown: Mapping[str, Any] = {}
        if row is not None and row.recording_id in columns and _is_facts(reading):
            shown = columns[row.recording_id]
        elif row is not None and _is_newest_text(reading, row):
            shown = {"turns": turns.get(row.recording_id, [])}
        found.append(replace(reading, shown=shown) if shown else reading)
    return found


def _is_facts(reading: Reading) -> bool:
    return reading.document and reading.key.endswith("/metadata.json")


def _is_newest_text(reading: Reading, row: Known) -> bool:
    return reading.document and reading.key.endswith(f"/transcript.v{row.text_version}.json")


async def _columns(database: Database, identifiers: Iterable[UUID | None]) -> dict[UUID | None, dict[str, Any]]:
    wanted = list(identifiers)
    if not wanted:
        return {}
    query = select(Recording.id, *(getattr(Recording, name) for name in COLUMNS)).where(Recording.id.in_(wanted))
    async with database.read() as session:
        rows = (await session.execute(query)).all()
    return {row.id: {name: _plain(getattr(row, name)) for name in COLUMNS} for row in rows}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


async def _turns(database: Database, identifiers: Iterable[UUID | None]) -> dict[UUID | None, list[Any]]:
    wanted = list(identifiers)
    if not wanted:
        return {}
    query = (
        select(TurnRow.recording_id, TurnRow.party, TurnRow.start_ms, TurnRow.end_ms, TurnRow.text)
        .where(TurnRow.recording_id.in_(wanted))
        .order_by(TurnRow.recording_id, TurnRow.ordinal)
    )
    found: dict[UUID | None, list[Any]] = {}
    async with database.read() as session:
        for recording_id, *turn in (await session.execute(query)).all():
            found.setdefault(recording_id, []).append(tuple(turn))
    return found
