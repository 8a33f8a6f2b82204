"""Issued reports, and the form that asks for another."""

from datetime import date, timedelta

from aiohttp import web

from api.context import context
from api.endpoint import Endpoint, parse_query
from api.events.endpoints import followed
from api.events.topics import REPORTS
from api.models import PageQuery
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import reports as routes
from core.jobs import FAILED, unfinished


async def show_reports(request: web.Request) -> web.Response:
    here = context(request)
    page = await routes.report_list(request, parse_query({"cursor": request.query.get("cursor", "")}, PageQuery))
    live = await followed(request, REPORTS)
    async with here.database.read() as session:
        waiting = await unfinished(session, "daily")
    today = here.now().astimezone(here.settings.timezone).date()
    return render(
        request,
        "reports.html",
        reports=page.items,
        following=page.next,
        today=today.isoformat(),
        making=sum(each.number for each in waiting if each.state != FAILED),
        stuck=sum(each.number for each in waiting if each.state == FAILED),
        live=live,
        now=here.now(),
        yesterday=(today - timedelta(days=1)).isoformat(),
    )


async def do_daily(request: web.Request) -> web.Response:
    form = await request.post()
    try:
        day = date.fromisoformat(str(form.get("day", "")))
    except ValueError:
        raise Problem(422, "请选择日期 / choose a day") from None
    await routes.ask_daily(request, day)
    return see_other("/reports", "{day} 的日报已排队，生成后列在这里。", day=day.isoformat())


ENDPOINTS = (
    Endpoint("GET", "/reports", "reports.see", show_reports),
    Endpoint("POST", "/reports/daily", "reports.issue", do_daily),
)
