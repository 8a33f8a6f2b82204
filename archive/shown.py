"""What the catalogue shows of sealed documents, for comparing it with what they say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive.accounts import Known
from archive.catalogue import Recording, TurnRow
from archive.histories import LOST
from archive.inspection import Reading, digest, turn_digest
from archive.seal import NewRecording, NewTurn
from core.database import Database

# What only the sealing of a recording, or of a text, sets.
COLUMNS = [each.name for each in fields(NewRecording) if each.name != "id"]
TURN_COLUMNS = [each.name for each in fields(NewTurn)]


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
    return {row.id: {name: _plain(name, getattr(row, name)) for name in COLUMNS} for row in rows}


def _plain(name: str, value: Any) -> Any:
    """As the sealed document has it; of long values only the hash is held."""
    if name == "facts":
        return digest(value)
    if name == "flags":
        return [flag for flag in value if not flag.startswith(LOST)]
    return value.isoformat() if isinstance(value, datetime) else value


async def _turns(database: Database, identifiers: Iterable[UUID | None]) -> dict[UUID | None, list[Any]]:
    wanted = list(identifiers)
    if not wanted:
        return {}
    query = (
        select(TurnRow.recording_id, *(getattr(TurnRow, name) for name in TURN_COLUMNS))
        .where(TurnRow.recording_id.in_(wanted))
        .order_by(TurnRow.recording_id, TurnRow.ordinal)
    )
    found: dict[UUID | None, list[Any]] = {}
    async with database.read() as session:
        for recording_id, *turn in (await session.execute(query)).all():
            found.setdefault(recording_id, []).append(turn_digest(dict(zip(TURN_COLUMNS, turn, strict=True))))
    return found
