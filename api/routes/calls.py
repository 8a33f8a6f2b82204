"""Calls in progress, and pausing their recording."""

from aiohttp import web

from api import reading
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.models import CallList, CallQuery, PauseAnswer, PauseBody, ResumeBody
from api.routes.recordings import path_id
from api.scope import require_visible_call
from api.shaping import call_view, pause_answer
from archive.live_calls import live
from archive.pausing import PAUSE, RESUME, PauseRequest, Wish, ask, newest


async def calls(request: web.Request, asked: CallQuery) -> CallList:
    """A page of signalled calls, newest first, with what was last asked of each recorder."""
    async with context(request).database.read() as session:
        rows, following = await reading.call_page(session, signed_in(request), asked.state, asked.limit, asked.cursor)
        pauses = await newest(session, [row.id for row in rows])
        seen = await live(session, [row.id for row in rows], context(request).now())
    items = [call_view(row, pauses.get(row.id), seen.get(row.id)) for row in rows]
    return CallList(items=items, next=following)


async def wish(request: web.Request, action: str, reason: str) -> PauseRequest:
    """Ask the recorder; ``NotFound`` for an unknown call, ``Conflict`` for one that has ended."""
    here, identifier = context(request), path_id(request)
    await require_visible_call(request, identifier)
    async with here.database.write() as session:
        wanted = Wish(identifier, action, signed_in(request).name, reason)
        return await ask(session, wanted, now=here.now())


async def get_calls(request: web.Request) -> web.Response:
    return answer(await calls(request, read_query(request, CallQuery)))


async def post_pause(request: web.Request) -> web.Response:
    asked = await read_body(request, PauseBody)
    return answer(pause_answer(await wish(request, PAUSE, asked.reason)), status=202)


async def post_resume(request: web.Request) -> web.Response:
    await read_body(request, ResumeBody)
    return answer(pause_answer(await wish(request, RESUME, "")), status=202)


ENDPOINTS = (
    Endpoint("GET", "/api/v1/calls", "calls.see", get_calls, "通话 / signalled calls", CallQuery, answers=CallList),
    Endpoint(
        "POST",
        "/api/v1/calls/{id}/pause",
        "calls.pause",
        post_pause,
        "暂停录音 / pause the recording of a call",
        takes=PauseBody,
        answers=PauseAnswer,
        status=202,
    ),
    Endpoint(
        "POST",
        "/api/v1/calls/{id}/resume",
        "calls.pause",
        post_resume,
        "继续录音 / resume the recording of a call",
        takes=ResumeBody,
        answers=PauseAnswer,
        status=202,
    ),
)
