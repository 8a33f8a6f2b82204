"""What runs: jobs, a recording's proof, and what watches ask for."""

import asyncio
import json
from collections.abc import Coroutine

from aiohttp import web

from api import reading
from api.context import context
from api.endpoint import Endpoint, answer, read_query
from api.metrics import CONTENT_TYPE
from api.models import Done, JobList, JobQuery, Retried
from api.permissions import PUBLIC
from api.routes.recordings import path_id
from api.scope import require_visible
from api.shaping import job_view
from archive.evidence import recording_proof
from archive.ledger_key import ledger_key
from core.alerts import standing
from core.database import Database
from core.errors import Unavailable
from core.jobs import requeue, requeue_failed
from retention.rule import keep_until

READY_WITHIN = 5.0


async def retry_job(request: web.Request) -> None:
    """Let a failed job be tried again at once; ``NotFound`` or ``Conflict`` otherwise."""
    here = context(request)
    async with here.database.write() as session:
        await requeue(session, path_id(request), now=here.now())


async def retry_all(request: web.Request) -> int:
    """Let all failed jobs be tried again; returns how many."""
    here = context(request)
    async with here.database.write() as session:
        return await requeue_failed(session, now=here.now())


async def get_jobs(request: web.Request) -> web.Response:
    asked = read_query(request, JobQuery)
    async with context(request).database.read() as session:
        rows, following = await reading.job_page(session, asked.state, asked.limit, asked.cursor)
    return answer(JobList(items=[job_view(row) for row in rows], next=following))


async def post_retry(request: web.Request) -> web.Response:
    await retry_job(request)
    return answer(Done())


async def post_retry_all(request: web.Request) -> web.Response:
    return answer(Retried(jobs=await retry_all(request)))


async def get_proof(request: web.Request) -> web.Response:
    here, identifier = context(request), path_id(request)
    await require_visible(request, identifier)
    until = keep_until(here.settings, here.now())
    proof = await recording_proof(here.archive, identifier, ledger_key(here.settings), retain_until=until)
    return web.json_response(proof, dumps=lambda value: json.dumps(value, ensure_ascii=False))


async def get_alive(_request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def get_ready(request: web.Request) -> web.Response:
    archive = context(request).archive
    parts = {"database": archive.database.ping(), "store": archive.store.ping()}
    found = dict(zip(parts, await asyncio.gather(*(_answers(each) for each in parts.values())), strict=True))
    ready = all(found.values())
    alerts = await _alerts(archive.database) if found["database"] else []
    return web.json_response({"ready": ready, **found, "alerts": alerts}, status=200 if ready else 503)


async def _alerts(database: Database) -> list[str]:
    """The names of the conditions that stand somewhere; they make no process unready."""
    async with database.read() as session:
        return sorted({alert.name for alert in await standing(session)})


async def _answers(ping: Coroutine[object, object, None]) -> bool:
    try:
        await asyncio.wait_for(ping, READY_WITHIN)
    except (Unavailable, TimeoutError):
        return False
    return True


async def get_metrics(request: web.Request) -> web.Response:
    here = context(request)
    body = await here.metrics.text(here.database, here.now())
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


ENDPOINTS = (
    Endpoint("GET", "/api/v1/jobs", "jobs.see", get_jobs, "任务队列 / jobs", JobQuery, answers=JobList),
    Endpoint(
        "POST",
        "/api/v1/jobs/retry",
        "jobs.retry",
        post_retry_all,
        "重试所有失败的任务 / try all failed jobs again",
        answers=Retried,
    ),
    Endpoint(
        "POST", "/api/v1/jobs/{id}/retry", "jobs.retry", post_retry, "重试失败的任务 / try a job again", answers=Done
    ),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/proof",
        "ledger.see",
        get_proof,
        "台账证明 / what the ledger says of a recording, with audit paths to a signed head",
        media="application/json",
    ),
    Endpoint("GET", "/healthz", PUBLIC, get_alive),
    Endpoint("GET", "/readyz", PUBLIC, get_ready),
    Endpoint("GET", "/metrics", PUBLIC, get_metrics),
)
