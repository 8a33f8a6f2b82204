"""Questions that pages and reports ask about orders, links and findings.  Days are local days of a given zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, Recording
from workorders.orders import ANSWERS, CONNECTED, Finding, Link, LinkQuestion, WorkOrder


@dataclass(frozen=True)
class OrderFilter:
    """What a list of orders is narrowed to.  Empty values do not narrow; days are inclusive, of ``created_at``."""

    text: str = ""  # in number or title
    units: tuple[str, ...] = ()  # one of these names
    district: str = ""
    category1: str = ""
    status: str = ""
    created_from: date | None = None
    created_to: date | None = None
    timezone: ZoneInfo = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class LinkedRecording:
    """A recording of an order's timeline, with how the two were linked."""

    recording: Recording
    link: Link


@dataclass(frozen=True)
class OpenQuestion:
    """A recording whose order a person must choose."""

    question: LinkQuestion
    recording: Recording
    candidates: list[WorkOrder]


@dataclass(frozen=True)
class CallbackDay:
    """Order numbers, sorted: to be called back on a day, called on it, and reached on it.

    Due are orders closed before the day's end that no connected callback had reached before its start.
    """

    due: list[str]
    done: list[str]
    connected: list[str]


def day_bounds(day: date, timezone: ZoneInfo) -> tuple[datetime, datetime]:
    """The UTC moments at which a local day begins and the next one begins."""
    following = day + timedelta(days=1)
    first, last = (datetime.combine(each, time.min, timezone).astimezone(UTC) for each in (day, following))
    return first, last


async def order(session: AsyncSession, number: str) -> WorkOrder | None:
    """The order of a number (spaces around it do not matter)."""
    return await session.get(WorkOrder, number.strip())


async def list_orders(
    session: AsyncSession, narrowed: OrderFilter, *, limit: int = 50, offset: int = 0
) -> list[WorkOrder]:
    """A page of orders, the last created first, those that nobody says when last."""
    newest_first = (WorkOrder.created_at.desc().nulls_last(), WorkOrder.number.desc())
    matching = select(WorkOrder).where(*_conditions(narrowed)).order_by(*newest_first)
    return list(await session.scalars(matching.limit(limit).offset(offset)))


async def count_orders(session: AsyncSession, narrowed: OrderFilter) -> int:
    """How many orders a filter leaves."""
    counted = select(func.count()).select_from(WorkOrder).where(*_conditions(narrowed))
    return await session.scalar(counted) or 0


def _conditions(narrowed: OrderFilter) -> list[ColumnElement[bool]]:
    zone = narrowed.timezone
    same = [
        getattr(WorkOrder, column) == getattr(narrowed, column)
        for column in ("district", "category1", "status")
        if getattr(narrowed, column)
    ]
    if narrowed.units:
        same.append(WorkOrder.unit.in_(narrowed.units))
    if narrowed.text:
        columns = (WorkOrder.number, WorkOrder.title)
        same.append(or_(*(column.contains(narrowed.text, autoescape=True) for column in columns)))
    if narrowed.created_from:
        same.append(WorkOrder.created_at >= day_bounds(narrowed.created_from, zone)[0])
    if narrowed.created_to:
        same.append(WorkOrder.created_at < day_bounds(narrowed.created_to, zone)[1])
    return same


async def orders_of_recording(session: AsyncSession, recording_id: UUID) -> list[WorkOrder]:
    """The orders that a recording is linked to, in the order of linking."""
    joined = select(WorkOrder).join(Link, Link.work_order == WorkOrder.number)
    return list(await session.scalars(joined.where(Link.recording_id == recording_id).order_by(Link.at, Link.id)))


async def recordings_of_order(
    session: AsyncSession, number: str, visible: ColumnElement[bool] | None = None
) -> list[LinkedRecording]:
    """An order's timeline: its recordings, the earliest first; ``visible`` is the condition on those that are shown."""
    rows = await session.execute(
        select(Recording, Link)
        .join(Link, Link.recording_id == Recording.id)
        .where(Link.work_order == number, true() if visible is None else visible)
        .order_by(Recording.started_at, Recording.id)
    )
    return [LinkedRecording(recording, link) for recording, link in rows]


async def open_questions(
    session: AsyncSession, *, visible: ColumnElement[bool] | None = None, limit: int = 100, offset: int = 0
) -> list[OpenQuestion]:
    """Recordings that wait for a person to choose their order, the longest waiting first; ``visible`` as above."""
    rows = await session.execute(
        select(LinkQuestion, Recording)
        .join(Recording, Recording.id == LinkQuestion.recording_id)
        # Of a column that is computed there is no index: SQLite begins with the few questions, not with what is kept.
        .where(LinkQuestion.answered_at.is_(None), Recording.life + "" == KEPT, true() if visible is None else visible)
        .order_by(LinkQuestion.asked_at, LinkQuestion.recording_id)
        .limit(limit)
        .offset(offset)
    )
    pairs = list(rows)
    known = await _orders_by_number(session, [number for question, _ in pairs for number in question.candidates])
    return [
        OpenQuestion(question, recording, [known[number] for number in question.candidates if number in known])
        for question, recording in pairs
    ]


async def _orders_by_number(session: AsyncSession, numbers: Sequence[str]) -> dict[str, WorkOrder]:
    found = await session.scalars(select(WorkOrder).where(WorkOrder.number.in_(set(numbers))))
    return {each.number: each for each in found}


async def findings_of(session: AsyncSession, recording_id: UUID) -> list[Finding]:
    """A recording's findings, in the order in which the questions are asked."""
    found = await session.scalars(select(Finding).where(Finding.recording_id == recording_id))
    places = list(ANSWERS)
    return sorted(found, key=lambda finding: places.index(finding.question))


async def callbacks_on(session: AsyncSession, day: date, timezone: ZoneInfo) -> CallbackDay:
    """The callbacks due, done and connected on a local day, as order numbers."""
    begins, ends = day_bounds(day, timezone)
    called = select(Link.work_order).join(Recording, Recording.id == Link.recording_id).distinct()
    reached = called.join(Finding, Finding.recording_id == Recording.id).where(
        Finding.question == CONNECTED, Finding.answer == "yes"
    )
    of_day = (Recording.started_at >= begins, Recording.started_at < ends)
    due = select(WorkOrder.number).where(
        WorkOrder.closed_at < ends, WorkOrder.number.not_in(reached.where(Recording.started_at < begins))
    )
    return CallbackDay(
        due=sorted(await session.scalars(due)),
        done=sorted(await session.scalars(called.where(*of_day))),
        connected=sorted(await session.scalars(reached.where(*of_day))),
    )
