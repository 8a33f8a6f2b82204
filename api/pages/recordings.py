"""The list of recordings with its search box, and decisions about one."""

from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from api.endpoint import Endpoint, parse_query
from api.models import RecordingQuery
from api.pages.next_work import kept
from api.pages.orders import show_links
from api.pages.rendering import render, see_other
from api.pages.review import show_recording
from api.routes import recordings as routes
from api.routes.findings import decide
from api.scope import require_visible
from api.typed import number_typed
from core.errors import NotFound

NO_NUMBER = "请填写工单编号 / the work order's number is missing"
NO_ORDER = "没有这个编号的工单，请核对，或先导入 / no work order has this number: check it, or import the order"
_FILTERS = ("day", "from", "to", "order", "text_state", "who", "cursor")


async def show_recordings(request: web.Request) -> web.Response:
    wanted = {name: request.query[name] for name in _FILTERS if request.query.get(name)}
    if "order" in wanted:
        wanted["order"] = number_typed(wanted["order"])
    page = await routes.recordings_page(request, parse_query(wanted, RecordingQuery))
    following = "?" + urlencode({**wanted, "cursor": page.next or ""})
    return render(
        request,
        "recordings.html",
        page=page,
        wanted=wanted,
        filtered=bool(wanted),
        following=following if page.next else "",
    )


async def do_link(request: web.Request) -> web.Response:
    """A number that no order has is said at its field, and is not lost."""
    identifier, form = routes.path_id(request), await request.post()
    await require_visible(request, identifier)
    typed, from_links = str(form.get("work_order", "")).strip(), form.get("back") == "links"
    number = number_typed(typed)
    refuse = partial(show_links, asked=identifier) if from_links else show_recording
    if not number:
        return await refuse(request, message=NO_NUMBER, typed=typed)
    try:
        await routes.link_to_order(request, identifier, number)
    except NotFound:
        return await refuse(request, message=NO_ORDER, typed=typed)
    back = "/links" if from_links else f"/recordings/{identifier}"
    return see_other(back + kept(request), "已关联到工单 {order}。", order=number)


async def do_decide(request: web.Request) -> web.Response:
    form = await request.post()
    await decide(request, str(form.get("answer", "")))
    return see_other(f"/recordings/{UUID(str(form.get('recording', '')))}{kept(request)}#findings")


ENDPOINTS = (
    Endpoint("GET", "/recordings", "recordings.see", show_recordings),
    Endpoint("POST", "/recordings/{id}/link", "links.decide", do_link),
    Endpoint("POST", "/findings/{id}", "findings.decide", do_decide),
)
