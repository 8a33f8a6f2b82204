"""One day's facts from real rows: readings of callbacks, recordings kept and missing, what citizens said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, SIGNALLED, Call, Recording
from archive.catalogue import MISSING as CALL_MISSING
from core.dictionaries import CATEGORIES, UNITS, names_on
from reporting.figures import Answer, Reading, newest_of_each_order
from reporting.masking import mask
from workorders.orders import CONNECTED, SATISFIED, SOLVED, SUGGESTED, SUGGESTION, Finding, Link, WorkOrder
from workorders.queries import CallbackDay, callbacks_on, day_bounds

NO_UNIT, NO_CATEGORY = "（未注明承办单位）", "（未注明分类）"
SUGGESTS, UNSOLVED, DISSATISFIED = "建议", "未解决", "不满意"


@dataclass(frozen=True)
class Kept:
    """A recording of the day that is kept: its text's state, and whether an order is linked to it."""

    recording_id: UUID
    started_at: datetime
    duration_ms: int
    text_state: str
    interrupted: bool
    linked: bool


@dataclass(frozen=True)
class Absent:
    """A call of the day without a recording; ``open`` while it may still come."""

    recording_id: UUID
    started_at: datetime
    work_order: str
    note: str
    open: bool


@dataclass(frozen=True)
class Called:
    """Alias → the name under which units and categories are counted on a day."""

    units: Mapping[str, str]
    categories: Mapping[str, str]


@dataclass(frozen=True)
class Heard:
    """A sentence that a citizen said: what it is (建议, 未解决, 不满意), its order, recording and second."""

    what: str
    work_order: str
    recording_id: UUID
    answer: Answer


@dataclass(frozen=True)
class DayFacts:
    """Everything that the daily report of one day is made of.  ``readings`` are the valid callbacks, one each order."""

    day: date
    callbacks: CallbackDay
    readings: tuple[Reading, ...]
    before: tuple[Reading, ...]
    kept: tuple[Kept, ...]
    absent: tuple[Absent, ...]
    suggestions: tuple[Heard, ...]
    complaints: tuple[Heard, ...]


async def day_facts(session: AsyncSession, day: date, timezone: ZoneInfo) -> DayFacts:
    """Read one local day; the day before is read for comparison only."""
    heard = await connected_readings(session, day, timezone)
    before = await connected_readings(session, day - timedelta(days=1), timezone)
    return DayFacts(
        day=day,
        callbacks=await callbacks_on(session, day, timezone),
        readings=newest_of_each_order(heard),
        before=newest_of_each_order(before),
        kept=await kept_recordings(session, day, timezone),
        absent=await absent_recordings(session, day, timezone),
        suggestions=_sentences(heard, ((SUGGESTS, SUGGESTION, "yes"),)),
        complaints=_sentences(heard, ((UNSOLVED, SOLVED, "no"), (DISSATISFIED, SATISFIED, "dissatisfied"))),
    )


async def connected_readings(session: AsyncSession, day: date, timezone: ZoneInfo) -> tuple[Reading, ...]:
    """Every connected callback of the day that is linked to an order, in the order of the day; repeated calls stay."""
    first, following = day_bounds(day, timezone)
    of_the_day = (Recording.started_at >= first, Recording.started_at < following)
    rows = await session.execute(
        select(Recording.id, Recording.started_at, WorkOrder)
        .join(Link, Link.recording_id == Recording.id)
        .join(WorkOrder, WorkOrder.number == Link.work_order)
        .where(*of_the_day)
        .order_by(Recording.started_at, Recording.id, WorkOrder.number)
    )
    findings = await session.scalars(
        select(Finding).join(Recording, Recording.id == Finding.recording_id).where(*of_the_day)
    )
    answers = _by_recording(findings)
    called = Called(await names_on(session, UNITS, day), await names_on(session, CATEGORIES, day))
    readings = (
        _reading(identifier, started_at, order, answers.get(identifier, ()), called)
        for identifier, started_at, order in rows
    )
    return tuple(reading for reading in readings if reading.says(CONNECTED) == "yes")


async def kept_recordings(session: AsyncSession, day: date, timezone: ZoneInfo) -> tuple[Kept, ...]:
    """The recordings of calls that began on the day."""
    first, following = day_bounds(day, timezone)
    linked = select(Link.id).where(Link.recording_id == Recording.id).exists()
    rows = await session.execute(
        select(Recording, linked)
        .where(Recording.started_at >= first, Recording.started_at < following, Recording.life == KEPT)
        .order_by(Recording.started_at, Recording.id)
    )
    return tuple(
        Kept(row.id, row.started_at, row.duration_ms, row.text_state, row.interrupted, bool(has_link))
        for row, has_link in rows
    )


async def absent_recordings(session: AsyncSession, day: date, timezone: ZoneInfo) -> tuple[Absent, ...]:
    """Calls that began on the day and have no recording: missing, or not sealed yet."""
    first, following = day_bounds(day, timezone)
    sealed = select(Recording.id).where(Recording.id == Call.id).exists()
    rows = await session.scalars(
        select(Call)
        .where(Call.started_at >= first, Call.started_at < following)
        .where(Call.state.in_((CALL_MISSING, SIGNALLED)), ~sealed)
        .order_by(Call.started_at, Call.id)
    )
    return tuple(Absent(row.id, row.started_at, row.work_order, row.note, row.state == SIGNALLED) for row in rows)


def _by_recording(findings: Iterable[Finding]) -> dict[UUID, list[Finding]]:
    found: dict[UUID, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.recording_id, []).append(finding)
    return found


def _reading(
    identifier: UUID, started_at: datetime, order: WorkOrder, findings: Iterable[Finding], called: Called
) -> Reading:
    return Reading(
        work_order=order.number,
        recording_id=identifier,
        started_at=started_at,
        unit=called.units.get(order.unit, order.unit) or NO_UNIT,
        category=called.categories.get(order.category1, order.category1) or NO_CATEGORY,
        answers={
            finding.question: Answer(
                answer=finding.answer,
                ordinal=finding.ordinal,
                start_ms=finding.start_ms,
                sentence=mask(finding.sentence, (order.caller,)),
                confirmed=finding.standing != SUGGESTED,
            )
            for finding in findings
        },
    )


def _sentences(readings: Sequence[Reading], wanted: Sequence[tuple[str, str, str]]) -> tuple[Heard, ...]:
    return tuple(
        Heard(what, reading.work_order, reading.recording_id, reading.answers[question])
        for reading in readings
        for what, question, answer in wanted
        if reading.says(question) == answer
    )
