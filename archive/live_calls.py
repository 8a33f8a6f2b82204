"""What a recorder sees of its calls while they last: who speaks, how well it is heard, whether it pauses.

A row lives as long as its call.  Numbers and names stand here as signalled and go out masked; what is kept of a call
is in its recording.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import String, Uuid, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

# How a call is heard: packets lost in the last five seconds, or none on a stream for ten.
GOOD, FAIR, POOR, SILENT = "good", "fair", "poor", "silent"
QUALITIES = (GOOD, FAIR, POOR, SILENT)


class LiveCall(Base):
    """One call in progress, as its recorder sees it."""

    __tablename__ = "live_calls"

    recording_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    host: Mapped[str] = mapped_column(String(120), index=True)
    agent_number: Mapped[str] = mapped_column(String(64), default="")
    agent_name: Mapped[str] = mapped_column(String(120), default="")
    citizen_number: Mapped[str] = mapped_column(String(64), default="")
    citizen_name: Mapped[str] = mapped_column(String(120), default="")
    # Empty: nothing is known yet.
    quality: Mapped[str] = mapped_column(String(10), default="")
    # ``gateway`` or the person who asked; empty: it is recorded.
    paused_by: Mapped[str] = mapped_column(String(120), default="")
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Live:
    """The columns of one call."""

    agent_number: str = ""
    agent_name: str = ""
    citizen_number: str = ""
    citizen_name: str = ""
    quality: str = ""
    paused_by: str = ""
    paused_at: datetime | None = None


async def show(session: AsyncSession, host: str, changed: Mapping[UUID, Live], gone: Collection[UUID]) -> None:
    """Write what changed of a host's calls, and take away those that are over."""
    await session.execute(delete(LiveCall).where(LiveCall.recording_id.in_([*changed, *gone])))
    rows: list[dict[str, Any]] = [{"recording_id": key, "host": host, **asdict(live)} for key, live in changed.items()]
    if rows:
        await session.execute(insert(LiveCall), rows)


async def clear(session: AsyncSession, host: str) -> None:
    """A recorder begins or ends: what its earlier life wrote is over."""
    await session.execute(delete(LiveCall).where(LiveCall.host == host))


async def live(session: AsyncSession, calls: Collection[UUID]) -> dict[UUID, LiveCall]:
    """What is known of these calls."""
    rows = await session.scalars(select(LiveCall).where(LiveCall.recording_id.in_(calls)))
    return {row.recording_id: row for row in rows}
