"""运行状态: calls in progress, which can be paused; what waits, what failed, what is missing, what the nights found."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from api import reading
from api.context import context, signed_in
from api.endpoint import Endpoint, parse_query
from api.events.endpoints import followed
from api.events.topics import PIPELINE
from api.intake import quarantine
from api.models import CallQuery, CallView, PauseBody
from api.pages.hosts import intake_hosts, recorder_hosts
from api.pages.rendering import render, see_other
from api.routes.calls import calls, wish
from api.routes.nights import NightView, nights
from api.routes.operations import retry_all, retry_job
from api.shaping import call_view, job_view
from archive.catalogue import MISSING
from archive.live_calls import LOST
from archive.pausing import NOT_IN_PROGRESS, PAUSE, RESUME
from core.alerts import standing
from core.heartbeats import newest
from core.jobs import FAILED, QUEUED, RUNNING, Queue, unfinished

SHOWN = 50
NIGHTS = 3


@dataclass(frozen=True)
class Line:
    """One kind of work: how many jobs wait, are being done and failed, and since when the oldest waits."""

    kind: str
    queued: int
    running: int
    failed: int
    oldest: datetime | None


@dataclass(frozen=True)
class Pipeline:
    """What the page's head says: how much goes on, and how much somebody has to look after."""

    calls: int
    lost: int
    to_seal: int
    queued: int
    failed: int
    missing: int
    alerts: int
    faults: int

    @property
    def troubles(self) -> int:
        """Nothing of these: all is well."""
        return self.failed + self.missing + self.lost + self.alerts + self.faults


async def show_status(request: web.Request) -> web.Response:
    live = await followed(request, PIPELINE)
    user, now = signed_in(request), context(request).now()
    runs = user.may("jobs.see")
    async with context(request).database.read() as session:
        queues = await unfinished(session) if runs else []
        failed = await reading.list_jobs(session, FAILED, SHOWN) if runs else []
        waiting = await reading.list_jobs(session, QUEUED, SHOWN) if runs else []
        missing = await reading.list_calls(session, user, MISSING, SHOWN)
        on_the_way = await reading.count_on_the_way(session, user, now)
        missed = await reading.count_calls(session, user, MISSING)
        alerts, beats = await standing(session), await newest(session)
    last = await nights(request, NIGHTS) if runs else []
    shown = (await calls(request, CallQuery(state="signalled", limit=SHOWN))).items
    lost = [call for call in shown if call.quality == LOST]
    return render(
        request,
        "status.html",
        head=Pipeline(
            calls=on_the_way.going_on,
            lost=on_the_way.lost,
            to_seal=on_the_way.ended,
            queued=sum(queue.number for queue in queues if queue.state != FAILED),
            failed=sum(queue.number for queue in queues if queue.state == FAILED),
            missing=missed,
            alerts=len(alerts),
            faults=_faults(last),
        ),
        lines=_lines(queues),
        failed=[job_view(row) for row in failed],
        retrying=[job_view(row) for row in waiting if row.error],
        calls=[call for call in shown if not call.ended_at and call not in lost],
        lost=lost,
        ended=[call for call in shown if call.ended_at],
        missing=[call_view(row) for row in missing],
        alerts=alerts,
        nights=last,
        hosts=recorder_hosts(beats, now),
        quarantined=await asyncio.to_thread(quarantine.count, context(request).settings),
        intakes=intake_hosts(beats, now),
        lasted=_lasted,
        paused=_paused,
        now=now,
        live=live,
    )


def _lines(queues: Iterable[Queue]) -> list[Line]:
    by_kind: dict[str, dict[str, Queue]] = {}
    for queue in queues:
        by_kind.setdefault(queue.kind, {})[queue.state] = queue
    return [_line(kind, states) for kind, states in sorted(by_kind.items())]


def _line(kind: str, states: dict[str, Queue]) -> Line:
    queued, running, failed = (states[state].number if state in states else 0 for state in (QUEUED, RUNNING, FAILED))
    return Line(kind, queued, running, failed, states[QUEUED].oldest if QUEUED in states else None)


def _faults(last: Sequence[NightView]) -> int:
    """Those of the newest night: what an earlier one found and this one did not is mended."""
    return last[0].faults if last else 0


def _lasted(call: CallView, now: datetime) -> int:
    """Milliseconds."""
    return max(0, round(((call.ended_at or now) - call.started_at).total_seconds() * 1000))


def _paused(call: CallView) -> str:
    """``asked``, ``paused``, ``ending`` or nothing: what a person just asked for, else what the recorder sees."""
    asked = call.pause
    if asked and not asked.outcome:
        return "asked" if asked.action == PAUSE else "ending"
    unseen = call.agent is None and asked is not None and asked.action == PAUSE and asked.outcome != NOT_IN_PROGRESS
    return "paused" if call.paused_at or unseen else ""


async def do_retry(request: web.Request) -> web.Response:
    await retry_job(request)
    return see_other("/status", "任务已重新排队。")


async def do_retry_all(request: web.Request) -> web.Response:
    return see_other("/status", "{count} 个任务已重新排队。", count=await retry_all(request))


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
    Endpoint("POST", "/status/jobs/retry", "jobs.retry", do_retry_all),
    Endpoint("POST", "/status/jobs/{id}/retry", "jobs.retry", do_retry),
)
