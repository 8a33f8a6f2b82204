"""检索: words and filters in the address, what was found, and what can be done with all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from api.context import context
from api.endpoint import Endpoint, parse_query
from api.masking import mask_number
from api.models_search import (
    SavedSearchRequest,
    SearchExportRequest,
    SearchFilters,
    SearchHoldRequest,
    SearchPage,
    SearchQuery,
)
from api.pages import labels
from api.pages.keeping import PLACED
from api.pages.rendering import render, see_other
from api.persons import number_of
from api.problems import Problem
from api.routes import search as routes
from api.search_export import export
from api.searching import search_page
from core.telephone import person_of

# The filters in the order of the form, with their names; ``q`` and ``who`` have places of their own.
NAMES = {
    "from": "从",
    "to": "到",
    "agent": "专员工号",
    "order": "工单编号",
    "unit": "承办单位",
    "solved": "诉求是否解决",
    "satisfied": "是否满意",
    "longer": "不短于（秒）",
    "shorter": "短于（秒）",
    "below": "置信度低于",
    "held": "保全",
    "text_state": "文字",
    "who": "号码",
}
_WORDS = {"solved": labels.ANSWERS, "satisfied": labels.ANSWERS, "text_state": labels.TEXT_STATES}
_HELD = {"true": "已保全", "false": "未保全"}
NOT_KEPT = ("cursor", "limit")


@dataclass(frozen=True)
class Chip:
    """A filter that is set: its name and value as phrases of the catalogue or plain, and the address without it."""

    name: str
    value: str
    without: str


async def show_search(request: web.Request) -> web.Response:
    given = {name: value for name, value in request.query.items() if name != "lang"}
    asked = parse_query(given, SearchQuery)
    plain = asked.plain()
    page = await search_page(request, asked) if plain else None
    return render(
        request,
        "search.html",
        page=page,
        wanted=plain,
        words=asked.q,
        names=NAMES,
        chips=await _chips(request, plain),
        filters=urlencode(plain),
        following=_following(plain, page),
        later=bool(asked.cursor),
        saved=await _saved(request),
    )


def _following(plain: dict[str, str], page: SearchPage | None) -> str:
    return "/search?" + urlencode({**plain, "cursor": page.next}) if page and page.next else ""


async def _saved(request: web.Request) -> Sequence[dict[str, Any]]:
    found = (await routes.saved_list(request)).items
    return [{"id": each.id, "name": each.name, "address": "/search?" + urlencode(each.filters)} for each in found]


async def _chips(request: web.Request, plain: dict[str, str]) -> Sequence[Chip]:
    found = []
    for name in NAMES:
        if name in plain:
            rest = {other: value for other, value in plain.items() if other != name}
            found.append(Chip(NAMES[name], await _said(request, name, plain[name]), "/search?" + urlencode(rest)))
    return found


async def _said(request: web.Request, name: str, value: str) -> str:
    if name == "who":
        here = context(request)
        async with here.database.read() as session:
            return mask_number(person_of(await number_of(session, here.secrets, value)))
    return _HELD[value] if name == "held" else _WORDS.get(name, {}).get(value, value)


async def _form(request: web.Request) -> tuple[SearchFilters, dict[str, str], str]:
    """The filters that a form carries, its other fields, and the address to return to."""
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    filters = parse_query(dict(parse_qsl(form.pop("filters", ""))), SearchFilters)
    return filters, form, "/search?" + urlencode(filters.plain())


async def do_person(request: web.Request) -> web.Response:
    """A number becomes a word before it becomes part of an address."""
    filters, form, _ = await _form(request)
    number = form.get("number", "").strip()
    if not 3 <= len(number) <= 64:
        raise Problem(422, "请输入完整号码或工号（至少 3 位） / enter the whole number (3 digits at least)")
    person = await routes.person_view(request, number)
    return see_other("/search?" + urlencode({**filters.plain(), "who": person.who}))


async def do_save(request: web.Request) -> web.Response:
    filters, form, back = await _form(request)
    name = form.get("name", "").strip()
    if not name:
        raise Problem(422, "请给这次检索起个名称 / the saved search needs a name")
    await routes.save(request, SavedSearchRequest(name=name[:60], filters=filters))
    return see_other(back, "已保存检索“{name}”。", name=name[:60])


async def do_forget(request: web.Request) -> web.Response:
    await routes.forget(request)
    return see_other("/search", "已删除保存的检索。")


async def do_hold(request: web.Request) -> web.Response:
    filters, form, _ = await _form(request)
    name, reason = form.get("name", "").strip(), form.get("reason", "").strip()
    if not name or not reason:
        raise Problem(422, "保全须写明案件名称和理由 / a hold needs a name and a reason")
    case = await routes.hold_found(request, SearchHoldRequest(name=name[:120], reason=reason[:2000], filters=filters))
    return see_other(f"/keeping/holds/{case.id}", PLACED, name=case.name)


async def do_export(request: web.Request) -> web.Response:
    filters, form, _ = await _form(request)
    purpose = form.get("purpose", "").strip()
    if len(purpose) < 2:
        raise Problem(422, "请写明导出目的 / say what the export is for")
    return await export(request, SearchExportRequest(purpose=purpose[:200], filters=filters))


ENDPOINTS = (
    Endpoint("GET", "/search", "recordings.search", show_search),
    Endpoint("POST", "/search/person", "recordings.search", do_person),
    Endpoint("POST", "/search/saved", "recordings.search", do_save),
    Endpoint("POST", "/search/saved/{id}/delete", "recordings.search", do_forget),
    Endpoint("POST", "/search/hold", "holds.decide", do_hold),
    Endpoint("POST", "/search/export", "search.export", do_export),
)
