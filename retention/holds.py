"""Holds: cases that forbid disposal, applied to the store's own legal hold on every object of what is in their scope.

A case:      standing ──ask──▶ release asked ──confirm (another person)──▶ released
                 ▲───────── withdraw ─────────┘
A recording in a case (a member):

    (in scope) ──join──▶ holding ──store holds it all──▶ held ──case released──▶ letting ──store let go──▶ let go
                └──its deletion has begun──▶ too late

A decision is a row and a sealed document; what it means for the recordings, however many, is done by a job (``JOB``).
Until all in scope have joined (``applied_at``), the beginning of a deletion asks the case itself
(``membership.still_to_join``): nothing goes from the moment that a hold was placed.

``join`` commits with the catalogue's ``held``, which stops disposal and holds whatever is sealed later; the store
follows, and where that is interrupted the next run finds ``holding`` and goes on.  Going back the store comes first and
the catalogue last.  Each step locks the recordings' rows, as sealing and the beginning of a deletion do: a hold comes
either before a deletion has begun, and stops it, or after, and is told so.  The store lets go only when no other case
holds the recording.

Personal numbers and the words of a case stay in its row and in its sealed document; the ledger names the case, with the
hash of that document, which is salted so that a number cannot be guessed from it.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, Text, Uuid
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.layout import document
from archive.seal import seal_object
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.jobs import enqueue
from core.ledger import Entry, append
from core.settings import Settings
from retention.disposal import SYSTEM, require_other_person
from retention.rule import keep_until
from retention.scope import Scope

Then = Callable[[AsyncSession, StoredObject], Awaitable[None]]
FORMAT = "huiyin-hold/1"
KIND = "hold"
# The kind of job that brings recordings and store to what was decided.
JOB = "hold"
# States of a case.
STANDING, ASKED, RELEASED = "standing", "asked", "released"
ASK, WITHDRAW, CONFIRM = "ask", "withdraw", "confirm"
# Steps after which recordings join, or are let go.
PLACED, FREED = "placed", "released"
CASE_MOVES: Mapping[tuple[str, str], str] = {
    (STANDING, ASK): ASKED,
    (ASKED, WITHDRAW): STANDING,
    (ASKED, CONFIRM): RELEASED,
}
# States of a recording in a case.
HOLDING, HELD, LETTING, LET_GO, TOO_LATE = "holding", "held", "letting", "let go", "too late"
HOLDS = (HOLDING, HELD)


class HoldCase(Base):
    """Why something is held.  ``scope`` is a ``Scope`` as JSON; ``applied_at``: when all that was in it had joined."""

    __tablename__ = "hold_cases"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text)
    scope: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), index=True)
    placed_by: Mapped[str] = mapped_column(String(120))
    placed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    asked_by: Mapped[str] = mapped_column(String(120), default="")
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    asked_why: Mapped[str] = mapped_column(Text, default="")
    released_by: Mapped[str] = mapped_column(String(120), default="")
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class HoldMember(Base):
    """One recording in one case."""

    __tablename__ = "hold_members"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("hold_cases.id"), primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), primary_key=True, index=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)


async def place(archive: Archive, settings: Settings, *, name: str, reason: str, scope: Scope, by: str) -> HoldCase:
    """Open a case; its document is sealed, and a job enqueued that holds what is in its scope.

    ``Refused`` without a name, a reason, a person or any criterion."""
    require_other_person(by, SYSTEM)
    now = archive.clock()
    if not name.strip() or not reason.strip():
        raise Refused("保全须写明案件名称和理由 / a hold needs a name and a reason")
    scope.require_some()
    case = HoldCase(
        id=new_id(),
        name=name.strip(),
        reason=reason.strip(),
        scope=scope.to_json(),
        state=STANDING,
        placed_by=by,
        placed_at=now,
    )

    async def add(session: AsyncSession, _stored: StoredObject) -> None:
        session.add(case)
        await _enqueue(session, case.id, PLACED, now)

    said = {"name": case.name, "reason": case.reason, "scope": case.scope, "by": by}
    await _seal(archive, settings, case, PLACED, Entry("hold placed", by, str(case.id), {}), said, add, now)
    return case


async def ask_release(archive: Archive, settings: Settings, case_id: UUID, *, by: str, reason: str) -> HoldCase:
    """Ask for the release of a case; nothing is let go before another person confirms."""
    require_other_person(by, SYSTEM, case=case_id)
    if not reason.strip():
        raise Refused("解除保全须写明理由 / a release needs a reason", case=case_id)
    now, why = archive.clock(), reason.strip()
    async with archive.database.read() as session:
        case = await find_case(session, case_id)
    _after(case, ASK)

    async def ask(session: AsyncSession, _stored: StoredObject) -> None:
        row = await find_case(session, case_id)
        _move(row, ASK)
        row.asked_by, row.asked_at, row.asked_why = by, now, why

    said = {"by": by, "why": why}
    await _seal(archive, settings, case, "release-asked", Entry("release asked", by, str(case_id), {}), said, ask, now)
    async with archive.database.read() as session:
        return await find_case(session, case_id)


async def withdraw_release(session: AsyncSession, case_id: UUID, *, by: str, now: datetime) -> HoldCase:
    """Take the wish for release back: the case stands as before."""
    require_other_person(by, SYSTEM, case=case_id)
    case = await find_case(session, case_id)
    _move(case, WITHDRAW)
    case.asked_by, case.asked_at, case.asked_why = "", None, ""
    await append(session, Entry("release withdrawn", by, str(case_id), {}), now)
    return case


async def confirm_release(archive: Archive, settings: Settings, case_id: UUID, *, by: str) -> HoldCase:
    """Release a case, by another person than who asked; the job that is enqueued lets its recordings go."""
    async with archive.database.read() as session:
        case = await find_case(session, case_id)
    _require_second(case, by)
    now = archive.clock()
    asked = {"asked_by": case.asked_by, "asked_at": _text(case.asked_at), "why": case.asked_why, "by": by}

    async def release(session: AsyncSession, _stored: StoredObject) -> None:
        row = await find_case(session, case_id)
        _require_second(row, by)
        _move(row, CONFIRM)
        row.released_by, row.released_at = by, now
        await _enqueue(session, case_id, FREED, now)

    entry = Entry("hold released", by, str(case_id), {"asked_by": case.asked_by})
    await _seal(archive, settings, case, FREED, entry, asked, release, now)
    async with archive.database.read() as session:
        return await find_case(session, case_id)


def case_key(case_id: UUID, step: str) -> str:
    """Where the document of a case's ``placed`` or ``released`` is sealed."""
    return f"holds/{case_id}/{step}.json"


def job_keys(case_id: UUID) -> list[str]:
    """The keys of a case's jobs."""
    return [_job_key(case_id, step) for step in (PLACED, FREED)]


def _job_key(case_id: UUID, step: str) -> str:
    return f"{case_id}.{step}"


async def _enqueue(session: AsyncSession, case_id: UUID, step: str, now: datetime) -> None:
    await enqueue(session, JOB, {"case_id": str(case_id)}, now=now, key=_job_key(case_id, step))


async def find_case(session: AsyncSession, case_id: UUID) -> HoldCase:
    """The case, locked where the session writes; ``NotFound`` otherwise."""
    case = await session.get(HoldCase, case_id, with_for_update=True, populate_existing=True)
    if case is None:
        raise NotFound("没有这个保全案件 / no such case", case=case_id)
    return case


def _require_second(case: HoldCase, by: str) -> None:
    _after(case, CONFIRM)
    require_other_person(by, case.asked_by, case=case.id)


def _move(case: HoldCase, action: str) -> None:
    case.state = _after(case, action)


def _after(case: HoldCase, action: str) -> str:
    after = CASE_MOVES.get((case.state, action))
    if after is None:
        expected = [state for state, each in CASE_MOVES if each == action]
        raise Conflict("案件处于另一状态 / this case is in another state", expected=expected, found=case.state)
    return after


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


async def _seal(
    archive: Archive,
    settings: Settings,
    case: HoldCase,
    step: str,
    entry: Entry,
    said: Mapping[str, object],
    then: Then,
    now: datetime,
) -> None:
    """Seal what was decided about a case, so that the store alone can tell; the row commits with it."""
    content = {"format": FORMAT, "case": str(case.id), "step": step, "at": now.isoformat(), **said}
    await seal_object(
        archive,
        key=case_key(case.id, step),
        kind=KIND,
        content=document({**content, "salt": secrets.token_hex(16)}),
        retain_until=keep_until(settings, now),
        entry=entry,
        then=then,
    )
