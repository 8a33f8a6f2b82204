"""Holds: cases that forbid disposal, placed by one person, released by two."""

from uuid import UUID

from aiohttp import web
from sqlalchemy import select
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
from core.jobs import FAILED, QUEUED, RUNNING, JobRow, requeue_keyed
from retention.holds import (
    JOB,
    HoldMember,
    ask_release,
    confirm_release,
    find_case,
    job_keys,
    place,
    withdraw_release,
)
from retention.register import list_cases, list_members, show_case
from retention.scope import Scope

# The name of this list in its cursors.
MEMBERS = "held recordings"


async def one_hold(request: web.Request, identifier: UUID) -> HoldView:
    """A case as it is shown; ``NotFound`` otherwise."""
    async with context(request).database.read() as session:
        return await _view(session, identifier)


async def _view(session: AsyncSession, identifier: UUID) -> HoldView:
    case, counts = await show_case(session, identifier)
    return hold_view(case, counts, (await _jobs(session)).get(identifier))


async def _jobs(session: AsyncSession) -> dict[UUID, JobRow]:
    """Of each case the newest job that is not done."""
    query = select(JobRow).where(JobRow.kind == JOB, JobRow.state.in_((QUEUED, RUNNING, FAILED)))
    rows = await session.scalars(query.order_by(JobRow.created_at, JobRow.id))
    return {UUID(row.payload["case_id"]): row for row in rows}


async def all_holds(request: web.Request) -> list[HoldView]:
    """Every case, newest first."""
    async with context(request).database.read() as session:
        jobs = await _jobs(session)
        return [hold_view(case, counts, jobs.get(case.id)) for case, counts in await list_cases(session)]


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
        case = await _view(session, identifier)
        rows, following = await members_page(session, identifier, asked.cursor, asked.limit)
    return answer(HoldDetail(hold=case, recordings=[held_recording(row) for row in rows], next=following))


async def place_hold(request: web.Request, asked: HoldRequest) -> HoldView:
    """Open a case; from now on nothing in its scope is disposed of, and a worker holds it all."""
    here = context(request)
    scope = Scope(tuple(asked.orders), tuple(asked.persons), asked.since, asked.to, tuple(asked.recordings))
    case = await place(
        here.archive, here.settings, name=asked.name, reason=asked.reason, scope=scope, by=signed_in(request).name
    )
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
    """Release, as another person than who asked; a worker lets its recordings go."""
    here, identifier = context(request), path_id(request)
    await confirm_release(here.archive, here.settings, identifier, by=signed_in(request).name)
    return await one_hold(request, identifier)


async def go_on(request: web.Request) -> HoldView:
    """Let the work be tried again that failed for good; ``Conflict`` where none did."""
    here, identifier = context(request), path_id(request)
    async with here.database.write() as session:
        await find_case(session, identifier)
        await requeue_keyed(session, JOB, job_keys(identifier), now=here.now())
    return await one_hold(request, identifier)


def accepted(case: HoldView) -> web.Response:
    """A case that a worker is about to apply; its address tells how far that is."""
    response = answer(case, status=202)
    response.headers["Location"] = f"{_ROOM}/{case.id}"
    return response


async def post_hold(request: web.Request) -> web.Response:
    return accepted(await place_hold(request, await read_body(request, HoldRequest)))


async def post_release(request: web.Request) -> web.Response:
    return answer(await ask(request, await read_body(request, ReleaseRequest)))


async def post_withdrawal(request: web.Request) -> web.Response:
    return answer(await take_back(request))


async def post_confirmation(request: web.Request) -> web.Response:
    return accepted(await release(request))


async def post_again(request: web.Request) -> web.Response:
    return accepted(await go_on(request))


_ROOM = "/api/v1/holds"
ENDPOINTS = (
    Endpoint("GET", _ROOM, "holds.see", get_holds, "保全案件 / cases that hold recordings", answers=HoldList),
    Endpoint(
        "POST",
        _ROOM,
        "holds.decide",
        post_hold,
        "设立保全；即刻禁止处置，由后台列入录音 / hold what is in a scope, now and later: a worker applies it",
        takes=HoldRequest,
        answers=HoldView,
        status=202,
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
        "另一人确认解除保全 / another person confirms the release: a worker applies it",
        answers=HoldView,
        status=202,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{id}}/retry",
        "holds.decide",
        post_again,
        "重试失败的保全工作 / try again what failed of a case's work",
        answers=HoldView,
        status=202,
    ),
)
