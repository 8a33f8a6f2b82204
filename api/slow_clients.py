"""Clients that send or take too slowly: each holds a connection and some memory, so each has its time.

A request's head, and a connection between two requests, have ``HUIYIN_HTTP_IDLE`` (aiohttp's timer, see `api.server`).
Its body must bring 16 KiB more within each ``HUIYIN_HTTP_STALL``, or end; each piece of an answer must be taken within
it, by what we write here or, for files that the kernel sends, by ``TCP_USER_TIMEOUT``.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import StreamReader, web
from aiohttp.typedefs import Handler

from api.context import context
from api.problems import Problem

LEAST = 16 * 1024


@web.middleware
async def expect_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse compressed bodies, and give up on those that trickle (408)."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        # A few KiB would become gigabytes, and no client of ours compresses.
        raise Problem(415, "expected a body that is not compressed", {"Accept-Encoding": "identity"})
    if not request.can_read_body:
        return await handler(request)
    async with _watched(request):
        return await handler(request)


@asynccontextmanager
async def _watched(request: web.Request) -> AsyncIterator[None]:
    seconds = context(request).settings.http_stall.total_seconds()
    try:
        async with asyncio.timeout(None) as limit:
            watch = asyncio.create_task(_cut_when_it_stalls(request.content, seconds, limit))
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise Problem(408, "the request's body came too slowly") from None


async def _cut_when_it_stalls(content: StreamReader, seconds: float, limit: asyncio.Timeout) -> None:
    before = 0
    while not content.is_eof():
        await asyncio.sleep(seconds)
        if not content.is_eof() and content.total_bytes - before < LEAST:
            limit.reschedule(asyncio.get_running_loop().time())
            return
        before = content.total_bytes


async def write(request: web.Request, response: web.StreamResponse, octets: bytes, seconds: float) -> None:
    """A piece of an answer; ``ConnectionError`` when the client is gone, or has not taken it in time."""
    try:
        async with asyncio.timeout(seconds):
            await response.write(octets)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client takes nothing") from None
