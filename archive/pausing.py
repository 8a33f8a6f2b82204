"""Pausing a recording from the pages: the web process asks here, the recorder that has the call reads and answers.

A pause leaves a hole in evidence, so it needs a reason, is in the ledger from the moment it is asked for, and stands in
the recording's own facts (``telephony.call.Pause``).
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import String, Text, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive.catalogue import SIGNALLED, Call
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.ledger import Entry, append, append_all, canonical

PAUSE, RESUME = "pause", "resume"
# Outcomes of a request; empty: not answered yet.
APPLIED, UNCHANGED, NOT_IN_PROGRESS = "applied", "unchanged", "not in progress"
# Kinds of ledger rows; those of asking, with what each asks for.
ASKED = {"pause asked": PAUSE, "resume asked": RESUME}
ANSWERED = "pause answered"
# Whom the ledger names for the recorder.
_RECORDER = "system"


class PauseRequest(Base):
    """One wish to pause or resume, and what became of it."""

    __tablename__ = "pause_requests"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(Uuid, index=True)
    action: Mapped[str] = mapped_column(String(10))
    by: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text, default="")
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(20), default="", index=True)


@dataclass(frozen=True)
class Wish:
    """What a person wants of a call in progress."""

    recording_id: UUID
    action: str
    by: str
    reason: str


async def ask(session: AsyncSession, wish: Wish, *, now: datetime) -> PauseRequest:
    """Note a wish for the recorder; ``NotFound`` for an unknown call, ``Conflict`` for one that has ended."""
    call = await session.get(Call, wish.recording_id)
    if call is None:
        raise NotFound("no such call", call=wish.recording_id)
    if call.state != SIGNALLED or call.ended_at is not None:
        raise Conflict("the call has ended", call=wish.recording_id, remedy="only a call in progress can be paused")
    row = PauseRequest(
        id=new_id(),
        recording_id=wish.recording_id,
        action=wish.action,
        by=wish.by,
        reason=wish.reason,
        asked_at=now,
    )
    session.add(row)
    # The reason is a person's words: it stands in the recording's facts, and in the ledger its hash alone.
    facts = {"request": str(row.id), "reason_sha256": reason_digest(row.id, row.reason)}
    await append(session, Entry(f"{wish.action} asked", wish.by, str(wish.recording_id), facts), now)
    return row


def reason_digest(request: UUID, reason: str) -> str:
    """What the ledger holds of a reason: with the request's identifier, so that equal reasons do not look it."""
    return hashlib.sha256(canonical([str(request), reason]).encode()).hexdigest()


async def unanswered(session: AsyncSession) -> list[PauseRequest]:
    """Requests that no recorder has answered, oldest first."""
    return list(await session.scalars(select(PauseRequest).where(PauseRequest.outcome == "").order_by(PauseRequest.id)))


async def settle(session: AsyncSession, outcomes: Mapping[UUID, str], *, now: datetime) -> None:
    """Answer requests, in the ledger too."""
    query = select(PauseRequest).where(PauseRequest.id.in_(outcomes)).order_by(PauseRequest.id)
    entries = []
    for row in await session.scalars(query):
        row.outcome, row.answered_at = outcomes[row.id], now
        facts = {"request": str(row.id), "outcome": row.outcome}
        entries.append(Entry(ANSWERED, _RECORDER, str(row.recording_id), facts))
    await append_all(session, entries, now)


async def newest(session: AsyncSession, calls: Collection[UUID]) -> dict[UUID, PauseRequest]:
    """The last request for each of the calls that has one."""
    rows = await session.scalars(
        select(PauseRequest).where(PauseRequest.recording_id.in_(calls)).order_by(PauseRequest.id)
    )
    return {row.recording_id: row for row in rows}
