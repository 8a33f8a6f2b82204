"""What recorders see of their calls while they last: who speaks, how well it is heard, whether it pauses.

A row lives as long as its call, and belongs to the spool that the call is recorded in: however many recorders share a
database, each writes and clears the rows of its own spool only.  A row whose recorder does not say again that the call
goes on is not believed for long.  Numbers and names stand here as signalled and go out masked; what is kept of a call
is in its recording.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, Uuid, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime
from core.heartbeats import STALE_AFTER

# How a call is heard: packets lost in the last five seconds, or none on a stream for ten.
GOOD, FAIR, POOR, SILENT = "good", "fair", "poor", "silent"
# Its recorder has given no sign of it for as long as would make a process count as dead.
LOST = "lost"


class LiveCall(Base):
    """One call in progress, as its recorder sees it."""

    __tablename__ = "live_calls"

    recording_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # The identifier that lies in the recorder's spool directory.
    spool: Mapped[UUID] = mapped_column(Uuid, index=True)
    # When its recorder last said that the call goes on.
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
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
    """What is known of one call."""

    agent_number: str = ""
    agent_name: str = ""
    citizen_number: str = ""
    citizen_name: str = ""
    quality: str = ""
    paused_by: str = ""
    paused_at: datetime | None = None


_COLUMNS = tuple(field.name for field in fields(Live))


async def show(
    session: AsyncSession, spool: UUID, changed: Mapping[UUID, Live], gone: Collection[UUID], now: datetime
) -> None:
    """Write what changed of a spool's calls, and take away those that are over."""
    await session.execute(delete(LiveCall).where(LiveCall.recording_id.in_([*changed, *gone])))
    rows: list[dict[str, Any]] = [
        {"recording_id": key, "spool": spool, "seen_at": now, **asdict(live)} for key, live in changed.items()
    ]
    if rows:
        await session.execute(insert(LiveCall), rows)


async def renew(session: AsyncSession, spool: UUID, now: datetime) -> int:
    """A recorder says that all its calls go on; returns how many rows it has."""
    done = await session.execute(update(LiveCall).where(LiveCall.spool == spool).values(seen_at=now))
    return int(done.rowcount)  # type: ignore[attr-defined]


async def clear(session: AsyncSession, spool: UUID) -> None:
    """A recorder begins or ends: what was written of its spool is over."""
    await session.execute(delete(LiveCall).where(LiveCall.spool == spool))


async def forget(session: AsyncSession, before: datetime) -> None:
    """Remove what no recorder has spoken of since ``before``: the one that wrote it does not come back."""
    await session.execute(delete(LiveCall).where(LiveCall.seen_at <= before))


def unseen(now: datetime) -> ColumnElement[bool]:
    """Whether a row's recorder has fallen silent."""
    return LiveCall.seen_at <= now - STALE_AFTER


async def live(session: AsyncSession, calls: Collection[UUID], now: datetime) -> dict[UUID, Live]:
    """What is known of these calls; ``LOST`` is the quality of those whose recorder has fallen silent."""
    rows = await session.execute(select(LiveCall, unseen(now)).where(LiveCall.recording_id.in_(calls)))
    return {row.recording_id: _known(row, lost=lost) for row, lost in rows}


def _known(row: LiveCall, *, lost: bool) -> Live:
    known = {name: getattr(row, name) for name in _COLUMNS}
    # Whether it pauses is as unknown by now as how it is heard.
    return Live(**known | {"quality": LOST, "paused_by": "", "paused_at": None} if lost else known)
