"""What the catalogue says of a recording beside its sealed objects, unmasked: a handover is to the data's owner."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, select
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


async def describe(session: AsyncSession, recording: Recording) -> dict[str, Any]:
    """Catalogue row, links to orders, findings and requests to pause."""
    return {
        "format": FORMAT,
        "recording": columns(recording),
        "links": await _rows(session, Link, Link.recording_id == recording.id),
        "findings": await _rows(session, Finding, Finding.recording_id == recording.id),
        "pauses": await _rows(session, PauseRequest, PauseRequest.recording_id == recording.id),
    }


async def _rows(session: AsyncSession, table: type[Base], wanted: Any) -> Sequence[dict[str, Any]]:
    found = await session.scalars(select(table).where(wanted))
    return sorted((columns(row) for row in found), key=lambda row: str(row["id"]))
