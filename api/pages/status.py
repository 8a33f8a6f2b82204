"""What is going on: alerts, recorders, calls in progress, which can be paused; jobs; recordings that are missing."""

from collections import Counter

from aiohttp import web

from api import reading
from api.context import context, signed_in
from api.endpoint import Endpoint, parse_query
from api.events.endpoints import followed
from api.events.topics import PIPELINE
from api.models import CallQuery, PauseBody
from api.pages.hosts import intake_hosts, recorder_hosts
from api.pages.rendering import render, see_other
from api.routes.calls import calls, wish
from api.routes.operations import retry_job
from api.shaping import call_view, job_view
from archive.catalogue import MISSING
from archive.pausing import PAUSE, RESUME
from core.alerts import standing
from core.heartbeats import newest
from core.jobs import DONE, FAILED, QUEUED, RUNNING, counts


async def show_status(request: web.Request) -> web.Response:
    live = await followed(request, PIPELINE)
    async with context(request).database.read() as session:
        numbers = await counts(session)
        failed = await reading.list_jobs(session, FAILED, 50)
        waiting = await reading.list_jobs(session, QUEUED, 20)
        missing = await reading.list_calls(session, signed_in(request), MISSING, 50)
        alerts, beats = await standing(session), await newest(session)
        recordings = await reading.recordings_by_text_state(session)
    by_kind: dict[str, Counter[str]] = {}
    for (kind, state), number in numbers.items():
        by_kind.setdefault(kind, Counter())[state] += number
    return render(
        request,
        "status.html",
        by_kind=dict(sorted(by_kind.items())),
        states=(QUEUED, RUNNING, FAILED, DONE),
        failed=[job_view(row) for row in failed],
        retrying=[job_view(row) for row in waiting if row.error],
        calls=await calls(request, CallQuery(state="signalled", limit=50)),
        missing=[call_view(row) for row in missing],
        recordings=recordings,
        alerts=alerts,
        hosts=recorder_hosts(beats, context(request).now()),
        intakes=intake_hosts(beats, context(request).now()),
        now=context(request).now(),
        live=live,
    )


async def do_retry(request: web.Request) -> web.Response:
    await retry_job(request)
    return see_other("/status", "任务已重新排队。")


async def do_pause(request: web.Request) -> web.Response:
    form = await request.post()
    asked = parse_query({"reason": str(form.get("reason", ""))}, PauseBody)
    await wish(request, PAUSE, asked.reason)
    return see_other("/status", "已要求暂停录音。录音停下后，这里会显示“已暂停”。")


async def do_resume(request: web.Request) -> web.Response:
    await wish(request, RESUME, "")
    return see_other("/status", "已要求继续录音。")


ENDPOINTS = (
    Endpoint("GET", "/status", "calls.see", show_status),
    Endpoint("POST", "/status/calls/{id}/pause", "calls.pause", do_pause),
    Endpoint("POST", "/status/calls/{id}/resume", "calls.pause", do_resume),
    Endpoint("POST", "/status/jobs/{id}/retry", "jobs.retry", do_retry),
)
