"""Numbers and names in full, on a page of their own: the purpose is asked, the ledger knows, nothing is cached."""

from aiohttp import web

from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint, parse_query
from api.language import half
from api.models_access import RevealRequest
from api.pages.rendering import render
from api.problems import Problem
from api.routes.recordings import path_id
from api.routes.reveal import reveal_order, reveal_recording
from api.scope import require_callers_team, require_visible


async def show_recording(request: web.Request) -> web.Response:
    identifier = path_id(request)
    await require_visible(request, identifier)
    return _page(request, f"/recordings/{identifier}", "录音")


async def do_recording(request: web.Request) -> web.Response:
    identifier = path_id(request)
    try:
        asked = await _asked(request)
    except Problem:
        return _page(request, f"/recordings/{identifier}", "录音", message=_TOO_SHORT)
    seen = await reveal_recording(request, identifier, asked.purpose)
    parties = (("市民", seen.citizen), ("专员", seen.agent))
    return _page(request, f"/recordings/{identifier}", "录音", parties=parties, purpose=asked.purpose)


async def show_order(request: web.Request) -> web.Response:
    """Who may not see the caller is told before he writes a purpose."""
    async with context(request).database.read() as session:
        await require_callers_team(session, signed_in(request), request.match_info["number"].strip())
    return _page(request, _order_path(request), "工单")


async def do_order(request: web.Request) -> web.Response:
    try:
        asked = await _asked(request)
    except Problem:
        return _page(request, _order_path(request), "工单", message=_TOO_SHORT)
    seen = await reveal_order(request, request.match_info["number"], asked.purpose)
    texts = (("标题", seen.title), ("内容", seen.content), ("办理结果", seen.result), ("答复", seen.reply))
    parties = (("来电人", seen.caller),)
    return _page(request, _order_path(request), "工单", parties=parties, texts=texts, purpose=asked.purpose)


_TOO_SHORT = "请写明用途，至少 4 个字 / say what for, in 4 characters at least"


async def _asked(request: web.Request) -> RevealRequest:
    form = await request.post()
    return parse_query({"purpose": str(form.get("purpose", "")).strip()[:200]}, RevealRequest)


def _order_path(request: web.Request) -> str:
    return request.rel_url.raw_path.removesuffix("/reveal")


def _page(
    request: web.Request,
    back: str,
    what: str,
    *,
    parties: object = (),
    texts: object = (),
    purpose: str = "",
    message: str = "",
) -> web.Response:
    return render(
        request,
        "reveal.html",
        status=422 if message else 200,
        back=back,
        what=what,
        parties=parties,
        texts=texts,
        purpose=purpose,
        message=half(message, request.get(LANGUAGE, "zh")),
        asker=signed_in(request).name,
    )


ENDPOINTS = (
    Endpoint("GET", "/recordings/{id}/reveal", "people.reveal", show_recording),
    Endpoint("POST", "/recordings/{id}/reveal", "people.reveal", do_recording),
    Endpoint("GET", "/orders/{number:.+}/reveal", "people.reveal", show_order),
    Endpoint("POST", "/orders/{number:.+}/reveal", "people.reveal", do_order),
)
