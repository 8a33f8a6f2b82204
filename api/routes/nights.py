"""The nights: what each found and did, from the ledger, and its sealed result."""

import json
from datetime import date, datetime
from typing import Any

from aiohttp import web
from pydantic import Field
from sqlalchemy import select

from api import cursors
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_query
from api.models import Model
from archive.catalogue import StoredObject
from archive.retrieve import read_object
from core.errors import NotFound
from core.ledger import LedgerRow
from retention.night import KIND


class NightQuery(Model):
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=60, ge=1, le=800)


class NightView(Model):
    """Counts of one night; ``octets`` were read, ``oldest_read`` is when the object that waits longest was."""

    night: str
    at: datetime
    faults: int = 0
    verified: int = 0
    octets: int = 0
    oldest_read: datetime | None = None
    checked: int = 0
    repaired: int = 0
    extended: int = 0
    missing: int = 0
    eligible: int = 0
    disposed: int = 0
    ledger_rows: int = 0
    milliseconds: int = 0


class NightList(Model):
    items: list[NightView]
    next: str | None


# The name of this list in its cursors.
LIST = "nights"


async def nights(request: web.Request, limit: int) -> list[NightView]:
    """The newest nights first."""
    return (await night_list(request, NightQuery(limit=limit))).items


async def night_list(request: web.Request, asked: NightQuery) -> NightList:
    """A page of nights, the newest first."""
    query = select(LedgerRow).where(LedgerRow.kind == KIND).order_by(LedgerRow.seq.desc()).limit(asked.limit + 1)
    if asked.cursor:
        query = query.where(LedgerRow.seq < cursors.read_number(asked.cursor, LIST))
    async with context(request).database.read() as session:
        rows = list(await session.scalars(query))
    shown = rows[: asked.limit]
    following = cursors.write(LIST, shown[-1].seq) if len(rows) > asked.limit else None
    return NightList(items=[_view(row) for row in shown], next=following)


def _view(row: LedgerRow) -> NightView:
    facts = json.loads(row.leaf)["facts"]
    counts = {name: facts[name] for name in NightView.model_fields.keys() & facts.keys()}
    return NightView(**{**counts, "night": row.subject, "at": row.at})


async def night_result(request: web.Request) -> dict[str, Any]:
    """The newest sealed result of a night; ``NotFound`` where there is none."""
    here = context(request)
    try:
        night = date.fromisoformat(request.match_info["night"])
    except ValueError:
        raise NotFound("no such night", expected="a day such as 2026-11-22") from None
    query = select(StoredObject.id).where(
        StoredObject.kind == KIND, StoredObject.key == f"nightly/{night:%Y/%m/%d}.json"
    )
    async with here.database.read() as session:
        identifier = await session.scalar(query.order_by(StoredObject.created_at.desc()).limit(1))
    if identifier is None:
        raise NotFound("no such night", night=night)
    content = await read_object(here.archive, identifier, actor=signed_in(request).name, purpose="nightly result")
    found: dict[str, Any] = json.loads(content)
    return found


async def get_nights(request: web.Request) -> web.Response:
    return answer(await night_list(request, read_query(request, NightQuery)))


async def get_night(request: web.Request) -> web.Response:
    return web.json_response(await night_result(request), dumps=lambda value: json.dumps(value, ensure_ascii=False))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/nights",
        "jobs.see",
        get_nights,
        "夜间检查 / what the nights found",
        NightQuery,
        answers=NightList,
    ),
    Endpoint("GET", "/api/v1/nights/{night}", "jobs.see", get_night, "一夜的结果 / a night's sealed result"),
)
