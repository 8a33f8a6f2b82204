"""Work orders: the list, one with its calls, the import, and the queue of recordings without one."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from api import cursors, reading
from api.access.user import User
from api.context import context, signed_in
from api.endpoint import MULTIPART, Endpoint, answer, read_query
from api.models import (
    ImportAnswer,
    ImportForm,
    LinkQuestionList,
    LinkQuestionView,
    OrderDetail,
    OrderPage,
    OrderQuery,
)
from api.problems import Problem
from api.scope import visible
from api.shaping import import_answer, order_detail, order_summary, recording_summary
from core.dictionaries import UNITS, family
from core.errors import NotFound
from core.jobs import enqueue
from retention.rule import keep_until
from workorders import queries
from workorders.exports import import_export
from workorders.orders import WorkOrder

# The name of this list in its cursors, which count rows: moments of creation are missing in some.
LIST = "orders"


async def orders_page(request: web.Request, asked: OrderQuery) -> OrderPage:
    """One page of the list."""
    here = context(request)
    units = family(here.in_force.dictionaries.get(UNITS, ()), asked.unit) if asked.unit else ()
    wanted = queries.OrderFilter(text=asked.q, status=asked.status, units=units, timezone=here.settings.timezone)
    async with here.database.read() as session:
        begins = max(0, cursors.read_number(asked.cursor, LIST)) if asked.cursor else 0
        rows = await queries.list_orders(session, wanted, limit=asked.limit, offset=begins)
        # A page that is not full ends the list: what looks through every title need not look twice.
        ends = bool(asked.q) and len(rows) < asked.limit and bool(rows or not begins)
        total = begins + len(rows) if ends else await queries.count_orders(session, wanted)
        recordings = await reading.recordings_by_order(session, signed_in(request), [row.number for row in rows])
    shown = begins + len(rows)
    following = cursors.write(LIST, shown) if rows and shown < total else None
    items = [order_summary(row, recordings.get(row.number, 0)) for row in rows]
    return OrderPage(items=items, total=total, next=following)


async def order_page(request: web.Request, number: str) -> OrderDetail:
    """One order with its calls; ``NotFound`` otherwise."""
    async with context(request).database.read() as session:
        return detail_of(*await order_with_calls(session, signed_in(request), number))


def detail_of(row: WorkOrder, linked: Sequence[queries.LinkedRecording]) -> OrderDetail:
    """An order and its calls, as ``order_with_calls`` found them."""
    return order_detail(row, [recording_summary(each.recording, [row.number]) for each in linked])


async def order_with_calls(
    session: AsyncSession, user: User, number: str
) -> tuple[WorkOrder, Sequence[queries.LinkedRecording]]:
    """The order and those of its calls that ``user`` may know of; ``NotFound`` for an unknown number."""
    row = await queries.order(session, number)
    if row is None:
        raise NotFound("no such work order", number=number)
    return row, await queries.recordings_of_order(session, row.number, visible(user))


async def questions(request: web.Request) -> LinkQuestionList:
    """Recordings that wait for a person to choose their order."""
    async with context(request).database.read() as session:
        found = await queries.open_questions(session, visible=visible(signed_in(request)))
    items = [
        LinkQuestionView(
            recording=recording_summary(each.recording, []),
            reason=each.question.reason,
            candidates=each.question.candidates,
            orders=[order_summary(order, 0) for order in each.candidates],
            asked_at=each.question.asked_at,
        )
        for each in found
    ]
    return LinkQuestionList(items=items)


async def import_upload(request: web.Request) -> ImportAnswer:
    """Import the uploaded export; a ``Problem`` 415 for what is no form, 422 when there is no file in it, or it is no
    XLSX or CSV."""
    if request.content_type != MULTIPART:
        raise Problem(415, f"expected {MULTIPART}")
    here, upload = context(request), (await request.post()).get("file")
    if not isinstance(upload, web.FileField):
        raise Problem(422, "请选择文件 / the part named “file” is missing")
    suffix = Path(upload.filename).suffix.lower()
    if suffix not in (".xlsx", ".csv"):
        raise Problem(422, "只接受 XLSX 或 CSV 文件 / expected an XLSX or CSV file")
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / f"upload{suffix}"
        source.write_bytes(upload.file.read())
        report = await import_export(
            here.archive,
            source,
            by=signed_in(request).name,
            retain_until=keep_until(here.settings, here.now()),
            timezone=here.settings.timezone,
            columns=here.settings.order_columns,
        )
    if report.added or report.changed:
        async with here.database.write() as session:
            # Recordings that wait for an order may find it among the new ones.
            await enqueue(session, "relink", {}, now=here.now())
    return import_answer(report)


async def get_orders(request: web.Request) -> web.Response:
    return answer(await orders_page(request, read_query(request, OrderQuery)))


async def get_order(request: web.Request) -> web.Response:
    return answer(await order_page(request, request.match_info["number"]))


async def post_import(request: web.Request) -> web.Response:
    return answer(await import_upload(request))


async def get_questions(request: web.Request) -> web.Response:
    return answer(await questions(request))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/work-orders",
        "orders.see",
        get_orders,
        "工单列表 / work orders",
        query=OrderQuery,
        answers=OrderPage,
    ),
    Endpoint(
        "POST",
        "/api/v1/work-orders/import",
        "orders.import",
        post_import,
        "导入 12345 导出文件 / import the 12345 export",
        takes=ImportForm,
        takes_media=MULTIPART,
        answers=ImportAnswer,
    ),
    Endpoint(
        "GET",
        "/api/v1/work-orders/{number:.+}",
        "orders.see",
        get_order,
        "一个工单及其通话 / one work order with its calls",
        answers=OrderDetail,
    ),
    Endpoint(
        "GET",
        "/api/v1/link-questions",
        "links.see",
        get_questions,
        "待关联的录音 / recordings whose order a person must choose",
        answers=LinkQuestionList,
    ),
)
