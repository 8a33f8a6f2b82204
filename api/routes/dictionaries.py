"""Dictionaries over HTTP: entries with their days, which are added, ended and followed, never deleted."""

from datetime import date, timedelta
from typing import Any

from aiohttp import web

from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.models import Done
from api.models_settings import (
    DictionaryList,
    DictionaryView,
    EndRequest,
    EntryList,
    EntryQuery,
    EntryRequest,
    EntryView,
)
from api.routes.recordings import path_id
from core.dictionaries import WITH_ALIASES, NewWord, Word, add_word, all_words, end_word, follow_word, words


async def all_dictionaries(request: web.Request) -> list[DictionaryView]:
    here = context(request)
    async with here.database.read() as session:
        found = await all_words(session)
    return [
        DictionaryView(
            name=name,
            aliases=name in WITH_ALIASES,
            valid=sum(word.valid_on(here.today()) for word in there),
            entries=len(there),
        )
        for name, there in found.items()
    ]


async def entries(request: web.Request, name: str, on: date | None = None) -> list[EntryView]:
    """Every entry, or those that are valid on a day; ``NotFound`` for a dictionary that there is none of."""
    async with context(request).database.read() as session:
        return [_view(word) for word in await words(session, name) if on is None or word.valid_on(on)]


async def add(request: web.Request, name: str, asked: EntryRequest) -> None:
    async with context(request).database.write() as session:
        await add_word(session, name, _new(request, asked), **_who(request))
    context(request).in_force.forget()


async def follow(request: web.Request, name: str, asked: EntryRequest) -> None:
    """Another entry takes the place of one, from a day on."""
    async with context(request).database.write() as session:
        await follow_word(session, name, path_id(request), _new(request, asked), **_who(request))
    context(request).in_force.forget()


async def end(request: web.Request, name: str, last: date | None) -> None:
    here = context(request)
    async with here.database.write() as session:
        day = last or here.today() - timedelta(days=1)
        await end_word(session, name, path_id(request), day, **_who(request))
    here.in_force.forget()


def _who(request: web.Request) -> dict[str, Any]:
    here = context(request)
    return {"by": signed_in(request).name, "now": here.now(), "today": here.today()}


def _new(request: web.Request, asked: EntryRequest) -> NewWord:
    begins = asked.valid_from or context(request).today()
    return NewWord(asked.value, asked.english, tuple(asked.aliases), asked.position, begins, asked.valid_until)


def _view(word: Word) -> EntryView:
    return EntryView.model_validate(
        {name: getattr(word, name) for name in EntryView.model_fields}, from_attributes=True
    )


async def get_dictionaries(request: web.Request) -> web.Response:
    return answer(DictionaryList(items=await all_dictionaries(request)))


async def get_entries(request: web.Request) -> web.Response:
    return await _listed(request, read_query(request, EntryQuery).on)


async def post_entry(request: web.Request) -> web.Response:
    await add(request, request.match_info["name"], await read_body(request, EntryRequest))
    return await _listed(request, status=201)


async def post_following(request: web.Request) -> web.Response:
    await follow(request, request.match_info["name"], await read_body(request, EntryRequest))
    return await _listed(request)


async def post_end(request: web.Request) -> web.Response:
    await end(request, request.match_info["name"], (await read_body(request, EndRequest)).last_day)
    return answer(Done())


async def _listed(request: web.Request, on: date | None = None, status: int = 200) -> web.Response:
    name = request.match_info["name"]
    return answer(EntryList(name=name, items=await entries(request, name, on)), status=status)


_ONE = "/api/v1/dictionaries/{name}"
ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/dictionaries",
        "dictionaries.see",
        get_dictionaries,
        "字典 / dictionaries",
        answers=DictionaryList,
    ),
    Endpoint(
        "GET",
        _ONE,
        "dictionaries.see",
        get_entries,
        "一部字典的条目 / the entries of a dictionary, of all time or of a day",
        query=EntryQuery,
        answers=EntryList,
    ),
    Endpoint(
        "POST",
        _ONE,
        "dictionaries.set",
        post_entry,
        "新增条目 / add an entry",
        takes=EntryRequest,
        answers=EntryList,
        status=201,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/{{id}}",
        "dictionaries.set",
        post_following,
        "自某日起以新条目接替 / let another entry take its place from a day on",
        takes=EntryRequest,
        answers=EntryList,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/{{id}}/end",
        "dictionaries.set",
        post_end,
        "终止条目 / end an entry",
        takes=EndRequest,
        answers=Done,
    ),
)
