"""Handovers asked for through the API: a worker writes the bag, whoever may take it downloads it."""

from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.models import Model
from api.problems import Problem
from api.routes.recordings import path_id
from core.errors import Conflict, NotFound
from core.jobs import JobRow, enqueue
from core.ledger import Entry, append
from retention.handover.asking import ask, find
from retention.handover.scope import Scope
from retention.handover.tables import DONE, Export

JOB = "export"
ZIP = "application/zip"
LISTED = 200


class ExportScope(Model):
    """``from`` and ``to`` (inclusive, local days) for a period; ``name`` for an order's number, or a case."""

    kind: Literal["all", "period", "order", "case"]
    since: date | None = Field(default=None, alias="from")
    to: date | None = None
    name: str | None = Field(default=None, max_length=120)


class ExportRequest(Model):
    scope: ExportScope
    purpose: str = Field(min_length=2, max_length=200)


class ExportView(Model):
    """``written`` of ``recordings`` are in the bag; ``error`` is why the last attempt stopped.  ``tag_manifest``, a
    SHA-256, names the finished bag, for the receipt."""

    id: UUID
    scope: dict[str, Any]
    purpose: str
    asked_by: str
    asked_at: datetime
    state: str
    recordings: int
    written: int
    bytes: int
    tag_manifest: str
    finished_at: datetime | None
    job: str
    error: str


class ExportList(Model):
    items: list[ExportView]


async def post_export(request: web.Request) -> web.Response:
    asked, here = await read_body(request, ExportRequest), context(request)
    try:
        scope = Scope.from_json(asked.scope.model_dump(mode="json", by_alias=True, exclude_none=True))
    except ValueError as error:
        raise Problem(422, f"scope: {error}") from None
    async with here.database.write() as session:
        export = await ask(
            session, here.archive, here.settings, scope, purpose=asked.purpose, by=signed_in(request).name
        )
        export.file = str(here.settings.exports / f"{export.id}.zip")
        await enqueue(session, JOB, {"export_id": str(export.id)}, now=here.now(), key=str(export.id))
        view = await _view(session, export)
    return answer(view, status=202)


async def get_exports(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        rows = await session.scalars(select(Export).order_by(Export.asked_at.desc()).limit(LISTED))
        return answer(ExportList(items=[await _view(session, row) for row in rows]))


async def get_export(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        return answer(await _view(session, await find(session, path_id(request))))


async def get_bag(request: web.Request) -> web.StreamResponse:
    """The bag as a ZIP file; who took it is in the ledger before the first byte leaves."""
    here = context(request)
    async with here.database.read() as session:
        export = await find(session, path_id(request))
    if export.state != DONE or not export.file:
        raise Conflict("移交包尚未完成 / the bag is not finished", export=export.id, state=export.state)
    if not Path(export.file).is_file():
        raise NotFound("移交包已被移走 / the bag is no longer here", export=export.id, remedy="export it once more")
    if request.method != "HEAD":
        facts = {"tag_manifest_sha256": export.tag_manifest, "purpose": export.purpose}
        async with here.database.write() as session:
            entry = Entry("handed out", signed_in(request).name, str(export.id), facts)
            await append(session, entry, here.now())
    headers = {
        "Content-Type": ZIP,
        "Content-Disposition": f'attachment; filename="huiyin-{export.id}.zip"',
        "Cache-Control": "private, no-store",
    }
    return web.FileResponse(export.file, headers=headers)


async def _view(session: AsyncSession, row: Export) -> ExportView:
    job = await session.scalar(select(JobRow).where(JobRow.kind == JOB, JobRow.key == str(row.id)))
    return ExportView(
        id=row.id,
        scope=row.scope,
        purpose=row.purpose,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        state=row.state,
        recordings=row.recordings,
        written=row.written,
        bytes=row.bytes,
        tag_manifest=row.tag_manifest,
        finished_at=row.finished_at,
        job=job.state if job else "",
        error=job.error if job else "",
    )


ENDPOINTS = (
    Endpoint("GET", "/api/v1/exports", "exports.see", get_exports, "移交 / handovers", answers=ExportList),
    Endpoint(
        "POST",
        "/api/v1/exports",
        "exports.make",
        post_export,
        "移交录音资料 / hand recordings over as a BagIt bag",
        takes=ExportRequest,
        answers=ExportView,
        status=202,
    ),
    Endpoint(
        "GET", "/api/v1/exports/{id}", "exports.see", get_export, "移交的进度 / progress of one", answers=ExportView
    ),
    Endpoint(
        "GET", "/api/v1/exports/{id}/download", "exports.make", get_bag, "下载移交包 / the bag as a ZIP file", media=ZIP
    ),
)
