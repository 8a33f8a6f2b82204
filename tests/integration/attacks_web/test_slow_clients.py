"""Clients that send or take drop by drop: each is given up after its time, and nobody else waits for them."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web as aiohttp_web

from api.server import serving
from core.settings import Address, Settings
from tests.integration.attacks_web.conftest import PATIENCE, Real, Wire

MANY = 100


async def _drip(wire: Wire, octets: bytes) -> None:
    """One octet every tenth of a second, until the other side has had enough."""
    for octet in octets * 10_000:
        try:
            await wire.say(bytes([octet]))
        except ConnectionError:
            return
        await asyncio.sleep(0.1)


async def _given_up(wire: Wire) -> bytes:
    try:
        return await wire.all()
    except ConnectionError:
        return b""


async def test_heads_that_never_end_are_given_up_and_others_are_served(hurried: Real) -> None:
    """Slowloris: a hundred connections that send a header every now and then."""
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(hurried.wire()) for _ in range(MANY)]
        for wire in wires:
            await wire.say(b"GET /healthz HTTP/1.1\r\nHost: huiyin\r\nX-")
        drips = [asyncio.create_task(_drip(wire, b"a")) for wire in wires]
        status, _, _ = await hurried.get("/recordings", "agent")
        assert status == 200, "others are served meanwhile"
        answers = await asyncio.gather(*(_given_up(wire) for wire in wires))
        for drip in drips:
            drip.cancel()
        await asyncio.gather(*drips, return_exceptions=True)
    assert {answer[:12] for answer in answers} <= {b"", b"HTTP/1.1 400", b"HTTP/1.0 400"}


async def test_connections_that_say_nothing_are_closed(hurried: Real) -> None:
    async with hurried.wire() as silent, hurried.wire() as kept:
        await kept.say(b"GET /healthz HTTP/1.1\r\nHost: huiyin\r\n\r\n")
        assert await silent.all() == b""
        assert (await kept.all()).startswith(b"HTTP/1.1 200 "), "answered, and closed after lying idle"


async def test_bodies_that_trickle_are_given_up(hurried: Real) -> None:
    """Logged in or not, by a form, by JSON, by a file; each octet alone keeps nothing open."""
    for path, role, kind in (
        ("/api/v1/login", "", "application/json"),
        ("/login", "", "application/x-www-form-urlencoded"),
        ("/api/v1/holds", "auditor", "application/json"),
        ("/api/v1/work-orders/import", "supervisor", "multipart/form-data; boundary=b"),
        ("/api/v1/recordings", "supervisor", "multipart/form-data; boundary=b"),
    ):
        who = (await hurried.web.bearer(role))["Authorization"] if role else "none"
        head = f"POST {path} HTTP/1.1\r\nHost: huiyin\r\nAuthorization: {who}\r\nContent-Type: {kind}\r\n"
        async with hurried.wire() as wire:
            await wire.say(f"{head}Content-Length: 50000\r\n\r\n".encode())
            drip = asyncio.create_task(_drip(wire, b"-"))
            answer = await wire.head()
            drip.cancel()
        assert answer.startswith(b"HTTP/1.1 408 "), (path, answer)


async def test_a_body_that_comes_fast_enough_is_taken(hurried: Real) -> None:
    """More than 16 KiB in each second, over several of them."""
    async with hurried.wire() as wire:
        head = "POST /api/v1/login HTTP/1.1\r\nHost: huiyin\r\nContent-Type: application/json\r\n"
        await wire.say(f"{head}Content-Length: {20 * 16384}\r\nConnection: close\r\n\r\n".encode())
        for _ in range(20):
            await wire.say(b" " * 16384)
            await asyncio.sleep(0.1)
        answer = await wire.all()
    assert not answer.startswith(b"HTTP/1.1 408 ")
    assert answer.startswith(b"HTTP/1.1 4"), "it was read to its end, and is no login"


async def test_who_takes_nothing_of_a_sound_is_left_and_others_are_served(hurried: Real, tmp_path: Path) -> None:
    """A listener whose window is shut: the sound is longer than all buffers between the two."""
    sound = f"/api/v1/recordings/{hurried.web.seeded.full}/audio?form=wav"
    bearer = (await hurried.web.bearer("agent"))["Authorization"]
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.connect((hurried.host, hurried.port))
        slow.setblocking(False)
        line = f"GET {sound} HTTP/1.1\r\nHost: huiyin\r\nAuthorization: {bearer}\r\n\r\n"
        # The same again and again in one go: more than any buffer holds.
        await asyncio.get_running_loop().sock_sendall(slow, line.encode() * 8)
        status, _, body = await hurried.get(sound, "agent")
        assert (status, len(body) > 100_000) == (200, True)
        taken = 0
        async with asyncio.timeout(PATIENCE):
            await asyncio.sleep(3 * hurried.settings.http_stall.total_seconds())
            try:
                while piece := await asyncio.get_running_loop().sock_recv(slow, 1 << 16):
                    taken += len(piece)
            except ConnectionError:
                pass
    assert taken < 8 * len(body), "the connection ended before all was taken"


async def test_who_takes_nothing_of_a_file_is_left(tmp_path: Path, patient: Settings) -> None:
    """Files that the kernel sends by itself (bags, reports): TCP_USER_TIMEOUT ends the connection."""
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(64 << 20)
    ended = asyncio.Event()

    async def send(request: aiohttp_web.Request) -> aiohttp_web.StreamResponse:
        response = aiohttp_web.FileResponse(big)
        try:
            await response.prepare(request)
        finally:
            ended.set()
        return response

    app = aiohttp_web.Application()
    app.router.add_get("/", send)
    async with serving(app, patient, Address("127.0.0.1", 0)) as server:
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.connect(server.sockets[0].getsockname())
            slow.sendall(b"GET / HTTP/1.1\r\nHost: huiyin\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                await ended.wait()
