"""Work orders, their import, and the queue of recordings whose order a person must choose."""

from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint, parse_query
from api.language import half
from api.models import OrderQuery
from api.pages.next_work import onward
from api.pages.rendering import render
from api.routes import orders as routes
from api.routes.timeline import story_of
from api.typed import words_typed

PAGE = 50


async def show_orders(request: web.Request) -> web.Response:
    return await _list(request)


async def do_import(request: web.Request) -> web.Response:
    """Show what the import did above the list, row by row where rows were refused."""
    return await _list(request, imported=await routes.import_upload(request))


async def _list(request: web.Request, imported: object = None) -> web.Response:
    wanted = {name: request.query.get(name, "") for name in ("q", "status", "unit")}
    wanted["q"] = words_typed(wanted["q"])
    cursor = request.query.get("cursor", "")
    page = await routes.orders_page(request, parse_query({**wanted, "cursor": cursor}, OrderQuery))
    plain = {name: value for name, value in wanted.items() if value}
    return render(
        request,
        "orders.html",
        page=page,
        wanted=wanted,
        filtered=any(wanted.values()),
        imported=imported,
        following="?" + urlencode({**plain, "cursor": page.next}) if page.next else "",
    )


async def show_order(request: web.Request) -> web.Response:
    here, user = context(request), signed_in(request)
    async with here.database.read() as session:
        found = await routes.order_with_calls(session, user, request.match_info["number"])
        story = await story_of(session, here, user, *found)
    return render(request, "order.html", order=routes.detail_of(*found), story=story, onward=await onward(request))


async def show_links(
    request: web.Request, message: str = "", typed: str = "", asked: UUID | None = None
) -> web.Response:
    """``message``: why the number ``typed`` for the recording ``asked`` was refused."""
    questions = (await routes.questions(request)).items
    return render(
        request,
        "links.html",
        status=422 if message else 200,
        message=half(message, request.get(LANGUAGE, "zh")),
        typed=typed,
        asked=asked,
        questions=questions,
        onward=await onward(request),
    )


ENDPOINTS = (
    Endpoint("GET", "/orders", "orders.see", show_orders),
    Endpoint("POST", "/orders/import", "orders.import", do_import),
    Endpoint("GET", "/orders/{number:.+}", "orders.see", show_order),
    Endpoint("GET", "/links", "links.see", show_links),
)
