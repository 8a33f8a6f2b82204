"""Queries that only pages and API ask: lists with filters and cursors.  Values go out through `api.shaping`, masked.

Whatever fetches a recording or what hangs on one takes the user who asks: another team's is not there (`api.scope`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, false, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from api import cursors
from api.access.user import User
from api.persons import parties
from api.scope import sees_everything, visible, visible_calls
from archive.catalogue import SIGNALLED, Call, Recording, StoredObject, TurnRow
from archive.live_calls import LiveCall, unseen
from core.errors import NotFound
from core.jobs import JobRow
from core.ledger import LedgerRow
from workorders.orders import Finding, Link
from workorders.queries import day_bounds


@dataclass(frozen=True)
class RecordingFilter:
    """Everything optional; days are local and inclusive."""

    since: date | None = None
    until: date | None = None
    order: str | None = None
    # The telephone number of one of the parties, as signalled.
    person: str | None = None
    text_state: str | None = None
    cursor: str | None = None
    limit: int = 50


# The names of these lists in their cursors.
RECORDINGS, JOBS, CALLS = "recordings", "jobs", "calls"


# What a list shows: everything that signalling told, kilobytes a row, stays in the database.
LISTED = load_only(
    *(Recording.started_at, Recording.ended_at, Recording.duration_ms, Recording.interrupted, Recording.held),
    *(Recording.agent_number, Recording.agent_name, Recording.citizen_number, Recording.citizen_name),
    *(Recording.work_order, Recording.text_state, Recording.text_confidence, Recording.retain_until),
    raiseload=True,
)


async def list_recordings(
    session: AsyncSession, user: User, wanted: RecordingFilter, zone: ZoneInfo
) -> tuple[list[Recording], str | None]:
    """One page of recordings (``LISTED``), newest first, and the cursor of the next page if there is one."""
    newest_first = (Recording.started_at.desc(), Recording.id.desc())
    conditions = [visible(user), *_conditions(wanted, zone)]
    if wanted.person:
        # Each party has an index of its own, in the order of time: a page of each, and of both the newest.
        pages = [
            select(Recording.id).where(party, *conditions).order_by(*newest_first)
            .limit(wanted.limit + 1).subquery()
            for party in parties(wanted.person)
        ]  # fmt: skip
        conditions = [Recording.id.in_(union_all(*(select(page.c.id) for page in pages)))]
    query = select(Recording).where(*conditions).order_by(*newest_first).limit(wanted.limit + 1)
    rows = list(await session.scalars(query.options(LISTED)))
    page = rows[: wanted.limit]
    more = len(rows) > wanted.limit
    return page, cursors.write_time(RECORDINGS, page[-1].started_at, page[-1].id) if more else None


def _conditions(wanted: RecordingFilter, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since:
        conditions.append(Recording.started_at >= day_bounds(wanted.since, zone)[0])
    if wanted.until:
        conditions.append(Recording.started_at < day_bounds(wanted.until, zone)[1])
    if wanted.text_state:
        conditions.append(Recording.text_state == wanted.text_state)
    if wanted.order:
        linked = select(Link.recording_id).where(Link.work_order == wanted.order)
        signalled = select(Recording.id).where(Recording.work_order == wanted.order)
        conditions.append(Recording.id.in_(union_all(signalled, linked)))
    if wanted.cursor:
        place = cursors.read_time(wanted.cursor, RECORDINGS)
        conditions.append(cursors.older(Recording.started_at, Recording.id, place))
    return conditions


async def recording(session: AsyncSession, user: User, identifier: UUID) -> Recording:
    """The recording; ``NotFound`` otherwise, and for another team's."""
    found = await session.scalar(select(Recording).where(Recording.id == identifier, visible(user)))
    if found is None:
        raise NotFound("no such recording", recording=identifier)
    return found


async def recordings_by_id(session: AsyncSession, user: User, identifiers: Sequence[UUID]) -> dict[UUID, Recording]:
    """The recordings with these identifiers, without those that ``user`` may not know of."""
    rows = await session.scalars(select(Recording).where(Recording.id.in_(identifiers), visible(user)))
    return {row.id: row for row in rows}


async def orders_of(session: AsyncSession, recordings: Sequence[Recording]) -> dict[UUID, list[str]]:
    """The work orders that each recording is linked to."""
    identifiers = [each.id for each in recordings]
    rows = await session.execute(
        select(Link.recording_id, Link.work_order).where(Link.recording_id.in_(identifiers)).order_by(Link.at)
    )
    linked: dict[UUID, list[str]] = {identifier: [] for identifier in identifiers}
    for identifier, number in rows:
        linked[identifier].append(number)
    return linked


async def turns_of(session: AsyncSession, identifier: UUID) -> list[TurnRow]:
    """The newest transcript's turns, in order."""
    return list(
        await session.scalars(select(TurnRow).where(TurnRow.recording_id == identifier).order_by(TurnRow.ordinal))
    )


async def objects_of(session: AsyncSession, identifier: UUID) -> list[StoredObject]:
    """Everything sealed for a recording, oldest first."""
    return list(
        await session.scalars(
            select(StoredObject).where(StoredObject.recording_id == identifier).order_by(StoredObject.created_at)
        )
    )


async def links_of(session: AsyncSession, identifier: UUID) -> list[Link]:
    """A recording's links to work orders."""
    return list(await session.scalars(select(Link).where(Link.recording_id == identifier).order_by(Link.at)))


async def finding(session: AsyncSession, user: User, identifier: UUID) -> Finding:
    """The finding; ``NotFound`` otherwise, and for one about another team's recording."""
    joined = select(Finding).join(Recording, Recording.id == Finding.recording_id)
    found = await session.scalar(joined.where(Finding.id == identifier, visible(user)))
    if found is None:
        raise NotFound("no such finding", finding=identifier)
    return found


async def ledger_rows(
    session: AsyncSession,
    *,
    subjects: Sequence[str],
    limit: int,
) -> list[LedgerRow]:
    """What the ledger says of some things, newest first."""
    query = select(LedgerRow).where(LedgerRow.subject.in_(subjects)).order_by(LedgerRow.seq.desc()).limit(limit)
    return list(await session.scalars(query))


async def last_ledger_rows(session: AsyncSession, subject: str, kinds: Sequence[str]) -> dict[str, LedgerRow]:
    """The newest of each of these kinds about one thing."""
    newest = select(func.max(LedgerRow.seq)).where(LedgerRow.subject == subject, LedgerRow.kind.in_(kinds))
    rows = await session.scalars(select(LedgerRow).where(LedgerRow.seq.in_(newest.group_by(LedgerRow.kind))))
    return {row.kind: row for row in rows}


async def recordings_by_order(session: AsyncSession, user: User, numbers: Sequence[str]) -> dict[str, int]:
    """How many recordings that ``user`` may know of are linked to each order."""
    counted = select(Link.work_order, func.count()).where(Link.work_order.in_(numbers)).group_by(Link.work_order)
    if not sees_everything(user):
        counted = counted.join(Recording, Recording.id == Link.recording_id).where(visible(user))
    rows = await session.execute(counted)
    return dict(rows.all())


async def list_jobs(session: AsyncSession, state: str | None, limit: int) -> list[JobRow]:
    """The newest jobs."""
    return (await job_page(session, state, limit))[0]


async def list_calls(session: AsyncSession, user: User, state: str | None, limit: int) -> list[Call]:
    """The newest signalled calls."""
    return (await call_page(session, user, state, limit))[0]


async def job_page(
    session: AsyncSession, state: str | None, limit: int, cursor: str | None = None
) -> tuple[list[JobRow], str | None]:
    """A page of jobs, newest first, and the cursor of the next one if there is one."""
    query = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(limit + 1)
    query = query.where(JobRow.state == state) if state else query
    if cursor:
        query = query.where(cursors.older(JobRow.created_at, JobRow.id, cursors.read_time(cursor, JOBS)))
    rows = list(await session.scalars(query))
    shown = rows[:limit]
    return shown, cursors.write_time(JOBS, shown[-1].created_at, shown[-1].id) if len(rows) > limit else None


async def call_page(
    session: AsyncSession, user: User, state: str | None, limit: int, cursor: str | None = None
) -> tuple[list[Call], str | None]:
    """A page of signalled calls, newest first, and the cursor of the next one if there is one."""
    query = select(Call).where(visible_calls(user)).order_by(Call.started_at.desc(), Call.id.desc()).limit(limit + 1)
    query = query.where(Call.state == state) if state else query
    if cursor:
        query = query.where(cursors.older(Call.started_at, Call.id, cursors.read_time(cursor, CALLS)))
    rows = list(await session.scalars(query))
    shown = rows[:limit]
    return shown, cursors.write_time(CALLS, shown[-1].started_at, shown[-1].id) if len(rows) > limit else None


async def count_calls(session: AsyncSession, user: User, state: str) -> int:
    """How many calls are in a state."""
    counted = select(func.count()).select_from(Call).where(visible_calls(user), Call.state == state)
    return int(await session.scalar(counted) or 0)


@dataclass(frozen=True)
class OnTheWay:
    """How many calls without a recording go on, were lost sight of (their recorder has fallen silent), or have ended
    and wait to be sealed."""

    going_on: int
    lost: int
    ended: int


async def count_on_the_way(session: AsyncSession, user: User, now: datetime) -> OnTheWay:
    """The calls that are signalled and no more."""
    open_, silent = Call.ended_at.is_(None), func.coalesce(unseen(now), false())
    going_on, lost, ended = (
        func.count().filter(which) for which in (and_(open_, ~silent), and_(open_, silent), ~open_)
    )
    query = select(going_on, lost, ended).select_from(Call).outerjoin(LiveCall, LiveCall.recording_id == Call.id)
    query = query.where(visible_calls(user), Call.state == SIGNALLED)
    row = (await session.execute(query)).one()
    return OnTheWay(row[0], row[1], row[2])
