"""我的工作, where a callback agent's day begins."""

from aiohttp import web

from api.context import context, signed_in
from api.endpoint import Endpoint, parse_query
from api.models_work import SHOWS, WorkQuery
from api.pages.next_work import address_of, call_of
from api.pages.rendering import render
from api.preferences import preferences_of
from api.routes import work as routes


async def show_work(request: web.Request) -> web.Response:
    asked = parse_query({"show": request.query.get("show", "")}, WorkQuery)
    page = await routes.work_page(request, asked)
    here = context(request)
    async with here.database.read() as session:
        preferences = await preferences_of(session, signed_in(request).name)
    return render(
        request,
        "work.html",
        page=page,
        show=asked.show,
        shows=SHOWS,
        address_of=address_of,
        call_of=call_of,
        single_keys=preferences.single_keys,
        days=here.settings.callback_days,
        window=here.settings.callback_window_days,
    )


ENDPOINTS = (Endpoint("GET", "/work", "work.see", show_work),)
