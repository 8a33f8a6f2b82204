"""Disposal: what a recording's date makes possible, people decide, and the store allows.

proposed ──approve──▶ approved ──confirm──▶ confirmed ──begin──▶ executing ──finish──▶ done
   ├────────────┴── withdraw ──┴──▶ withdrawn
   └────────────┴── keep ──▶ kept (the recording's date moves to the day that the reviewer names)

Whoever approves did not propose; whoever confirms did not approve; the system lists what became eligible (``batches``)
and decides nothing.  ``begin`` is the point of no return: it commits, under the recording's lock, with the list of what
will be deleted and with the recording's life ``disposing``.  Holds, texts, links and longer dates take the same lock
and are refused from then on; what came before stops the disposal.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Date, ForeignKey, String, Text, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive.catalogue import KEPT, Recording
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append
from core.settings import Settings
from retention.policies import load_policies
from retention.rule import Policies

PROPOSED, APPROVED, CONFIRMED, EXECUTING, DONE = "proposed", "approved", "confirmed", "executing", "done"
WITHDRAWN, KEPT_BACK = "withdrawn", "kept"
OPEN = (PROPOSED, APPROVED, CONFIRMED, EXECUTING)
SYSTEM = "system"
ALREADY_OPEN = "这条录音已有处置在进行 / a disposal of this recording is already open"
APPROVE, CONFIRM, WITHDRAW, KEEP, BEGIN, FINISH = "approve", "confirm", "withdraw", "keep", "begin", "finish"

MOVES: Mapping[tuple[str, str], str] = {
    (PROPOSED, APPROVE): APPROVED,
    (APPROVED, CONFIRM): CONFIRMED,
    (CONFIRMED, BEGIN): EXECUTING,
    (EXECUTING, FINISH): DONE,
    (PROPOSED, WITHDRAW): WITHDRAWN,
    (APPROVED, WITHDRAW): WITHDRAWN,
    (CONFIRMED, WITHDRAW): WITHDRAWN,
    (PROPOSED, KEEP): KEPT_BACK,
    (APPROVED, KEEP): KEPT_BACK,
}


class DisposalBatch(Base):
    """What one night found eligible, for people to review."""

    __tablename__ = "disposal_batches"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    night: Mapped[date] = mapped_column(Date, unique=True)
    listed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    listed: Mapped[int]


class Disposal(Base):
    """One recording's way out.  ``plan`` lists the object versions once (``begun_at``) their deletion has begun."""

    __tablename__ = "disposals"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("disposal_batches.id"), index=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    reason: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[str] = mapped_column(String(120))
    proposed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_by: Mapped[str] = mapped_column(String(120), default="")
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[str] = mapped_column(String(120), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Whoever withdrew it or kept the recording, why, and (kept) until when.
    stopped_by: Mapped[str] = mapped_column(String(120), default="")
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stopped_why: Mapped[str] = mapped_column(Text, default="")
    kept_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    plan: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The exports that held it, once our own copies of them are struck off (``handover.copies``).
    copies: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    # Why it could go, in words of that moment (Chinese, English), for the certificate.
    rule: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    certificate: Mapped[UUID | None] = mapped_column(Uuid)  # objects.id


def move(row: Disposal, action: str) -> None:
    """Change the state by the table; ``Conflict`` for a pair that it does not have."""
    after = MOVES.get((row.state, action))
    if after is None:
        before = [state for state, each in MOVES if each == action]
        raise Conflict(
            "这项处置的状态已经改变 / this disposal is in another state",
            disposal=row.id,
            expected=before,
            found=row.state,
        )
    row.state = after


def require_eligible(recording: Recording, policies: Policies, now: datetime) -> None:
    """``Refused`` unless the recording is kept, not held, and past both its lock date and every obligation's."""
    if recording.life != KEPT:
        raise Refused("录音已经处置 / already disposed of", recording=recording.id)
    if recording.held:
        raise Refused("录音处于保全状态，不得处置 / a hold forbids disposal", recording=recording.id)
    until = eligible_on(recording, policies, now)
    if now < until:
        raise Refused("未到保存期限，不得处置 / kept for longer", recording=recording.id, until=until.isoformat())


# What `eligible_on` reads: lists of recordings leave the rest (all signalling facts, for one) in the database.
DATES = (Recording.ended_at, Recording.text_final_at, Recording.retain_until)


def eligible_on(recording: Recording, policies: Policies, now: datetime) -> datetime:
    """The later of the catalogue's date, which never moves earlier, and the longest obligation's."""
    return max(recording.retain_until, policies.eligible_at(recording.ended_at, recording.text_final_at, now))


async def propose(
    session: AsyncSession, settings: Settings, recording_id: UUID, *, by: str, reason: str, now: datetime
) -> Disposal:
    """Begin a disposal; ``Refused`` before the date or under a hold, ``Conflict`` when one is already open."""
    recording = await session.get(Recording, recording_id, with_for_update=True)
    if recording is None:
        raise NotFound("no such recording", recording=recording_id)
    require_eligible(recording, await load_policies(session, settings), now)
    if not by.strip() or not reason.strip():
        raise Refused("处置须写明提出人和理由 / a disposal needs a person and a reason", recording=recording_id)
    there = await session.scalar(
        select(Disposal.id).where(Disposal.recording_id == recording_id, Disposal.state.in_(OPEN))
    )
    if there is not None:
        raise Conflict(ALREADY_OPEN, recording=recording_id, disposal=there)
    row = Disposal(
        id=new_id(), recording_id=recording_id, state=PROPOSED, reason=reason, proposed_by=by, proposed_at=now
    )
    session.add(row)
    await _record(session, row, "disposal proposed", by, now)
    return row


async def approve(session: AsyncSession, disposal_id: UUID, *, by: str, now: datetime) -> Disposal:
    """The first decision, by another person than who proposed."""
    row = await find(session, disposal_id)
    mark_approved(row, by=by, now=now)
    await _record(session, row, "disposal approved", by, now)
    return row


def mark_approved(row: Disposal, *, by: str, now: datetime) -> None:
    """``Refused`` for the system and for who proposed."""
    require_other_person(by, row.proposed_by, disposal=row.id)
    move(row, APPROVE)
    row.approved_by, row.approved_at = by, now


async def confirm(session: AsyncSession, disposal_id: UUID, *, by: str, now: datetime) -> Disposal:
    """The second decision, by another person than who approved; the next night executes it."""
    row = await find(session, disposal_id)
    mark_confirmed(row, by=by, now=now)
    await _record(session, row, "disposal confirmed", by, now)
    return row


def mark_confirmed(row: Disposal, *, by: str, now: datetime) -> None:
    """``Refused`` for the system and for who approved."""
    require_other_person(by, row.approved_by, disposal=row.id)
    move(row, CONFIRM)
    row.confirmed_by, row.confirmed_at = by, now


async def withdraw(session: AsyncSession, disposal_id: UUID, *, by: str, now: datetime, reason: str = "") -> Disposal:
    """Stop a disposal; ``Refused`` once the deletion has begun.  The next night may list the recording anew."""
    row = await find(session, disposal_id)
    if row.state == EXECUTING:
        raise Refused("删除已经开始，不能撤回 / deletion has begun", disposal=disposal_id)
    move(row, WITHDRAW)
    row.stopped_by, row.stopped_at, row.stopped_why = by, now, reason
    await _record(session, row, "disposal withdrawn", by, now)
    return row


async def find(session: AsyncSession, disposal_id: UUID) -> Disposal:
    """The row, locked; ``NotFound`` otherwise."""
    row = await session.get(Disposal, disposal_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("no such disposal", disposal=disposal_id)
    return row


def require_other_person(by: str, before: str, **facts: object) -> None:
    """``Refused`` for nobody, for the system, and for who took the step before."""
    if not by.strip() or by == SYSTEM:
        raise Refused("须由人决定 / only a person can decide this", **facts)
    if by == before:
        raise Refused("须由另一人决定 / a second person must decide", **facts)


async def _record(session: AsyncSession, row: Disposal, kind: str, by: str, now: datetime) -> None:
    # The reason is free text and may name someone: it stays in the row and the certificate, out of the ledger.
    await append(session, Entry(kind, by, str(row.recording_id), {"disposal": str(row.id)}), now)
