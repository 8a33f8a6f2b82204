"""What waits for a person: orders to be called back, recordings with doubtful text, findings that nobody decided."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from archive.catalogue import KEPT, TEXT_DONE, Recording
from workorders.callbacks import DONE, CallMade, Days, Standing, standing
from workorders.orders import CONNECTED, OPEN, SOLVED, SUGGESTED, Finding, Link, WorkOrder

# What a list of work shows: everything that signalling told, kilobytes a row, stays in the database.
SHOWN = load_only(
    Recording.started_at, Recording.citizen_number, Recording.citizen_name, Recording.team, raiseload=True
)
# Orders looked at in one go, those closed first.
MOST_ORDERS = 2000


@dataclass(frozen=True)
class Allowed:
    """Days to act by the day on which they begin, the zone in which days are counted, the moment since when things
    count, and the confidence (0 to 1) below which a text waits until a person has corrected it or decided about it."""

    days: Days
    zone: ZoneInfo
    since: datetime
    now: datetime
    doubtful: float


@dataclass(frozen=True)
class WaitingOrder:
    """A closed order that is not solved, where it stands, and its calls since it was closed, the earliest first."""

    number: str
    title: str
    unit: str
    standing: Standing
    calls: Sequence[CallMade]


@dataclass(frozen=True)
class WaitingFindings:
    """A recording, and how many of its findings are suggestions still."""

    recording: Recording
    count: int


async def waiting_orders(session: AsyncSession, allowed: Allowed) -> tuple[list[WaitingOrder], bool]:
    """Orders closed within the time that are not solved, and whether there are more than were looked at."""
    columns = (WorkOrder.number, WorkOrder.title, WorkOrder.unit, WorkOrder.status, WorkOrder.closed_at)
    rows = (
        await session.execute(
            select(*columns)
            .where(WorkOrder.closed_at >= allowed.since, WorkOrder.closed_at <= allowed.now, OPEN)
            .order_by(WorkOrder.closed_at, WorkOrder.number)
            .limit(MOST_ORDERS + 1)
        )
    ).all()
    calls = await calls_of(session, [row.number for row in rows[:MOST_ORDERS]])
    found = []
    for number, title, unit, status, closed_at in rows[:MOST_ORDERS]:
        assert closed_at is not None  # the query asks for closed ones
        since = [call for call in calls.get(number, []) if call.started_at >= closed_at]
        judged = standing(closed_at, status, since, days=allowed.days, zone=allowed.zone)
        if judged.stage != DONE:
            found.append(WaitingOrder(number, title, unit, judged, since))
    return found, len(rows) > MOST_ORDERS


async def calls_of(session: AsyncSession, numbers: Sequence[str]) -> Mapping[str, list[CallMade]]:
    """The calls about each order with the answers that the rule asks for, the earliest first."""
    rows = await session.execute(
        select(Link.work_order, Recording.id, Recording.started_at, Recording.team, Finding.question, Finding.answer)
        .join(Recording, Recording.id == Link.recording_id)
        .outerjoin(Finding, (Finding.recording_id == Recording.id) & Finding.question.in_((CONNECTED, SOLVED)))
        .where(Link.work_order.in_(numbers))
        .order_by(Recording.started_at, Recording.id)
    )
    calls: dict[str, dict[UUID, CallMade]] = defaultdict(dict)
    for number, identifier, started_at, team, question, said in rows:
        before = calls[number].get(identifier)
        answers = {**(before.answers if before else {}), **({question: said} if question else {})}
        calls[number][identifier] = CallMade(identifier, started_at, team, answers)
    return {number: list(made.values()) for number, made in calls.items()}


async def waiting_texts(
    session: AsyncSession, visible: ColumnElement[bool], allowed: Allowed, limit: int
) -> list[Recording]:
    """Recordings with doubtful text that no person has touched yet, the earliest first."""
    decided = exists().where(Finding.recording_id == Recording.id, Finding.standing != SUGGESTED)
    found = await session.scalars(
        select(Recording)
        .where(
            Recording.text_state == TEXT_DONE,
            Recording.started_at >= allowed.since,
            Recording.text_version == 1,
            Recording.text_confidence < allowed.doubtful,
            Recording.life == KEPT,
            ~decided,
            visible,
        )
        .order_by(Recording.started_at, Recording.id)
        .limit(limit)
        .options(SHOWN)
    )
    return list(found)


async def waiting_findings(
    session: AsyncSession, visible: ColumnElement[bool], since: datetime, limit: int
) -> list[WaitingFindings]:
    """Recordings with findings that nobody accepted or changed, the earliest first."""
    suggested = (Finding.recording_id == Recording.id, Finding.standing == SUGGESTED)
    count = select(func.count()).select_from(Finding).where(*suggested).correlate(Recording).scalar_subquery()
    rows = await session.execute(
        select(Recording, count)
        # Of a column that is computed there is no index: SQLite walks the days that count, not all that is kept.
        .where(Recording.started_at >= since, Recording.life + "" == KEPT, exists().where(*suggested), visible)
        .order_by(Recording.started_at, Recording.id)
        .limit(limit)
        .options(SHOWN)
    )
    return [WaitingFindings(recording, number) for recording, number in rows]
