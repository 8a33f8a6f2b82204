"""Sharing one recording by a link: the page that makes links, and the bare page that they lead to."""

import time

from aiohttp import web
from pydantic import ValidationError

from api.access.attempts import network_of
from api.access.limits import RateLimit
from api.client import address_of
from api.context import context
from api.endpoint import Endpoint
from api.models_redaction import RedactedText
from api.models_review import NewShareView, ShareRequest
from api.pages.rendering import render, see_other
from api.permissions import PUBLIC
from api.problems import Problem
from api.routes import recordings as routes
from api.routes import redactions, shares
from api.routes.sound import send_sound
from archive.catalogue import Recording, StoredObject
from archive.redaction_copies import object_of, usable
from archive.retrieve import read_verified
from archive.shares import Share, actor_of, note_opened, open_share
from core.errors import NotFound

HOURS = (1, 8, 24, 72, 168, 720)
# Guessing 256 bits is hopeless; this keeps whoever tries from being a load.
WRONG_PER_MINUTE = 20
WRONG_LINKS = web.AppKey("WRONG_LINKS", RateLimit)
# The address of the page is the secret: it goes to nobody, not even as a referrer to ourselves.
PRIVATE = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


async def show_shares(request: web.Request, made: NewShareView | None = None) -> web.Response:
    """The links of a recording with their logs; ``made`` is shown this once."""
    here, identifier = context(request), routes.path_id(request)
    recording = await routes.detail(request, identifier)
    async with here.database.read() as session:
        copies = await redactions.copies_of(session, identifier, here.now())
    return render(
        request,
        "shares.html",
        recording=recording,
        shares=(await shares.shares(request, identifier)).items,
        hours=HOURS,
        made=made,
        copies=[each for each in copies if each.usable],
        wanted=request.query.get("redaction", ""),
    )


async def do_share(request: web.Request) -> web.Response:
    """Answered with the page itself, not a redirect: the address must not be in another address."""
    form = await request.post()
    try:
        asked = ShareRequest.model_validate(
            {name: str(form[name]) for name in ("purpose", "hours", "redaction") if form.get(name)}
        )
    except ValidationError:
        raise Problem(422, "请写明用途和时长 / a purpose and how long are needed") from None
    return await show_shares(request, await shares.share(request, routes.path_id(request), asked))


async def do_revoke(request: web.Request) -> web.Response:
    identifier = routes.path_id(request)
    await shares.revoke(request, identifier)
    return see_other(f"/recordings/{identifier}/shares", "链接已停用，立即生效。")


async def show_shared(request: web.Request) -> web.Response:
    """What somebody with a link sees: when, how long, and the sound.  The ledger row is written first."""
    share = await _share(request)
    here = context(request)
    async with here.database.write() as session:
        await note_opened(session, share, address=address_of(request), now=here.now())
        recording = await session.get_one(Recording, share.recording_id)
    text = await _copy_text(request, share)
    token = request.match_info["token"]
    response = render(request, "shared.html", recording=recording, share=share, token=token, text=text)
    response.headers.update(PRIVATE)
    return response


async def get_shared_sound(request: web.Request) -> web.StreamResponse:
    """The sound by ranges; the ledger names the link and the purpose that it was made for."""
    share = await _share(request)
    here = context(request)
    stored = await _copy_object(request, share, "flac")
    file = await here.listenings.open(
        here.archive, share.recording_id, actor=actor_of(share), purpose=share.purpose or "share", copy=stored
    )
    return await send_sound(request, file)


async def _copy_object(request: web.Request, share: Share, ending: str) -> StoredObject | None:
    """The object of the redacted copy that the link leads to; ``None`` where it leads to the recording."""
    if share.redaction_id is None:
        return None
    here = context(request)
    async with here.database.read() as session:
        row = await usable(session, share.recording_id, share.redaction_id, here.now())
        return await object_of(session, row, ending)


async def _copy_text(request: web.Request, share: Share) -> RedactedText | None:
    """What the redacted copy says; the ledger's row of the opening stands already."""
    stored = await _copy_object(request, share, "json")
    if stored is None:
        return None
    return redactions.redacted_text(await read_verified(context(request).archive, stored))


async def _share(request: web.Request) -> Share:
    """The link of the path; ``NotFound`` for a wrong one, a ``Problem`` 429 for too many of those."""
    here = context(request)
    try:
        async with here.database.read() as session:
            return await open_share(session, request.match_info["token"], now=here.now())
    except NotFound:
        wait = request.app[WRONG_LINKS].wait(network_of(address_of(request)), time.monotonic())
        if wait > 0:
            raise Problem(429, headers={"Retry-After": str(int(wait) + 1)}) from None
        raise


ENDPOINTS = (
    Endpoint("GET", "/recordings/{id}/shares", "shares.manage", show_shares),
    Endpoint("POST", "/recordings/{id}/shares", "shares.manage", do_share),
    Endpoint("POST", "/recordings/{id}/shares/{share}/revoke", "shares.manage", do_revoke),
    Endpoint("GET", "/s/{token}", PUBLIC, show_shared),
    Endpoint("GET", "/s/{token}/audio", PUBLIC, get_shared_sound),
)
