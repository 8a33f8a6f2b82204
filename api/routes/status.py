"""运行状态 for machines: what asks for a person's eye, and which processes are alive."""

from datetime import datetime
from typing import Any

from aiohttp import web

from api.context import context
from api.endpoint import Endpoint, answer
from api.models import Model
from core.alerts import standing
from core.heartbeats import STALE_AFTER, newest


class AlertView(Model):
    name: str
    process: str
    host: str
    since: datetime
    facts: dict[str, Any]


class ProcessView(Model):
    """``alive``: it gave a sign of life lately."""

    process: str
    host: str
    at: datetime
    alive: bool
    facts: dict[str, Any]


class StatusView(Model):
    """Alerts that stand, oldest first, and the newest sign of life of each process; calls, jobs and nights have lists
    of their own."""

    alerts: list[AlertView]
    processes: list[ProcessView]


async def get_status(request: web.Request) -> web.Response:
    here = context(request)
    async with here.database.read() as session:
        alerts, beats = await standing(session), (await newest(session)).values()
    alive_since = here.now() - STALE_AFTER
    return answer(
        StatusView(
            alerts=[
                AlertView(name=each.name, process=each.process, host=each.host, since=each.since, facts=each.facts)
                for each in alerts
            ],
            processes=[
                ProcessView(
                    process=each.process,
                    host=each.host,
                    at=each.at,
                    alive=each.at >= alive_since,
                    facts=each.facts or {},
                )
                for each in beats
            ],
        )
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/status",
        "calls.see",
        get_status,
        "告警与各进程 / alerts that stand, and processes",
        answers=StatusView,
    ),
)
