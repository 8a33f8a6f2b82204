"""Disposal: what a recording's date makes possible, people decide, and the store allows.

proposed ──approve──▶ approved ──confirm──▶ confirmed ──execute──▶ done
   └────────────┴── withdraw ──┴──▶ withdrawn (until execution has begun)

Whoever approves did not propose; whoever confirms did not approve; the system itself does neither.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, Text, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive.catalogue import KEPT, Recording
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append
from core.settings import Settings
from retention.rule import eligible_at

PROPOSED, APPROVED, CONFIRMED, DONE, WITHDRAWN = "proposed", "approved", "confirmed", "done", "withdrawn"
OPEN = (PROPOSED, APPROVED, CONFIRMED)
SYSTEM = "system"


class Disposal(Base):
    """One recording's way out.  ``plan`` lists the object versions once (``begun_at``) their deletion has begun."""

    __tablename__ = "disposals"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    reason: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[str] = mapped_column(String(120))
    proposed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[str] = mapped_column(String(120), default="")
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[str] = mapped_column(String(120), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    plan: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    certificate: Mapped[UUID | None] = mapped_column(Uuid)  # objects.id


def require_eligible(recording: Recording, settings: Settings, now: datetime) -> None:
    """``Refused`` unless the recording is kept, not held, and past both its lock date and the rule's date."""
    if recording.life != KEPT:
        raise Refused("录音已经处置 / already disposed of", recording=recording.id)
    if recording.held:
        raise Refused("录音处于保全状态，不得处置 / a hold forbids disposal", recording=recording.id)
    until = eligible_on(recording, settings)
    if now < until:
        raise Refused("未到保存期限，不得处置 / kept for longer", recording=recording.id, until=until.isoformat())


# What `eligible_on` reads: lists of recordings leave the rest (all signalling facts, for one) in the database.
DATES = (Recording.ended_at, Recording.text_final_at, Recording.retain_until)


def eligible_on(recording: Recording, settings: Settings) -> datetime:
    """The later of the catalogue's date and the rule's date."""
    by_rule = eligible_at(
        recording.ended_at, recording.text_final_at, years=settings.retention_years, timezone=settings.timezone
    )
    return max(recording.retain_until, by_rule)


async def propose(
    session: AsyncSession, settings: Settings, recording_id: UUID, *, by: str, reason: str, now: datetime
) -> Disposal:
    """Begin a disposal; ``Refused`` before the date or under a hold, ``Conflict`` when one is already open."""
    recording = await session.get(Recording, recording_id, with_for_update=True)
    if recording is None:
        raise NotFound("no such recording", recording=recording_id)
    require_eligible(recording, settings, now)
    if not by.strip() or not reason.strip():
        raise Refused("处置须写明提出人和理由 / a disposal needs a person and a reason", recording=recording_id)
    there = await session.scalar(
        select(Disposal.id).where(Disposal.recording_id == recording_id, Disposal.state.in_(OPEN))
    )
    if there is not None:
        raise Conflict("a disposal of this recording is already open", recording=recording_id, disposal=there)
    row = Disposal(
        id=new_id(), recording_id=recording_id, state=PROPOSED, reason=reason, proposed_by=by, proposed_at=now
    )
    session.add(row)
    await _record(session, row, "disposal proposed", by, now)
    return row


async def approve(session: AsyncSession, disposal_id: UUID, *, by: str, now: datetime) -> Disposal:
    """The first decision, by another person than who proposed."""
    row = await _in_state(session, disposal_id, PROPOSED)
    _require_other_person(row, by, row.proposed_by)
    row.state, row.approved_by, row.approved_at = APPROVED, by, now
    await _record(session, row, "disposal approved", by, now)
    return row


async def confirm(session: AsyncSession, disposal_id: UUID, *, by: str, now: datetime) -> Disposal:
    """The second decision, by another person than who approved; the next night executes it."""
    row = await _in_state(session, disposal_id, APPROVED)
    _require_other_person(row, by, row.approved_by)
    row.state, row.confirmed_by, row.confirmed_at = CONFIRMED, by, now
    await _record(session, row, "disposal confirmed", by, now)
    return row


async def withdraw(session: AsyncSession, disposal_id: UUID, *, by: str, now: datetime) -> Disposal:
    """Stop a disposal; ``Refused`` once the deletion has begun."""
    row = await _in_state(session, disposal_id, *OPEN)
    if row.plan is not None:
        raise Refused("删除已经开始，不能撤回 / deletion has begun", disposal=disposal_id)
    row.state = WITHDRAWN
    await _record(session, row, "disposal withdrawn", by, now)
    return row


async def _in_state(session: AsyncSession, disposal_id: UUID, *states: str) -> Disposal:
    row = await session.get(Disposal, disposal_id, with_for_update=True)
    if row is None:
        raise NotFound("no such disposal", disposal=disposal_id)
    if row.state not in states:
        raise Conflict("this disposal is in another state", disposal=disposal_id, expected=states, found=row.state)
    return row


def _require_other_person(row: Disposal, by: str, before: str) -> None:
    if not by.strip() or by == SYSTEM:
        raise Refused("处置须由人决定 / only a person can decide a disposal", disposal=row.id)
    if by == before:
        raise Refused("须由另一人决定 / a second person must decide", disposal=row.id)


async def _record(session: AsyncSession, row: Disposal, kind: str, by: str, now: datetime) -> None:
    # The reason is free text and may name someone: it stays in the row and the certificate, out of the ledger.
    await append(session, Entry(kind, by, str(row.recording_id), {"disposal": str(row.id)}), now)
