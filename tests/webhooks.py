"""Somebody who is told by webhooks: a real server that keeps what comes and checks signatures as the documents say."""

import asyncio
import base64
import hmac
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from ssl import SSLContext
from typing import Any

from aiohttp import web

from tests.ports import LOOPBACK, free_port

PATIENCE = 240.0


@dataclass(frozen=True)
class Heard:
    """One request, as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def signed_by(self, secret: str) -> bool:
        """Whether one of the signatures is by this secret (``whsec_…``); shares no code with what signs."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join([self.message.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        wanted = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
        given = self.headers["webhook-signature"].split(" ")
        return any(hmac.compare_digest(each, f"v1,{wanted}") for each in given)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def taken(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


def status(code: int, text: str = "", **headers: str) -> Answer:
    """Answers with this status."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers=headers)

    return answer


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def close(request: web.Request) -> web.StreamResponse:
    """Hangs up without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@dataclass
class Receiver:
    """Answers with the next of ``answers``, then with 204."""

    port: int
    scheme: str = "http"
    answers: list[Answer] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, host: str = LOOPBACK, path: str = "/hook") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        heard = Heard(dict(request.headers), await request.read())
        answer = self.answers.pop(0) if self.answers else taken
        async with self.came:
            self.heard.append(heard)
            self.came.notify_all()
        return await answer(request)

    async def wait_for(self, count: int) -> list[Heard]:
        """What came, once it is so much."""
        async with asyncio.timeout(PATIENCE), self.came:
            await self.came.wait_for(lambda: len(self.heard) >= count)
        return self.heard


@asynccontextmanager
async def receiving(
    *answers: Answer, host: str = LOOPBACK, port: int = 0, ssl: SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(port or free_port(), "https" if ssl else "http", list(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    listening = socket.create_server((host, receiver.port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    await web.SockSite(runner, listening, ssl_context=ssl).start()
    try:
        yield receiver
    finally:
        await runner.cleanup()
