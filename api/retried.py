"""``Idempotency-Key``: a write of the API that is sent again under the same key is answered again, not done again.

For every POST of the endpoint table that creates or decides something (`Endpoint.takes_key`).  Answers are kept for a
day; those that say only that it could not be done now (5xx, 401, 408, 429) are not.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler
from sqlalchemy.exc import SQLAlchemyError

from api.access.secret import digest
from api.context import USER, Context, context
from api.endpoint import body_of
from api.idempotency import LEASE, Claim, IdempotencyKey, begin, give_up, go_on, keep
from api.problems import Problem, problem_of

log = logging.getLogger(__name__)

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
# A string of RFC 8941, section 3.3.3, as the draft writes it, or the same without its quotes.
PATTERN = r'^("[ !#-\[\]-~]{1,255}"|[!#-+\--\[\]-~]{1,255})$'
# Octets of an answer that is kept.
MOST = 1 << 20
KEPT_HEADERS = ("Content-Type", "Content-Disposition", "Location", "ETag")
_NOT_NOW = (401, 408, 429)
# The patterns of the routes that take a key.
KEYED = web.AppKey("KEYED", set[str])


@web.middleware
async def do_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Between the door and the handler: whoever gets here may do what he asks for."""
    given = request.headers.getall(HEADER, [])
    resource = request.match_info.route.resource
    keyed = request.method == "POST" and resource is not None and resource.canonical in request.app[KEYED]
    if not given or not keyed:
        return await handler(request)
    here, claim = context(request), await _claim(request, _key(given))
    async with here.database.write() as session:
        before = await begin(session, claim, here.now())
    if before is not None:
        return _again(here, claim, before)
    async with _held(here, claim):
        return await _done(here, claim, request, handler)


def _key(given: list[str]) -> str:
    if len(given) != 1 or not re.fullmatch(PATTERN, given[0]):
        raise Problem(400, f"{HEADER}: expected one string of 1 to 255 visible ASCII characters, best a UUID")
    return given[0].strip('"')


async def _claim(request: web.Request, key: str) -> Claim:
    """The fingerprint covers what was asked for and with which content."""
    name = request[USER].name
    asked = f"{request.method}\n{request.path_qs}\n{request.content_type}\n".encode() + await body_of(request)
    return Claim.new(name, digest(key), context(request).secrets.mark(asked, f"request of {name}"))


def _again(here: Context, claim: Claim, before: IdempotencyKey) -> web.Response:
    if before.fingerprint != claim.fingerprint:
        raise Problem(
            422, f"这个 {HEADER} 已用于另一个请求 / this {HEADER} was used for another request: take a new one"
        )
    if not before.status:
        raise Problem(
            409,
            f"同一 {HEADER} 的请求正在处理 / the request with this {HEADER} is under way",
            {"Retry-After": "5"},
        )
    body = here.secrets.unseal(before.sealed, _purpose(claim))
    return web.Response(status=before.status, body=body, headers={**before.headers, REPLAYED: "true"})


async def _done(here: Context, claim: Claim, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do it, and keep what is answered; an error of the request is an answer like any other."""
    try:
        response = await handler(request)
    except Exception as error:
        problem = problem_of(error)
        if problem.status < 500 and problem.status not in _NOT_NOW:
            await _keep(here, claim, problem.response())
            # As it was kept, with its identifier.
            raise problem from error
        raise
    if response.status < 500 and isinstance(response, web.Response):
        await _keep(here, claim, response)
    return response


async def _keep(here: Context, claim: Claim, response: web.Response) -> None:
    body = response.body if response.body is not None else b""
    if not isinstance(body, bytes | bytearray) or len(body) > MOST:
        return
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    sealed = here.secrets.seal(bytes(body), _purpose(claim))
    try:
        async with here.database.write() as session:
            await keep(session, claim, response.status, headers, sealed)
    except (SQLAlchemyError, OSError) as error:
        # It was done all the same, and whoever asked shall hear so.
        log.warning("an answer was not kept", extra={"facts": {"error": type(error).__name__}})


def _purpose(claim: Claim) -> str:
    return f"answer to {claim.account} {claim.key}"


@asynccontextmanager
async def _held(here: Context, claim: Claim) -> AsyncIterator[None]:
    """The lease is renewed while the block runs; where no answer was kept the key is free again afterwards."""
    task = asyncio.create_task(_renew(here, claim), name="idempotency-lease")
    try:
        yield
    finally:
        task.cancel()
        try:
            async with here.database.write() as session:
                await give_up(session, claim)
        except (SQLAlchemyError, OSError) as error:
            # The lease ends by itself.
            log.warning("a key was not given up", extra={"facts": {"error": type(error).__name__}})


async def _renew(here: Context, claim: Claim) -> None:
    while True:
        await asyncio.sleep(LEASE.total_seconds() / 3)
        try:
            async with here.database.write() as session:
                await go_on(session, claim, here.now())
        except (SQLAlchemyError, OSError) as error:
            log.warning("a key's lease was not renewed", extra={"facts": {"error": type(error).__name__}})
