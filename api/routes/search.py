"""Search: calls by words and filters, persons for addresses, saved searches, holds and exports of what is found."""

from aiohttp import web

from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.keeping import HoldView
from api.masking import mask_number
from api.models_search import (
    MOST_EXPORTED,
    PersonRequest,
    PersonView,
    SavedSearchList,
    SavedSearchRequest,
    SavedSearchView,
    SearchExportRequest,
    SearchHoldRequest,
    SearchPage,
    SearchQuery,
)
from api.persons import name_person
from api.problems import Problem
from api.routes.holds import accepted, one_hold
from api.routes.recordings import path_id
from api.saved_searches import SavedSearch, delete_search, save_search, saved_of
from api.search_export import XLSX, export
from api.searching import identifiers_found, search_page
from core.telephone import person_of
from retention.holds import place
from retention.scope import Scope


async def get_search(request: web.Request) -> web.Response:
    asked = read_query(request, SearchQuery)
    if not asked.plain():
        raise Problem(400, "q: 请给出要找的字或至少一个条件 / give words or a filter")
    return answer(await search_page(request, asked))


async def person_view(request: web.Request, number: str) -> PersonView:
    """The word that stands for a number in addresses."""
    here = context(request)
    async with here.database.write() as session:
        person = await name_person(session, here.secrets, number, here.now())
    return PersonView(who=person.who, number=mask_number(person_of(number)))


async def post_person(request: web.Request) -> web.Response:
    asked = await read_body(request, PersonRequest)
    return answer(await person_view(request, asked.number), status=201)


async def saved_list(request: web.Request) -> SavedSearchList:
    """The saved searches of whoever asks."""
    async with context(request).database.read() as session:
        rows = await saved_of(session, signed_in(request).name)
    return SavedSearchList(items=[_saved(row) for row in rows])


def _saved(row: SavedSearch) -> SavedSearchView:
    return SavedSearchView.model_validate(row, from_attributes=True)


async def save(request: web.Request, asked: SavedSearchRequest) -> SavedSearchView:
    """Save a search of whoever asks."""
    here = context(request)
    async with here.database.write() as session:
        row = await save_search(session, signed_in(request).name, asked.name, asked.filters.plain(), here.now())
        return _saved(row)


async def forget(request: web.Request) -> None:
    """Delete one of the saved searches of whoever asks."""
    async with context(request).database.write() as session:
        await delete_search(session, signed_in(request).name, path_id(request))


async def hold_found(request: web.Request, asked: SearchHoldRequest) -> HoldView:
    """A case that lists every recording found now, which a worker holds; what is found later does not join it."""
    here = context(request)
    scope = Scope(recordings=tuple(await identifiers_found(request, asked.filters, MOST_EXPORTED)))
    by = signed_in(request).name
    case = await place(here.archive, here.settings, name=asked.name, reason=asked.reason, scope=scope, by=by)
    return await one_hold(request, case.id)


async def get_saved(request: web.Request) -> web.Response:
    return answer(await saved_list(request))


async def post_saved(request: web.Request) -> web.Response:
    return answer(await save(request, await read_body(request, SavedSearchRequest)), status=201)


async def delete_saved(request: web.Request) -> web.Response:
    await forget(request)
    return answer(await saved_list(request))


async def post_export(request: web.Request) -> web.Response:
    return await export(request, await read_body(request, SearchExportRequest))


async def post_hold(request: web.Request) -> web.Response:
    return accepted(await hold_found(request, await read_body(request, SearchHoldRequest)))


_ROOM = "/api/v1/search"
ENDPOINTS = (
    Endpoint(
        "GET",
        _ROOM,
        "recordings.search",
        get_search,
        "按说过的话和条件检索 / calls by what was said in them, and by filters",
        query=SearchQuery,
        answers=SearchPage,
    ),
    Endpoint(
        "POST",
        "/api/v1/persons",
        "recordings.search",
        post_person,
        "号码换成检索代号 / a word that stands for a number in addresses",
        takes=PersonRequest,
        answers=PersonView,
        status=201,
        reads=True,
    ),
    Endpoint(
        "GET",
        f"{_ROOM}/saved",
        "recordings.search",
        get_saved,
        "我保存的检索 / the saved searches of whoever asks",
        answers=SavedSearchList,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/saved",
        "recordings.search",
        post_saved,
        "保存检索（同名替换） / save a search; one of the same name is replaced",
        takes=SavedSearchRequest,
        answers=SavedSearchView,
        status=201,
    ),
    Endpoint(
        "DELETE",
        f"{_ROOM}/saved/{{id}}",
        "recordings.search",
        delete_saved,
        "删除保存的检索 / delete a saved search; answers those that are left",
        answers=SavedSearchList,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/export",
        "search.export",
        post_export,
        "导出结果 XLSX（先写台账） / what is found as XLSX; the ledger row is written first",
        takes=SearchExportRequest,
        media=XLSX,
        reads=True,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/hold",
        "holds.decide",
        post_hold,
        "保全全部结果；即刻禁止处置，由后台列入 / hold everything that is found now: a worker applies it",
        takes=SearchHoldRequest,
        answers=HoldView,
        status=202,
    ),
)
