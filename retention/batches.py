"""What became eligible, reviewed by the batch: one batch a night, every recording in one open disposal at most.

A recording that was kept or whose disposal was withdrawn is listed again by the first night after its date.  Decisions
on a batch are one ledger row each, with the hash of the recordings that they are about; each disposal that is carried
out has a row of its own.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from archive.catalogue import KEPT, Recording
from archive.house import Archive
from archive.seal import lengthen
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append
from core.settings import Settings
from retention.disposal import (
    APPROVED,
    DATES,
    KEEP,
    OPEN,
    PROPOSED,
    SYSTEM,
    Disposal,
    DisposalBatch,
    eligible_on,
    mark_approved,
    mark_confirmed,
    move,
    require_other_person,
)
from retention.policies import load_policies
from retention.rule import midnight_after

REASON = "保存期满 / its date has come"
# A lock cannot be shortened: what a reviewer keeps for longer than this is taken for a mistake.
LONGEST_KEEP = timedelta(days=3660)


@dataclass(frozen=True)
class Decided:
    """A decision on a batch: how many disposals it moved."""

    batch: UUID
    count: int


async def list_eligible(session: AsyncSession, settings: Settings, now: datetime) -> tuple[str, ...]:
    """The kept recordings without a hold whose date has come, earliest first."""
    return tuple(str(identifier) for identifier in await _eligible(session, settings, now))


async def _eligible(
    session: AsyncSession, settings: Settings, now: datetime, *further: ColumnElement[bool]
) -> list[UUID]:
    policies = await load_policies(session, settings)
    query = (
        select(Recording)
        .where(Recording.life == KEPT, Recording.held.is_(False), Recording.retain_until <= now, *further)
        .order_by(Recording.retain_until, Recording.id)
        .options(load_only(*DATES))
    )
    rows = await session.scalars(query)
    return [row.id for row in rows if eligible_on(row, policies, now) <= now]


async def list_batch(archive: Archive, settings: Settings, *, now: datetime) -> DisposalBatch | None:
    """Put into this night's batch whatever is eligible and in no open disposal; ``None`` when that is nothing.  A night
    that has its batch keeps it: what comes later the same day waits for the next."""
    moment = min(now, archive.clock())
    night = moment.astimezone(settings.timezone).date()
    async with archive.database.write() as session:
        there = await session.scalar(select(DisposalBatch).where(DisposalBatch.night == night))
        if there is not None:
            return there
        is_open = exists().where(Disposal.recording_id == Recording.id, Disposal.state.in_(OPEN))
        found = await _eligible(session, settings, moment, ~is_open)
        if not found:
            return None
        batch = DisposalBatch(id=new_id(), night=night, listed_at=moment, listed=len(found))
        session.add(batch)
        await session.flush()
        await session.execute(insert(Disposal), [_listed(identifier, batch) for identifier in found])
        await _record(session, "disposals listed", SYSTEM, batch.id, found, moment)
        return batch


def _listed(recording_id: UUID, batch: DisposalBatch) -> dict[str, object]:
    return {
        "id": new_id(),
        "recording_id": recording_id,
        "batch_id": batch.id,
        "state": PROPOSED,
        "reason": REASON,
        "proposed_by": SYSTEM,
        "proposed_at": batch.listed_at,
    }


async def approve_batch(
    session: AsyncSession, batch_id: UUID, *, by: str, now: datetime, only: Sequence[UUID] = ()
) -> Decided:
    """Approve what is proposed in a batch (``only``: these recordings of it); ``Conflict`` when there is nothing."""
    rows = await _rows(session, batch_id, PROPOSED, only)
    for row in rows:
        mark_approved(row, by=by, now=now)
    await _record(session, "disposals approved", by, batch_id, [row.recording_id for row in rows], now)
    return Decided(batch_id, len(rows))


async def confirm_batch(
    session: AsyncSession, batch_id: UUID, *, by: str, now: datetime, only: Sequence[UUID] = ()
) -> Decided:
    """Confirm what somebody else has approved; the next night deletes it.  ``Refused`` for the one who approved."""
    rows = await _rows(session, batch_id, APPROVED, only)
    for row in rows:
        mark_confirmed(row, by=by, now=now)
    await _record(session, "disposals confirmed", by, batch_id, [row.recording_id for row in rows], now)
    return Decided(batch_id, len(rows))


async def keep(
    archive: Archive, settings: Settings, recordings: Sequence[UUID], *, by: str, reason: str, until: date
) -> int:
    """Take recordings out of their review and lock them through the day ``until``; a later night lists them again.

    The lock comes first: interrupted, some are locked for longer and still in review, and doing it again finishes."""
    moment = _keep_until(archive, settings, by, reason, until)
    for identifier in recordings:
        await _open_disposal(archive, identifier)
    for identifier in recordings:
        await lengthen(archive, identifier, moment, why="kept at review", actor=by)
        async with archive.database.write() as session:
            row = await _in_review(session, identifier)
            move(row, KEEP)
            row.stopped_by, row.stopped_at, row.stopped_why = by, archive.clock(), reason
            row.kept_until = moment
            facts = {"disposal": str(row.id), "until": moment.isoformat()}
            await append(session, Entry("disposal refused", by, str(identifier), facts), archive.clock())
    return len(recordings)


def _keep_until(archive: Archive, settings: Settings, by: str, reason: str, until: date) -> datetime:
    require_other_person(by, SYSTEM)
    if not reason.strip():
        raise Refused("继续保存须写明理由 / keeping needs a reason")
    moment, now = midnight_after(until, settings.timezone), archive.clock()
    if not now < moment <= now + LONGEST_KEEP:
        raise Refused(
            "继续保存的日期应在今天之后十年之内 / keep until a day within ten years", until=until, today=now.date()
        )
    return moment


async def _open_disposal(archive: Archive, recording_id: UUID) -> None:
    async with archive.database.read() as session:
        await _in_review(session, recording_id)


async def _in_review(session: AsyncSession, recording_id: UUID) -> Disposal:
    query = select(Disposal).where(Disposal.recording_id == recording_id, Disposal.state.in_((PROPOSED, APPROVED)))
    row = await session.scalar(query.with_for_update())
    if row is None:
        raise NotFound("no disposal of this recording is in review", recording=recording_id)
    return row


async def _rows(session: AsyncSession, batch_id: UUID, state: str, only: Sequence[UUID]) -> list[Disposal]:
    if await session.get(DisposalBatch, batch_id) is None:
        raise NotFound("no such batch of disposals", batch=batch_id)
    query = select(Disposal).where(Disposal.batch_id == batch_id, Disposal.state == state).order_by(Disposal.id)
    rows = list(await session.scalars(query.with_for_update()))
    if only:
        rows = [row for row in rows if row.recording_id in set(only)]
        missing = set(only) - {row.recording_id for row in rows}
        if missing:
            raise Conflict("not in this batch, or in another state", recording=min(missing), expected=state)
    if not rows:
        raise Conflict("nothing in this batch is in that state", batch=batch_id, expected=state)
    return rows


async def _record(
    session: AsyncSession, kind: str, by: str, batch_id: UUID, recordings: Iterable[UUID], now: datetime
) -> None:
    named = sorted(str(identifier) for identifier in recordings)
    digest = hashlib.sha256("\n".join(named).encode()).hexdigest()
    facts = {"count": len(named), "recordings_sha256": digest}
    await append(session, Entry(kind, by, str(batch_id), facts), now)
