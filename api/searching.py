"""A search as pages and API ask it: words over the index, filters over the catalogue, within what somebody may see."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from aiohttp import web
from sqlalchemy import ColumnElement, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from api import cursors, reading
from api.access.user import User
from api.context import context, signed_in
from api.models_search import FoundCallView, HitView, SearchFilters, SearchPage, SearchQuery
from api.persons import number_of, of_person
from api.problems import Problem
from api.scope import sees_everything, visible
from api.shaping import recording_summary
from archive.catalogue import DISPOSED, Recording
from archive.search import MOST, Found, FoundCall, search
from archive.search_wanted import Wanted
from core.dictionaries import UNITS
from workorders.orders import SATISFIED, SOLVED, Finding, Link, WorkOrder
from workorders.queries import day_bounds

T = TypeVar("T")
# The names of these lists in their cursors: found by words, and by filters alone.
WORDS, FILTERS = "search words", "search"


async def search_page(request: web.Request, asked: SearchQuery) -> SearchPage:
    """One page of what is found; a ``Problem`` 400 for a cursor that is none."""
    async with context(request).database.read() as session:
        found, following = await _find(session, request, asked)
        identifiers = [call.recording_id for call in found.calls]
        rows = await reading.recordings_by_id(session, signed_in(request), identifiers)
        orders = await reading.orders_of(session, list(rows.values()))
    return SearchPage(
        items=[_view(call, rows[call.recording_id], orders) for call in found.calls if call.recording_id in rows],
        next=following,
        count=found.count,
        more=found.more,
        searched_to=found.searched_to,
    )


async def identifiers_found(request: web.Request, filters: SearchFilters, most: int) -> list[UUID]:
    """As ``all_found``, and only which recordings they are: nothing else of them is read."""
    found: list[UUID] = []
    asked: SearchQuery | None = SearchQuery(**filters.model_dump(by_alias=True), limit=100)
    while asked is not None:
        async with context(request).database.read() as session:
            page, following = await _find(session, request, asked)
        found += [call.recording_id for call in page.calls]
        _require_at_most(len(found), most)
        asked = asked.model_copy(update={"cursor": following}) if following else None
    return _require_some(found)


async def all_found(request: web.Request, filters: SearchFilters, most: int) -> list[FoundCallView]:
    """Everything that is found; a ``Problem`` 422 where it is nothing, or more than ``most``."""
    found: list[FoundCallView] = []
    asked = SearchQuery(**filters.model_dump(by_alias=True), limit=100)
    while True:
        page = await search_page(request, asked)
        found += page.items
        _require_at_most(len(found), most)
        if page.next is None:
            break
        asked = asked.model_copy(update={"cursor": page.next})
    return _require_some(found)


def _require_at_most(count: int, most: int) -> None:
    if count > most:
        raise Problem(422, f"结果超过 {most} 通，请先缩小范围 / more than {most} calls: narrow the search first")


def _require_some(found: list[T]) -> list[T]:
    if not found:
        raise Problem(422, "没有符合条件的通话 / no call meets these conditions")
    return found


def _view(call: FoundCall, row: Recording, orders: dict[UUID, list[str]]) -> FoundCallView:
    hits = [HitView.model_validate({name: getattr(hit, name) for name in HitView.model_fields}) for hit in call.hits]
    return FoundCallView(recording=recording_summary(row, orders[row.id]), sentences=call.sentences, hits=hits)


async def _find(session: AsyncSession, request: web.Request, asked: SearchQuery) -> tuple[Found, str | None]:
    number = await number_of(session, context(request).secrets, asked.who) if asked.who else None
    zone = context(request).settings.timezone
    wanted = Wanted(
        asked.q,
        since=day_bounds(asked.since, zone)[0] if asked.since else None,
        until=day_bounds(asked.to, zone)[1] if asked.to else None,
        conditions=tuple(_conditions(asked, number, signed_in(request), _units(request, asked.unit or ""))),
        narrow=bool(asked.order or asked.agent or number),
    )
    if not asked.q.strip():
        return await _without_words(session, wanted, asked)
    before = cursors.read_number(asked.cursor, WORDS) if asked.cursor else None
    found = await search(session, replace(wanted, before=before), limit=asked.limit)
    return found, cursors.write(WORDS, found.next) if found.next is not None else None


async def _without_words(session: AsyncSession, wanted: Wanted, asked: SearchQuery) -> tuple[Found, str | None]:
    """Filters alone: whatever the catalogue has, also calls whose text is missing."""
    conditions = [*wanted.conditions, Recording.life != DISPOSED]
    if wanted.since:
        conditions.append(Recording.started_at >= wanted.since)
    if wanted.until:
        conditions.append(Recording.started_at < wanted.until)
    if asked.cursor:
        place = cursors.read_time(asked.cursor, FILTERS)
        conditions.append(cursors.older(Recording.started_at, Recording.id, place))
    query = select(Recording.id, Recording.started_at).where(*conditions)
    query = query.order_by(Recording.started_at.desc(), Recording.id.desc()).limit(MOST + 1)
    rows = (await session.execute(query)).all()
    page = rows[: asked.limit]
    more = len(rows) > asked.limit
    found = Found(tuple(FoundCall(row.id, 0, ()) for row in page), count=min(len(rows), MOST), more=len(rows) > MOST)
    return found, cursors.write_time(FILTERS, page[-1].started_at, page[-1].id) if more else None


def _conditions(
    asked: SearchFilters, number: str | None, user: User, units: Sequence[str]
) -> list[ColumnElement[bool]]:
    found = [] if sees_everything(user) else [visible(user)]
    plain: Sequence[tuple[object, ColumnElement[bool]]] = (
        (asked.agent, Recording.agent_number == asked.agent),
        (number, of_person(number or "")),
        (asked.longer, Recording.duration_ms >= (asked.longer or 0) * 1000),
        (asked.shorter, Recording.duration_ms < (asked.shorter or 0) * 1000),
        (asked.below, Recording.text_confidence < (asked.below or 0)),
        (asked.held, Recording.held.is_(bool(asked.held))),
        (asked.text_state, Recording.text_state == asked.text_state),
        (asked.order, _of_order(asked.order or "")),
        (asked.unit, _of_unit(asked.unit or "", units)),
        (asked.solved, _answered(SOLVED, asked.solved)),
        (asked.satisfied, _answered(SATISFIED, asked.satisfied)),
    )
    return [*found, *(condition for value, condition in plain if value is not None)]


def _of_order(number: str) -> ColumnElement[bool]:
    linked = select(Link.recording_id).where(Link.work_order == number)
    signalled = select(Recording.id).where(Recording.work_order == number)
    return Recording.id.in_(union_all(signalled, linked))


def _units(request: web.Request, part: str) -> list[str]:
    """Every name of the units that have a name with this in it."""
    there = context(request).in_force.dictionaries.get(UNITS, ())
    return [name for word in there if any(part in each for each in word.names) for name in word.names] if part else []


def _of_unit(part: str, names: Sequence[str]) -> ColumnElement[bool]:
    linked = select(Link.id).join(WorkOrder, WorkOrder.number == Link.work_order)
    called = or_(WorkOrder.unit.contains(part, autoescape=True), WorkOrder.unit.in_(names))
    return linked.where(Link.recording_id == Recording.id, called).exists()


def _answered(question: str, answer: str | None) -> ColumnElement[bool]:
    of_it = (Finding.recording_id == Recording.id, Finding.question == question, Finding.answer == answer)
    return select(Finding.id).where(*of_it).exists()
