"""Links under which somebody without an account hears one recording: made, listed with who used them, ended."""

from datetime import timedelta
from uuid import UUID

from aiohttp import web

from api.client import is_https
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.masking import mask_text
from api.models_review import AccessView, NewShareView, ShareList, ShareRequest, ShareView
from api.problems import Problem
from api.routes.recordings import path_id
from api.scope import require_visible
from archive.shares import OPENED, Access, Share, accesses_of, make_share, revoke_share, shares_of


async def shares(request: web.Request, identifier: UUID) -> ShareList:
    """A recording's links, newest first, each with its log."""
    await require_visible(request, identifier)
    here = context(request)
    async with here.database.read() as session:
        rows, accesses = await shares_of(session, identifier), await accesses_of(session, identifier)
    return ShareList(items=[_view(request, row, accesses.get(row.id, [])) for row in rows])


def _view(request: web.Request, row: Share, accesses: list[Access]) -> ShareView:
    return ShareView(
        id=row.id,
        purpose=row.purpose,
        made_by=row.made_by,
        made_at=row.made_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
        open=row.opens(context(request).now()),
        redaction=row.redaction_id,
        accesses=[
            AccessView(what="opened" if each.what == OPENED else "heard", at=each.at, address=each.address)
            for each in accesses
        ],
    )


async def share(request: web.Request, identifier: UUID, asked: ShareRequest) -> NewShareView:
    """Make a link; only this answer holds it."""
    await require_visible(request, identifier)
    here = context(request)
    async with here.database.write() as session:
        made = await make_share(
            session,
            identifier,
            purpose=mask_text(asked.purpose),
            lasts=timedelta(hours=asked.hours),
            by=signed_in(request).name,
            now=here.now(),
            redaction_id=asked.redaction,
        )
    return NewShareView(share=_view(request, made.share, []), address=f"{_site(request)}/s/{made.token}")


def _site(request: web.Request) -> str:
    """Where whoever gets the link finds the pages: as the settings say, else as the asking browser came."""
    scheme = "https" if is_https(request) else "http"
    return context(request).settings.public_url.rstrip("/") or f"{scheme}://{request.host}"


async def revoke(request: web.Request, identifier: UUID) -> ShareView:
    """End the link that the path names."""
    await require_visible(request, identifier)
    try:
        wanted = UUID(request.match_info["share"])
    except ValueError:
        raise Problem(404, "not an identifier") from None
    here = context(request)
    async with here.database.write() as session:
        row = await revoke_share(session, identifier, wanted, by=signed_in(request).name, now=here.now())
    return _view(request, row, [])


async def get_shares(request: web.Request) -> web.Response:
    return answer(await shares(request, path_id(request)))


async def post_share(request: web.Request) -> web.Response:
    asked = await read_body(request, ShareRequest)
    return answer(await share(request, path_id(request), asked), status=201)


async def delete_share(request: web.Request) -> web.Response:
    return answer(await revoke(request, path_id(request)))


_SHARES = "/api/v1/recordings/{id}/shares"
ENDPOINTS = (
    Endpoint(
        "GET", _SHARES, "shares.manage", get_shares, "分享链接及其访问记录 / links with their logs", answers=ShareList
    ),
    Endpoint(
        "POST",
        _SHARES,
        "shares.manage",
        post_share,
        "建立限时分享链接 / make a link that expires",
        takes=ShareRequest,
        answers=NewShareView,
        status=201,
    ),
    Endpoint(
        "DELETE",
        _SHARES + "/{share}",
        "shares.manage",
        delete_share,
        "立即停用链接 / end a link at once",
        answers=ShareView,
    ),
)
