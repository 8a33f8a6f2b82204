"""The HTTP server around the application: what aiohttp does with connections before there is a request.

The only file that knows aiohttp's insides; `tests/integration/attacks_web` holds it to what it promises.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from api.middleware import SECURITY_HEADERS, SERVER
from api.problems import Problem
from core.errors import Unavailable
from core.settings import Address, Settings

log = logging.getLogger(__name__)

# Open connections get this long to end; a browser that keeps one alive must not hold up a restart.
SHUTDOWN_SECONDS = 5.0


class Connection(RequestHandler):
    """One connection; what is no HTTP is answered like every other mistake, without repeating it."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The parser refused the request, or an answer could not be made."""
        problem = Problem(status, "the request is malformed" if status == 400 else "")
        log.info("not HTTP", extra={"facts": {"problem": problem.id, "status": status, "error": type(exc).__name__}})
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = problem.response()
        response.headers.update({**SECURITY_HEADERS, "Cache-Control": "no-store", "Server": SERVER})
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        made: Any = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, loop=made._loop, **made._kwargs)


@asynccontextmanager
async def serving(app: web.Application, settings: Settings, address: Address) -> AsyncIterator[asyncio.Server]:
    """Serve while the block runs; ``Unavailable`` when the address is taken."""
    runner = _Runner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=settings.http_idle.total_seconds(),
        # `slow_clients` refuses what is compressed.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        listening = await _listen(runner, address)
        try:
            for sock in listening.sockets:
                _limit(sock, settings)
            yield listening
        finally:
            listening.close()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: Address) -> asyncio.Server:
    server = runner.server
    assert server is not None
    try:
        return await asyncio.get_running_loop().create_server(server, address.host, address.port, reuse_address=True)
    except OSError as error:
        raise Unavailable(
            "cannot serve pages on this address; set HUIYIN_HTTP_BIND", address=address, why=error.strerror
        ) from error


def _limit(sock: Any, settings: Settings) -> None:
    """Connections inherit it (tcp(7)): what a client neither acknowledges nor has room for ends its connection."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = round(settings.http_stall.total_seconds() * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
