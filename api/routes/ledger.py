"""The ledger over HTTP: whoever reads it is in it, and its newest signed head."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time

from aiohttp import web
from sqlalchemy import ColumnElement, select

from api import cursors
from api.access.accounts import UserRow
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_query
from api.masking import mask_text
from api.models_ledger import LedgerPage, LedgerQuery
from api.shaping import ledger_view
from archive.heads import newest_head
from core.errors import NotFound
from core.ledger import Entry, LedgerRow, append
from core.proofs import tree_size
from retention.rule import midnight_after

SEEN = "ledger seen"
# The name of this list in its cursors.
LIST = "ledger"
ABOUT: Mapping[str, Sequence[str]] = {
    "seen": (
        *("read", "exported", "revealed", "checked", "evidence taken", "handed out", SEEN),
        *("share made", "share opened", "share revoked"),
    ),
    "decided": (
        *("decided", "linked", "corrected", "commented", "reported", "pause asked", "resume asked", "setting changed"),
        *("pause answered", "dictionary changed"),
        *("hold placed", "release asked", "release withdrawn", "hold released"),
        *("disposal proposed", "disposal approved", "disposal confirmed", "disposal withdrawn", "disposal refused"),
        *("disposals approved", "disposals confirmed", "export listed", "received"),
    ),
    "accounts": (
        *("account added", "account switched on", "account switched off", "role changed", "team changed"),
        *("password changed", "password reset", "provider name set", "second factor set", "second factor removed"),
        *("sessions ended", "token made", "token revoked", "logged in", "login failed", "login locked"),
        *("team added", "number assigned"),
        *("webhook added", "webhook changed", "webhook switched on", "webhook switched off"),
        *("webhook secret renewed", "webhook removed"),
    ),
}


async def ledger_page(request: web.Request, asked: LedgerQuery) -> LedgerPage:
    """Rows, newest first.  That somebody looked, and for what, is a row itself, committed before anything is read."""
    here = context(request)
    if request.method != "HEAD":
        wanted = asked.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"limit"})
        facts = {name: mask_text(str(value)) for name, value in wanted.items()}
        async with here.database.write() as session:
            await append(session, Entry(SEEN, signed_in(request).name, "ledger", facts), here.now())
    query = select(LedgerRow).where(*_conditions(request, asked)).order_by(LedgerRow.seq.desc()).limit(asked.limit + 1)
    async with here.database.read() as session:
        rows, size = list(await session.scalars(query)), await tree_size(session)
    shown = rows[: asked.limit]
    following = cursors.write(LIST, shown[-1].seq) if len(rows) > asked.limit else None
    return LedgerPage(items=[ledger_view(row) for row in shown], next=following, size=size)


def _conditions(request: web.Request, asked: LedgerQuery) -> list[ColumnElement[bool]]:
    zone = context(request).settings.timezone
    found: list[ColumnElement[bool]] = []
    for column, value in ((LedgerRow.subject, asked.subject), (LedgerRow.kind, asked.kind)):
        found += [column == value] if value else []
    if asked.about:
        found.append(LedgerRow.kind.in_(ABOUT[asked.about]))
    if asked.actor:
        found.append(LedgerRow.actor == asked.actor)
    if asked.role:
        found.append(LedgerRow.actor.in_(select(UserRow.name).where(UserRow.role == asked.role)))
    if asked.since:
        found.append(LedgerRow.at >= datetime.combine(asked.since, time(), tzinfo=zone))
    if asked.to:
        found.append(LedgerRow.at < midnight_after(asked.to, zone))
    if asked.cursor:
        found.append(LedgerRow.seq < cursors.read_number(asked.cursor, LIST))
    return found


async def get_ledger(request: web.Request) -> web.Response:
    return answer(await ledger_page(request, read_query(request, LedgerQuery)))


async def get_head(request: web.Request) -> web.Response:
    head = await newest_head(context(request).archive)
    if head is None:
        raise NotFound("no head has been signed yet", remedy="`huiyin ledger sign`, or wait for the night")
    return web.Response(text=head.note, content_type="text/plain")


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/ledger",
        "ledger.see",
        get_ledger,
        "证据台账（查阅本身也入账） / the ledger; reading it is a row of it",
        LedgerQuery,
        answers=LedgerPage,
    ),
    Endpoint(
        "GET",
        "/api/v1/ledger/head",
        "ledger.see",
        get_head,
        "最新签名树头 / the newest signed head, a C2SP checkpoint",
        media="text/plain",
    ),
)
