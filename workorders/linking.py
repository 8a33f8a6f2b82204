"""The link from a recording to its work order: by the number that came with the call, else by the citizen's telephone
among the orders of the days before the call; where that leaves a choice, a question for a person.

A link is sealed as ``work-orders/<number>/links/<recording id>.json`` and its row, ledger entry and answered question
commit together.  Linking again finds the link and changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, Recording, StoredObject
from archive.house import Archive
from archive.layout import document, segment
from archive.seal import seal_object
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.ledger import Entry
from core.telephone import normal_telephone
from workorders.judging import judge_orders, numbered
from workorders.orders import BY_PERSON, BY_SIGNAL, BY_TELEPHONE, Link, LinkQuestion, WorkOrder, lock_orders

FORMAT = "huiyin-link/1"
KIND = "link"
LINKED, ASKED, DISPOSED_OF = "linked", "asked", "disposed"
SEVERAL, NONE, UNKNOWN_NUMBER = "several", "none", "unknown number"
_MOST_CANDIDATES = 50
SHORTEST_LOCK = timedelta(days=1)


@dataclass(frozen=True)
class LinkOutcome:
    """What became of a recording: ``linked`` to orders, ``asked`` (with the reason and the candidates' numbers), or
    ``disposed`` (there is nothing left to link).  ``new`` tells whether this call of the function did it."""

    recording_id: UUID
    state: str
    work_orders: tuple[str, ...] = ()
    how: str = ""
    reason: str = ""
    candidates: tuple[str, ...] = ()
    new: bool = False


@dataclass(frozen=True)
class _Proposal:
    """The order that the rules find, or why they find none."""

    work_order: str = ""
    how: str = ""
    reason: str = ""
    candidates: tuple[str, ...] = ()


def link_key(work_order: str, recording_id: UUID) -> str:
    """Where a link is sealed."""
    return f"work-orders/{segment(work_order)}/links/{recording_id}.json"


async def link_recording(archive: Archive, recording_id: UUID, *, window_days: int, by: str = "system") -> LinkOutcome:
    """Link a recording by the rules, or ask; ``NotFound`` for an unknown recording."""
    async with archive.database.write() as session:
        # Behind this lock no import can add the order between our look and the question that we leave.
        await lock_orders(session)
        recording = await _recording(session, recording_id)
        if recording.life != KEPT:
            return LinkOutcome(recording_id, DISPOSED_OF)
        links = await _links(session, recording_id)
        if links:
            return _linked(recording_id, links)
        proposal = await _propose(session, recording, window_days)
        if not proposal.work_order:
            new = await _ask(session, recording_id, proposal, archive.clock())
            return LinkOutcome(recording_id, ASKED, (), "", proposal.reason, proposal.candidates, new)
    rule: dict[str, object] = {"window_days": window_days} if proposal.how == BY_TELEPHONE else {}
    link = await _seal(archive, recording, proposal.work_order, proposal.how, by, rule)
    return LinkOutcome(recording_id, LINKED, (link.work_order,), link.how, new=True)


async def link_by_person(archive: Archive, recording_id: UUID, work_order: str, *, by: str) -> Link:
    """A person says which order a recording belongs to; an open question is answered with it.

    A recording may belong to several orders.  ``NotFound`` for an unknown recording or order, ``Conflict`` for a
    recording that was disposed of.
    """
    number = work_order.strip()
    async with archive.database.read() as session:
        recording = await _recording(session, recording_id)
        if await session.get(WorkOrder, number) is None:
            raise NotFound("没有这张工单 / no such work order", work_order=number)
        there = next((link for link in await _links(session, recording_id) if link.work_order == number), None)
    if recording.life != KEPT:
        raise Conflict("录音已处置 / the recording has been disposed of", recording=recording_id)
    return there or await _seal(archive, recording, number, BY_PERSON, by, {})


async def relink_pending(archive: Archive, window_at: Callable[[datetime], int]) -> list[LinkOutcome]:
    """Try every open question again, after an import; returns what became of each.  ``window_at`` tells how many days
    count for a call that began then: who waits for an import is linked by the same rule as who did not."""
    async with archive.database.read() as session:
        waiting = await session.execute(
            select(Recording.id, Recording.started_at)
            .join(LinkQuestion, LinkQuestion.recording_id == Recording.id)
            .where(LinkQuestion.answered_at.is_(None))
            .order_by(LinkQuestion.asked_at)
        )
        calls = [(identifier, started_at) for identifier, started_at in waiting]
    return [await link_recording(archive, call, window_days=window_at(started_at)) for call, started_at in calls]


async def _propose(session: AsyncSession, recording: Recording, window_days: int) -> _Proposal:
    number = recording.work_order.strip()
    if number and await session.get(WorkOrder, number) is not None:
        return _Proposal(number, BY_SIGNAL)
    candidates = await _by_telephone(session, recording, window_days)
    if number:
        # The number is a fact that came with the call: the telephone may only suggest, not overrule it.
        return _Proposal(reason=UNKNOWN_NUMBER, candidates=candidates)
    if len(candidates) == 1:
        return _Proposal(candidates[0], BY_TELEPHONE)
    return _Proposal(reason=SEVERAL if candidates else NONE, candidates=candidates)


async def _by_telephone(session: AsyncSession, recording: Recording, window_days: int) -> tuple[str, ...]:
    """Numbers of the citizen's orders created or closed in the days before the call, the last closed first."""
    telephone = normal_telephone(recording.citizen_number)
    if not telephone:
        return ()
    since, until = recording.started_at - timedelta(days=window_days), recording.started_at
    within = [and_(moment >= since, moment <= until) for moment in (WorkOrder.created_at, WorkOrder.closed_at)]
    found = await session.scalars(
        select(WorkOrder.number)
        .where(WorkOrder.caller_phone == telephone, or_(*within))
        .order_by(WorkOrder.closed_at.desc(), WorkOrder.number)
        .limit(_MOST_CANDIDATES)
    )
    return tuple(found)


async def _ask(session: AsyncSession, recording_id: UUID, proposal: _Proposal, now: datetime) -> bool:
    """Leave the question, or bring an open one up to date; returns whether it is new."""
    question = await session.get(LinkQuestion, recording_id)
    if question is not None:
        if question.answered_at is None:
            question.reason, question.candidates = proposal.reason, list(proposal.candidates)
        return False
    candidates = list(proposal.candidates)
    session.add(LinkQuestion(recording_id=recording_id, reason=proposal.reason, candidates=candidates, asked_at=now))
    return True


async def _seal(
    archive: Archive, recording: Recording, work_order: str, how: str, by: str, rule: dict[str, object]
) -> Link:
    """Seal the link; its row commits with the object's.  The content holds no time: sealing again gives the same."""
    facts: dict[str, object] = {"work_order": work_order, "how": how, **rule}
    content = {"format": FORMAT, "recording_id": str(recording.id), "by": by, **facts}
    link = Link(id=new_id(), recording_id=recording.id, work_order=work_order, how=how, by=by, at=archive.clock())

    async def record(session: AsyncSession, _stored: StoredObject) -> None:
        if any(each.work_order == work_order for each in await _links(session, recording.id)):
            raise Conflict("somebody else linked it meanwhile", recording=recording.id, work_order=work_order)
        session.add(link)
        question = await session.get(LinkQuestion, recording.id)
        if question is not None and question.answered_at is None:
            question.answered_at, question.answered_by = link.at, by
        await judge_orders(session, numbered([work_order]))

    try:
        await seal_object(
            archive,
            key=link_key(work_order, recording.id),
            kind=KIND,
            content=document(content),
            # Of a recording whose date has passed, too: the store locks nothing until a day that is over.
            retain_until=max(recording.retain_until, archive.clock() + SHORTEST_LOCK),
            entry=Entry("linked", by, str(recording.id), {**facts, "link": str(link.id)}),
            recording_id=recording.id,
            then=record,
        )
    except (Conflict, IntegrityError):
        # Another worker (or a person) was faster: its link stands.
        there = await _link_to(archive, recording.id, work_order)
        if there is None:
            raise
        return there
    return await _link_to(archive, recording.id, work_order) or link


async def _link_to(archive: Archive, recording_id: UUID, work_order: str) -> Link | None:
    async with archive.database.read() as session:
        return next((each for each in await _links(session, recording_id) if each.work_order == work_order), None)


async def _recording(session: AsyncSession, recording_id: UUID) -> Recording:
    recording = await session.get(Recording, recording_id)
    if recording is None:
        raise NotFound("没有这条录音 / no such recording", recording=recording_id)
    return recording


async def _links(session: AsyncSession, recording_id: UUID) -> Sequence[Link]:
    found = await session.scalars(select(Link).where(Link.recording_id == recording_id).order_by(Link.at, Link.id))
    return found.all()


def _linked(recording_id: UUID, links: Sequence[Link]) -> LinkOutcome:
    numbers = tuple(link.work_order for link in links)
    return LinkOutcome(recording_id, LINKED, numbers, links[0].how)
