"""What the catalogue says of a recording beside its sealed objects, unmasked: a handover is to the data's owner."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from archive.pausing import PauseRequest
from core.database import Base
from workorders.orders import Finding, Link

FORMAT = "huiyin-catalogue-record/1"


def columns(row: Base) -> dict[str, Any]:
    """A row as JSON values: moments in ISO 8601, identifiers as text."""
    return {column.key: _plain(getattr(row, column.key)) for column in inspect(type(row)).column_attrs}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


async def describe(session: AsyncSession, recordings: Sequence[Recording]) -> Mapping[UUID, dict[str, Any]]:
    """Catalogue row, links to orders, findings and requests to pause of each recording, by its identifier."""
    identifiers = [recording.id for recording in recordings]
    parts = {
        "links": await _rows(session, Link, Link.recording_id.in_(identifiers)),
        "findings": await _rows(session, Finding, Finding.recording_id.in_(identifiers)),
        "pauses": await _rows(session, PauseRequest, PauseRequest.recording_id.in_(identifiers)),
    }
    return {
        recording.id: {
            "format": FORMAT,
            "recording": columns(recording),
            **{name: found.get(str(recording.id), []) for name, found in parts.items()},
        }
        for recording in recordings
    }


async def _rows(
    session: AsyncSession, table: type[Base], wanted: ColumnElement[bool]
) -> Mapping[str, list[dict[str, Any]]]:
    """Rows by their recording, in the order of their identifiers."""
    found: dict[str, list[dict[str, Any]]] = {}
    rows = [columns(row) for row in await session.scalars(select(table).where(wanted))]
    for row in sorted(rows, key=lambda row: str(row["id"])):
        found.setdefault(row["recording_id"], []).append(row)
    return found
