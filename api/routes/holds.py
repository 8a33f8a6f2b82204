"""Holds: cases that forbid disposal, placed by one person, released by two."""

from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from api import cursors
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.keeping import (
    HoldDetail,
    HoldList,
    HoldQuery,
    HoldRequest,
    HoldView,
    ReleaseRequest,
    held_recording,
    hold_view,
)
from api.routes.recordings import path_id
from retention.holds import HoldMember, ask_release, confirm_release, place, withdraw_release
from retention.membership import settle_holds
from retention.register import list_cases, list_members, show_case
from retention.scope import Scope

# The name of this list in its cursors.
MEMBERS = "held recordings"


async def one_hold(request: web.Request, identifier: UUID) -> HoldView:
    """A case as it is shown; ``NotFound`` otherwise."""
    async with context(request).database.read() as session:
        return hold_view(*await show_case(session, identifier))


async def all_holds(request: web.Request) -> list[HoldView]:
    """Every case, newest first."""
    async with context(request).database.read() as session:
        return [hold_view(*each) for each in await list_cases(session)]


async def members_page(
    session: AsyncSession, case: UUID, cursor: str | None, limit: int
) -> tuple[list[HoldMember], str | None]:
    """A page of a case's recordings, and the cursor of the next one if there is one."""
    after = cursors.read_id(cursor, MEMBERS) if cursor else None
    rows = await list_members(session, case, after=after, limit=limit + 1)
    shown = rows[:limit]
    return shown, cursors.write(MEMBERS, shown[-1].recording_id) if len(rows) > limit else None


async def get_holds(request: web.Request) -> web.Response:
    return answer(HoldList(items=await all_holds(request)))


async def get_hold(request: web.Request) -> web.Response:
    asked, identifier = read_query(request, HoldQuery), path_id(request)
    async with context(request).database.read() as session:
        case, counts = await show_case(session, identifier)
        rows, following = await members_page(session, identifier, asked.cursor, asked.limit)
    return answer(
        HoldDetail(hold=hold_view(case, counts), recordings=[held_recording(row) for row in rows], next=following)
    )


async def place_hold(request: web.Request, asked: HoldRequest) -> HoldView:
    """Open a case and hold what is in its scope."""
    here = context(request)
    scope = Scope(tuple(asked.orders), tuple(asked.persons), asked.since, asked.to, tuple(asked.recordings))
    case = await place(
        here.archive, here.settings, name=asked.name, reason=asked.reason, scope=scope, by=signed_in(request).name
    )
    await settle_holds(here.archive, here.settings)
    return await one_hold(request, case.id)


async def ask(request: web.Request, asked: ReleaseRequest) -> HoldView:
    """Ask for the release of the case in the address."""
    here, identifier = context(request), path_id(request)
    await ask_release(here.archive, here.settings, identifier, by=signed_in(request).name, reason=asked.reason)
    return await one_hold(request, identifier)


async def take_back(request: web.Request) -> HoldView:
    """Withdraw the wish for a release."""
    here, identifier = context(request), path_id(request)
    async with here.database.write() as session:
        await withdraw_release(session, identifier, by=signed_in(request).name, now=here.now())
    return await one_hold(request, identifier)


async def release(request: web.Request) -> HoldView:
    """Release, as another person than who asked, and let its recordings go."""
    here, identifier = context(request), path_id(request)
    await confirm_release(here.archive, here.settings, identifier, by=signed_in(request).name)
    await settle_holds(here.archive, here.settings)
    return await one_hold(request, identifier)


async def post_hold(request: web.Request) -> web.Response:
    return answer(await place_hold(request, await read_body(request, HoldRequest)), status=201)


async def post_release(request: web.Request) -> web.Response:
    return answer(await ask(request, await read_body(request, ReleaseRequest)))


async def post_withdrawal(request: web.Request) -> web.Response:
    return answer(await take_back(request))


async def post_confirmation(request: web.Request) -> web.Response:
    return answer(await release(request))


_ROOM = "/api/v1/holds"
ENDPOINTS = (
    Endpoint("GET", _ROOM, "holds.see", get_holds, "保全案件 / cases that hold recordings", answers=HoldList),
    Endpoint(
        "POST",
        _ROOM,
        "holds.decide",
        post_hold,
        "设立保全 / hold what is in a scope, now and later",
        takes=HoldRequest,
        answers=HoldView,
        status=201,
    ),
    Endpoint(
        "GET",
        f"{_ROOM}/{{id}}",
        "holds.see",
        get_hold,
        "一个保全案件及其录音 / a case with its recordings",
        HoldQuery,
        answers=HoldDetail,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{id}}/release",
        "holds.decide",
        post_release,
        "申请解除保全 / ask for a release",
        takes=ReleaseRequest,
        answers=HoldView,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{id}}/release/withdraw",
        "holds.decide",
        post_withdrawal,
        "撤回解除申请 / withdraw the wish for a release",
        answers=HoldView,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{id}}/release/confirm",
        "holds.decide",
        post_confirmation,
        "另一人确认解除保全 / another person confirms the release",
        answers=HoldView,
    ),
)
