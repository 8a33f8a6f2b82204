"""Holds: cases that forbid disposal, placed by one person, released by two."""

from aiohttp import web

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
from retention.holds import HoldCase, ask_release, confirm_release, place, withdraw_release
from retention.membership import settle_holds
from retention.register import list_cases, list_members, show_case
from retention.scope import Scope


async def _view(request: web.Request, case: HoldCase) -> HoldView:
    async with context(request).database.read() as session:
        return hold_view(*await show_case(session, case.id))


async def get_holds(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        return answer(HoldList(items=[hold_view(*each) for each in await list_cases(session)]))


async def get_hold(request: web.Request) -> web.Response:
    asked, identifier = read_query(request, HoldQuery), path_id(request)
    async with context(request).database.read() as session:
        case, counts = await show_case(session, identifier)
        rows = await list_members(session, identifier, after=asked.after, limit=asked.limit)
    following = rows[-1].recording_id if len(rows) == asked.limit else None
    return answer(
        HoldDetail(hold=hold_view(case, counts), recordings=[held_recording(row) for row in rows], next=following)
    )


async def post_hold(request: web.Request) -> web.Response:
    here, asked = context(request), await read_body(request, HoldRequest)
    scope = Scope(tuple(asked.orders), tuple(asked.persons), asked.since, asked.to, tuple(asked.recordings))
    case = await place(
        here.archive, here.settings, name=asked.name, reason=asked.reason, scope=scope, by=signed_in(request).name
    )
    await settle_holds(here.archive, here.settings)
    return answer(await _view(request, case), status=201)


async def post_release(request: web.Request) -> web.Response:
    here, asked, identifier = context(request), await read_body(request, ReleaseRequest), path_id(request)
    by = signed_in(request).name
    case = await ask_release(here.archive, here.settings, identifier, by=by, reason=asked.reason)
    return answer(await _view(request, case))


async def post_withdrawal(request: web.Request) -> web.Response:
    here, identifier = context(request), path_id(request)
    async with here.database.write() as session:
        case = await withdraw_release(session, identifier, by=signed_in(request).name, now=here.now())
    return answer(await _view(request, case))


async def post_confirmation(request: web.Request) -> web.Response:
    here = context(request)
    case = await confirm_release(here.archive, here.settings, path_id(request), by=signed_in(request).name)
    await settle_holds(here.archive, here.settings)
    return answer(await _view(request, case))


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
