"""隔离区: files that could not be taken in, why, and the two things that can be done about each."""

from aiohttp import web

from api.endpoint import Endpoint, parse_query
from api.models_uploads import QuarantineRemoval
from api.pages.rendering import render, see_other
from api.routes.quarantine import admit, discard, quarantined

SHOWN = 200


async def show_quarantine(request: web.Request) -> web.Response:
    files = await quarantined(request)
    return render(request, "quarantine.html", files=files[:SHOWN], more=len(files) - SHOWN)


async def do_retry(request: web.Request) -> web.Response:
    await admit(request, None)
    return see_other("/quarantine", "文件已收取并封存。")


async def do_remove(request: web.Request) -> web.Response:
    form = await request.post()
    await discard(request, parse_query({"reason": str(form.get("reason", ""))}, QuarantineRemoval).reason)
    return see_other("/quarantine", "文件已删除，原因记入审计日志。")


ENDPOINTS = (
    Endpoint("GET", "/quarantine", "quarantine.see", show_quarantine),
    Endpoint("POST", "/quarantine/{name}/retry", "quarantine.decide", do_retry),
    Endpoint("POST", "/quarantine/{name}/remove", "quarantine.decide", do_remove),
)
