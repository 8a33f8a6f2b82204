"""Calls that signalling announced against recordings that were sealed: what never came is marked and named."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import MISSING, SEALED, SIGNALLED, Call, Recording
from archive.house import Archive
from archive.live_calls import forget
from core.ledger import Entry, append
from retention.disposal import SYSTEM

AFTER_END = timedelta(hours=1)
AFTER_START = timedelta(hours=24)


@dataclass(frozen=True)
class MissingCall:
    """A call without a recording, and why it counts as missing (Chinese): all that the catalogue knows of it, so that
    the night's sealed result can tell it again.  ``ended_at`` in ISO 8601, empty where no end was signalled."""

    call: str
    started_at: datetime
    work_order: str
    reason: str
    sip_call_id: str = ""
    ended_at: str = ""


@dataclass(frozen=True)
class Reconciliation:
    """Newly missing calls, calls whose recording was there after all, and how many are missing altogether."""

    missing: tuple[MissingCall, ...]
    found: tuple[str, ...]
    still_missing: int


async def reconcile(archive: Archive, *, now: datetime, dry_run: bool) -> Reconciliation:
    """Settle calls that ended an hour ago, or began a day ago, and still stand as signalled; forget what no recorder
    has spoken of for a day."""
    overdue = or_(
        Call.ended_at <= now - AFTER_END,
        and_(Call.ended_at.is_(None), Call.started_at <= now - AFTER_START),
    )
    sealed = select(Recording.id).where(Recording.id == Call.id).exists()
    async with archive.database.read() as session:
        missing = select(Call).where(Call.state == SIGNALLED, overdue, ~sealed).order_by(Call.started_at, Call.id)
        late = (await session.scalars(missing)).all()
        there = select(Call).where(Call.state.in_((SIGNALLED, MISSING)), sealed).order_by(Call.started_at, Call.id)
        found = (await session.scalars(there)).all()
        before = (await session.scalars(select(Call.id).where(Call.state == MISSING, ~sealed))).all()
    if not dry_run:
        for call in found:
            await _mark_sealed(archive, call.id)
        marked = [call for call in late if await _mark_missing(archive, call.id, now)]
        async with archive.database.write() as session:
            await forget(session, now - AFTER_START)
    else:
        marked = list(late)
    return Reconciliation(
        missing=tuple(_missing(call) for call in marked),
        found=tuple(str(call.id) for call in found),
        still_missing=len(before) + len(marked),
    )


def _missing(call: Call) -> MissingCall:
    ended = call.ended_at.isoformat() if call.ended_at else ""
    return MissingCall(str(call.id), call.started_at, call.work_order, _reason(call), call.sip_call_id, ended)


def _reason(call: Call) -> str:
    if call.ended_at is None:
        return "通话开始已超过24小时，未收到结束信令，也没有录音"
    return "通话结束已超过1小时，没有录音"


async def _mark_missing(archive: Archive, identifier: UUID, now: datetime) -> bool:
    """False when the recording was sealed in the meantime."""
    async with archive.database.write() as session:
        call = await session.get_one(Call, identifier, with_for_update=True)
        if call.state != SIGNALLED or await _is_sealed(session, identifier):
            return False
        call.state = MISSING
        call.note = "；".join(part for part in (call.note, _reason(call)) if part)
        await append(session, Entry("missing", SYSTEM, str(identifier), {"call_ended": call.ended_at is not None}), now)
        return True


async def _mark_sealed(archive: Archive, identifier: UUID) -> None:
    async with archive.database.write() as session:
        call = await session.get_one(Call, identifier, with_for_update=True)
        call.state = SEALED


async def _is_sealed(session: AsyncSession, identifier: UUID) -> bool:
    return await session.get(Recording, identifier) is not None
