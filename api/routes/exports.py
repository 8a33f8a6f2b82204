"""Handovers asked for through the API: a worker writes the bag, whoever may take it downloads it and signs for it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import cursors
from api.context import context, signed_in
from api.endpoint import MULTIPART, Endpoint, answer, read_body, read_query
from api.models import PageQuery
from api.models_exports import (
    ExportList,
    ExportRequest,
    ExportView,
    PurgeAnswer,
    ReceiptForm,
    ReceiptView,
    export_view,
    purge_answer,
    receipt_view,
)
from api.problems import Problem
from api.routes.recordings import path_id
from core.errors import Conflict, NotFound
from core.jobs import JobRow, enqueue, requeue_keyed
from core.ledger import Entry, append
from retention.handover.asking import ask, find
from retention.handover.copies import HANDED_OUT, bag_file
from retention.handover.purge import propose_purge
from retention.handover.receipts import NewReceipt, record_receipt
from retention.handover.scope import Scope
from retention.handover.tables import DONE, Export, Receipt
from retention.rule import keep_until

JOB = "export"
ZIP = "application/zip"
# The name of this list in its cursors.
LIST = "exports"


async def ask_for(request: web.Request, asked: ExportRequest) -> ExportView:
    """List an export and let a worker write it; ``Problem`` 422 for a scope that says nothing."""
    here = context(request)
    try:
        scope = Scope.from_json(asked.scope.model_dump(mode="json", by_alias=True, exclude_none=True))
    except ValueError as error:
        raise Problem(422, f"scope: {error}") from None
    async with here.database.write() as session:
        by = signed_in(request).name
        export = await ask(session, here.archive, here.settings, scope, purpose=asked.purpose, by=by, here=True)
        await enqueue(session, JOB, {"export_id": str(export.id)}, now=here.now(), key=str(export.id))
        [view] = await _views(session, [export])
    return view


async def make_again(request: web.Request) -> ExportView:
    """Let a bag whose making failed for good be made after all; ``Conflict`` for any other."""
    here, identifier = context(request), path_id(request)
    async with here.database.write() as session:
        export = await find(session, identifier)
        await requeue_keyed(session, JOB, [str(identifier)], now=here.now())
        [view] = await _views(session, [export])
    return view


async def post_again(request: web.Request) -> web.Response:
    return answer(await make_again(request), status=202)


async def post_export(request: web.Request) -> web.Response:
    return answer(await ask_for(request, await read_body(request, ExportRequest)), status=202)


async def export_list(request: web.Request, asked: PageQuery) -> ExportList:
    """A page of handovers, the newest first."""
    query = select(Export).order_by(Export.asked_at.desc(), Export.id.desc()).limit(asked.limit + 1)
    if asked.cursor:
        query = query.where(cursors.older(Export.asked_at, Export.id, cursors.read_time(asked.cursor, LIST)))
    async with context(request).database.read() as session:
        rows = (await session.scalars(query)).all()
        items = await _views(session, rows[: asked.limit])
    last = rows[asked.limit - 1] if len(rows) > asked.limit else None
    return ExportList(items=items, next=cursors.write_time(LIST, last.asked_at, last.id) if last else None)


async def get_exports(request: web.Request) -> web.Response:
    return answer(await export_list(request, read_query(request, PageQuery)))


async def get_export(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        [view] = await _views(session, [await find(session, path_id(request))])
    return answer(view)


async def get_bag(request: web.Request) -> web.StreamResponse:
    """The bag as a ZIP file; who took it is in the ledger before the first byte leaves."""
    here = context(request)
    async with here.database.write() as session:
        export = await find(session, path_id(request), lock=True)
        file = bag_file(here.settings, export.id)
        _require_bag(export, file)
        if request.method != "HEAD":
            facts = {"tag_manifest_sha256": export.tag_manifest, "purpose": export.purpose}
            await append(session, Entry(HANDED_OUT, signed_in(request).name, str(export.id), facts), here.now())
    headers = {
        "Content-Type": ZIP,
        "Content-Disposition": f'attachment; filename="huiyin-{export.id}.zip"',
        "Cache-Control": "private, no-store",
    }
    return web.FileResponse(file, headers=headers)


def _require_bag(export: Export, file: Path) -> None:
    """``Conflict`` before it is finished, ``NotFound`` once it is gone."""
    if export.removed_at is None and export.state != DONE:
        raise Conflict("移交包尚未完成 / the bag is not finished", export=export.id, state=export.state)
    if export.removed_at is not None or not export.here or not file.is_file():
        raise NotFound(
            "移交包已不在此处 / the bag is no longer here",
            export=export.id,
            why=export.removed_why or "taken away",
            remedy="export it once more",
        )


async def take_receipt(request: web.Request) -> ReceiptView:
    """Record who received the bag; the signed paper comes as a file."""
    here, identifier = context(request), path_id(request)
    form, paper = await _read_form(request)
    async with here.database.read() as session:
        export = await find(session, identifier)
    if form.tag_manifest.lower() != export.tag_manifest:
        raise Conflict(
            "回执上的标签清单与本次移交不符 / the receipt is of another bag",
            export=identifier,
            expected=export.tag_manifest or "not finished",
            found=form.tag_manifest.lower(),
        )
    with tempfile.TemporaryDirectory(prefix="huiyin-") as directory:
        signed = None
        if paper is not None:
            signed = Path(directory) / "signed"
            signed.write_bytes(paper.file.read())
        receipt = await record_receipt(
            here.archive,
            NewReceipt(form.tag_manifest, form.receiver, form.received_at or here.now(), signed),
            by=signed_in(request).name,
            retain_until=keep_until(here.settings, here.now()),
        )
    return receipt_view(receipt)


async def post_receipt(request: web.Request) -> web.Response:
    return answer(await take_receipt(request), status=201)


async def _read_form(request: web.Request) -> tuple[ReceiptForm, web.FileField | None]:
    if request.content_type != MULTIPART:
        raise Problem(415, "expected multipart/form-data")
    parts = await request.post()
    words = {name: value for name, value in parts.items() if isinstance(value, str) and name != "csrf"}
    paper = parts.get("signed")
    if isinstance(paper, str):
        raise Problem(422, "signed: 请上传文件 / expected a file")
    try:
        form = ReceiptForm.model_validate(words)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise Problem(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    return form, paper if isinstance(paper, web.FileField) else None


async def propose(request: web.Request) -> PurgeAnswer:
    """Propose the disposal of what was handed over; the same people decide as of any other."""
    here = context(request)
    by, now = signed_in(request).name, here.now()
    return purge_answer(await propose_purge(here.archive, here.settings, path_id(request), by=by, now=now))


async def post_purge(request: web.Request) -> web.Response:
    return answer(await propose(request))


async def _views(session: AsyncSession, rows: Sequence[Export]) -> list[ExportView]:
    identifiers = [row.id for row in rows]
    query = select(JobRow).where(JobRow.kind == JOB, JobRow.key.in_([str(one) for one in identifiers]))
    jobs = {job.key: job for job in await session.scalars(query)}
    receipts: dict[object, list[Receipt]] = {}
    found = select(Receipt).where(Receipt.export_id.in_(identifiers)).order_by(Receipt.recorded_at, Receipt.id)
    for receipt in await session.scalars(found):
        receipts.setdefault(receipt.export_id, []).append(receipt)
    return [export_view(row, receipts.get(row.id, []), jobs.get(str(row.id))) for row in rows]


ENDPOINTS = (
    Endpoint("GET", "/api/v1/exports", "exports.see", get_exports, "移交 / handovers", PageQuery, answers=ExportList),
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
        "POST",
        "/api/v1/exports/{id}/retry",
        "exports.make",
        post_again,
        "重新制作失败的移交包 / make a bag after all whose making failed",
        answers=ExportView,
        status=202,
    ),
    Endpoint(
        "GET", "/api/v1/exports/{id}/download", "exports.take", get_bag, "下载移交包 / the bag as a ZIP file", media=ZIP
    ),
    Endpoint(
        "POST",
        "/api/v1/exports/{id}/receipt",
        "exports.take",
        post_receipt,
        "登记回执 / record who received the bag, with the signed paper",
        takes=ReceiptForm,
        takes_media=MULTIPART,
        answers=ReceiptView,
        status=201,
    ),
    Endpoint(
        "POST",
        "/api/v1/exports/{id}/purge",
        "disposals.decide",
        post_purge,
        "提出处置已移交的录音 / propose the disposal of what was handed over",
        answers=PurgeAnswer,
    ),
)
