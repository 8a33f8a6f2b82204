"""Issued reports, and asking for a new one."""

import base64
import hashlib
import re
from datetime import date
from uuid import UUID

from aiohttp import web
from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import cursors
from api.context import context, signed_in
from api.endpoint import DOCX, Endpoint, answer, read_body, read_query
from api.models import DailyRequest, JobReference, PageQuery, ReportList
from api.problems import Problem
from api.routes.recordings import path_id
from api.shaping import report_view
from archive.retrieve import read_object
from core.errors import NotFound
from core.jobs import QUEUED, RUNNING, JobRow, enqueue
from reporting.reports import Report

_STYLE = re.compile(rb'<style[^>]*>(.*?)</style>|\sstyle="([^"]*)"', re.DOTALL)


# The name of this list in its cursors.
LIST = "reports"


async def report_list(request: web.Request, asked: PageQuery) -> ReportList:
    """A page of reports, those of the newest days first."""
    order = (Report.period_start.desc(), Report.issued_at.desc(), Report.id.desc())
    query = select(Report).order_by(*order).limit(asked.limit + 1)
    async with context(request).database.read() as session:
        if asked.cursor:
            last = await session.get(Report, cursors.read_id(asked.cursor, LIST))
            query = query.where(_behind(last)) if last else query.where(false())
        rows = list(await session.scalars(query))
    shown = rows[: asked.limit]
    following = cursors.write(LIST, shown[-1].id) if len(rows) > asked.limit else None
    return ReportList(items=[report_view(row) for row in shown], next=following)


def _behind(last: Report) -> ColumnElement[bool]:
    day, place = Report.period_start, (last.issued_at, last.id)
    return or_(
        day < last.period_start, and_(day == last.period_start, cursors.older(Report.issued_at, Report.id, place))
    )


async def ask_daily(request: web.Request, day: date) -> UUID:
    """Queue the daily report of ``day``; while one is waiting or under way, that job is the answer."""
    here = context(request)
    if day > here.now().astimezone(here.settings.timezone).date():
        raise Problem(422, "不能生成未来日期的日报 / that day has not come yet")
    async with here.database.write() as session:
        waiting = await _waiting(session, day)
        if waiting:
            return waiting
        payload = {"day": day.isoformat(), "by": signed_in(request).name}
        return await enqueue(session, "daily", payload, now=here.now())


async def _waiting(session: AsyncSession, day: date) -> UUID | None:
    rows = await session.scalars(select(JobRow).where(JobRow.kind == "daily", JobRow.state.in_((QUEUED, RUNNING))))
    return next((row.id for row in rows if row.payload.get("day") == day.isoformat()), None)


async def _report(request: web.Request) -> Report:
    async with context(request).database.read() as session:
        found = await session.get(Report, path_id(request))
    if found is None:
        raise NotFound("no such report", report=request.match_info["id"])
    return found


async def get_reports(request: web.Request) -> web.Response:
    return answer(await report_list(request, read_query(request, PageQuery)))


async def get_docx(request: web.Request) -> web.Response:
    report = await _report(request)
    content = await read_object(
        context(request).archive, report.docx_object, actor=signed_in(request).name, purpose="download"
    )
    name = f"{report.kind}-{report.period_start}-{report.edition}.docx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=content, content_type=DOCX, headers=headers)


async def get_html(request: web.Request) -> web.Response:
    report = await _report(request)
    content = await read_object(
        context(request).archive, report.html_object, actor=signed_in(request).name, purpose="view"
    )
    headers = {"Content-Security-Policy": document_policy(content)}
    return web.Response(body=content, content_type="text/html", charset="utf-8", headers=headers)


def document_policy(html: bytes) -> str:
    """A sealed page may use its own styles, known by their hashes, and nothing else: no script, no form, no frame."""
    found = {block or attribute for block, attribute in _STYLE.findall(html)}
    hashes = sorted(base64.b64encode(hashlib.sha256(style).digest()).decode() for style in found)
    styles = " ".join(["'unsafe-hashes'", *(f"'sha256-{each}'" for each in hashes)]) if hashes else "'none'"
    return f"default-src 'none'; style-src {styles}; img-src data:; base-uri 'none'; frame-ancestors 'none'"


async def post_daily(request: web.Request) -> web.Response:
    asked = await read_body(request, DailyRequest)
    return answer(JobReference(job=await ask_daily(request, asked.day)), status=202)


ENDPOINTS = (
    Endpoint("GET", "/api/v1/reports", "reports.see", get_reports, "报表列表 / reports", PageQuery, answers=ReportList),
    Endpoint("GET", "/api/v1/reports/{id}/docx", "reports.see", get_docx, "下载 DOCX / the report as DOCX", media=DOCX),
    Endpoint(
        "GET",
        "/api/v1/reports/{id}/html",
        "reports.see",
        get_html,
        "查看网页版 / the report as HTML",
        media="text/html",
    ),
    Endpoint(
        "POST",
        "/api/v1/reports/daily",
        "reports.issue",
        post_daily,
        "生成某日日报 / issue a daily report",
        takes=DailyRequest,
        answers=JobReference,
        status=202,
    ),
)
