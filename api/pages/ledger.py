"""审计日志: who saw, played, exported and decided, and in plain words whether the record of it can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.access.accounts import UserRow
from api.context import context, signed_in
from api.endpoint import Endpoint, parse_query
from api.models import LedgerView
from api.models_ledger import LedgerQuery
from api.pages.rendering import render
from api.permissions import ROLES
from api.routes.ledger import ledger_page
from api.routes.nights import NightView, nights
from archive.catalogue import Recording, StoredObject
from archive.heads import newest_head
from archive.ledger_key import trusted_keys
from core.errors import Damaged, NotFound, SettingsError, Unavailable
from core.ledger import LedgerRow
from core.note import open_note
from core.settings import Settings

FILTERS = ("about", "kind", "actor", "role", "subject", "from", "to", "cursor")
SHOWN = 50
_PAGES: Mapping[str, str] = {
    "hold": "/keeping/holds/",
    "release": "/keeping/holds/",
    "disposals": "/keeping/disposals/",
}
_EXPORTS = frozenset({"export listed", "export finished", "export removed", "handed out", "received", "receipt sealed"})


@dataclass(frozen=True)
class Chain:
    """``agrees``: the ledger still begins as the newest head says (``None``: there is no head that can be read);
    ``trusted``: one of our own keys signed it."""

    size: int
    signed: int
    at: datetime | None
    agrees: bool | None
    trusted: bool
    night: NightView | None


@dataclass(frozen=True)
class Thing:
    """What a row is about: the moment of a call where it is a recording (or an object of one), and a page about it."""

    began: datetime | None
    kind: str
    path: str


async def show_ledger(request: web.Request) -> web.Response:
    wanted = {name: request.query[name] for name in FILTERS if request.query.get(name)}
    page = await ledger_page(request, parse_query({**wanted, "limit": str(SHOWN)}, LedgerQuery))
    plain = {name: value for name, value in wanted.items() if name != "cursor"}
    async with context(request).database.read() as session:
        roles = dict((await session.execute(select(UserRow.name, UserRow.role))).all())
        things = await _things(request, session, page.items)
    return render(
        request,
        "ledger.html",
        page=page,
        things=things,
        facts_shown=facts_shown,
        role_of=roles,
        roles=ROLES,
        wanted={name: wanted.get(name, "") for name in FILTERS},
        filtered=bool(wanted),
        newest="/ledger?" + urlencode(plain),
        following="/ledger?" + urlencode({**plain, "cursor": page.next}) if page.next is not None else "",
        chain=await _chain(request, page.size),
    )


async def _things(request: web.Request, session: AsyncSession, rows: Sequence[LedgerView]) -> dict[int, Thing]:
    """By row: what can be said of its subject."""
    identifiers = {row.subject: each for row in rows if (each := _uuid(row.subject))}
    objects = await session.execute(
        select(StoredObject.id, StoredObject.recording_id, StoredObject.kind).where(
            StoredObject.id.in_(identifiers.values())
        )
    )
    owner = {identifier: (recording, kind) for identifier, recording, kind in objects}
    asked = {*identifiers.values(), *(recording for recording, _ in owner.values() if recording)}
    began = dict(
        (await session.execute(select(Recording.id, Recording.started_at).where(Recording.id.in_(asked)))).all()
    )
    found: dict[int, Thing] = {}
    for row in rows:
        identifier = identifiers.get(row.subject)
        recording, kind = owner.get(identifier, (identifier, "")) if identifier else (None, "")
        if recording in began:
            path = f"/recordings/{recording}" if signed_in(request).may("recordings.see") else ""
            found[row.seq] = Thing(began[recording], kind, path)
        else:
            found[row.seq] = Thing(None, kind, _page_of(request, row) if identifier else "")
    return found


def _page_of(request: web.Request, row: LedgerView) -> str:
    may = signed_in(request).may
    if row.kind in _EXPORTS:
        return f"/handover#export-{row.subject}" if may("exports.see") else ""
    place = _PAGES.get(row.kind.partition(" ")[0], "")
    return f"{place}{row.subject}" if place and may("holds.see") and may("disposals.see") else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _chain(request: web.Request, size: int) -> Chain:
    here, last = context(request), await nights(request, 1)
    night = last[0] if last else None
    try:
        head = await newest_head(here.archive)
    except (Damaged, NotFound, Unavailable):
        head = None
    if head is None:
        return Chain(size, 0, None, None, False, night)
    signed = head.checkpoint.size
    async with here.database.read() as session:
        root = await session.scalar(select(LedgerRow.root).where(LedgerRow.seq == signed - 1))
    agrees = root == head.checkpoint.root
    return Chain(size, signed, head.stored.created_at, agrees, _trusted(here.settings, head.note), night)


def _trusted(settings: Settings, note: str) -> bool:
    try:
        open_note(note, trusted_keys(settings))
    except (ValueError, SettingsError):
        return False
    return True


def facts_shown(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a row says besides, as it was sealed, but for the purpose, which stands in the line."""
    return [(name, str(value)) for name, value in facts.items() if name != "purpose" and value not in ("", None)]


ENDPOINTS = (Endpoint("GET", "/ledger", "ledger.see", show_ledger),)
