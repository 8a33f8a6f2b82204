"""From one thing of 我的工作 to the next: its links say where they came from, and the page they lead to leads on."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, urlencode

from aiohttp import web

from api.context import context, signed_in
from api.models_work import SHOWS, WorkItem, WorkQuery
from api.preferences import preferences_of
from api.routes.work import work_page

FROM = "work"
_KEPT = ("from", "show", "place")
# Day, kind and name: the order of the list, which holds after the thing itself has left the list.
Place = tuple[date, int, str]


@dataclass(frozen=True)
class Onward:
    """``kept`` is the query that says where somebody came from, with its ``?``; ``item`` is empty after the last."""

    kept: str
    back: str
    address: str
    item: WorkItem | None
    single_keys: bool


def address_of(item: WorkItem, show: str) -> str:
    """Where a thing of the list is done."""
    if item.kind == "link":
        return f"/links{_of(item, show)}#question-{item.recording}"
    if item.kind in ("due", "returned"):
        return f"/orders/{quote(item.order, safe='')}{_of(item, show)}"
    return call_of(item, show) + ("#findings" if item.kind == "findings" else "")


def call_of(item: WorkItem, show: str) -> str:
    """The recording of a thing of the list."""
    return f"/recordings/{item.recording}{_of(item, show)}"


def _of(item: WorkItem, show: str) -> str:
    place = f"{item.until.isoformat()} {item.kind} {_name(item)}"
    return "?" + urlencode({"from": FROM, "show": show, "place": place})


def kept(request: web.Request) -> str:
    """The part of the address that says where somebody came from; empty for who did not come from the list."""
    if request.query.get("from") != FROM:
        return ""
    return "?" + urlencode({name: request.query[name] for name in _KEPT if name in request.query})


async def onward(request: web.Request) -> Onward | None:
    """What comes after the thing that this page is about; nothing for who did not come from the list."""
    user, here = signed_in(request), context(request)
    if request.query.get("from") != FROM or not user.may("work.see"):
        return None
    show = request.query.get("show", "")
    show = show if show in SHOWS else SHOWS[0]
    page = await work_page(request, WorkQuery.model_validate({"show": show}))
    place = _read(request.query.get("place", ""))
    item = next((each for each in page.items if place is None or _place(each) > place), None)
    back = "/work" if show == SHOWS[0] else f"/work?show={show}"
    async with here.database.read() as session:
        preferences = await preferences_of(session, user.name)
    address = address_of(item, show) if item else back
    return Onward(kept(request), back, address, item, preferences.single_keys)


def _name(item: WorkItem) -> str:
    return item.order or str(item.recording)


def _place(item: WorkItem) -> Place:
    return item.until, SHOWS.index(item.kind), _name(item)


def _read(text: str) -> Place | None:
    """Nothing for what is no place: the list then begins again."""
    day, _, rest = text.partition(" ")
    kind, _, name = rest.partition(" ")
    try:
        return date.fromisoformat(day), SHOWS.index(kind), name
    except ValueError:
        return None
