"""The seeded house behind the server that `huiyin web` runs, and a client that says whatever it likes to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp.web import Application

from api.app import build_app
from api.server import serving as listening
from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from core.settings import Address, Settings
from tests.web import Web, serving

# How long a busy machine may take; nothing is measured.
PATIENCE = 240.0
QUICK = timedelta(seconds=1)


@dataclass
class Wire:
    """One connection, in octets."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def all(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def head(self) -> bytes:
        """Status line and headers of the next answer."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")


@dataclass
class Real:
    """The application behind the real server."""

    web: Web
    app: Application
    settings: Settings
    host: str
    port: int

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()

    async def ask(self, octets: bytes) -> bytes:
        """What comes back for these octets until the server closes the connection."""
        async with self.wire() as wire:
            await wire.say(octets)
            return await wire.all()

    async def get(self, path: str, role: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One GET: status, headers (names in small letters) and body."""
        given = {"Host": "huiyin", "Connection": "close", **headers}
        if role:
            given |= await self.web.bearer(role)
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        answer = await self.ask(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        named = [field.partition(": ") for field in fields]
        return int(status.split()[1]), {name.lower(): value for name, _, value in named}, body


@asynccontextmanager
async def real_server(web: Web, settings: Settings) -> AsyncIterator[Real]:
    """Another server on the house of ``web``."""
    app = build_app(web.archive, settings)
    async with listening(app, settings, Address("127.0.0.1", 0)) as server:
        host, port = server.sockets[0].getsockname()
        yield Real(web, app, settings, host, port)


@pytest.fixture
async def web(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path) as served:
        yield served


@pytest.fixture
def patient(tmp_path: Path) -> Settings:
    """With times that a test can wait for."""
    return replace(Settings(data_dir=tmp_path), http_idle=QUICK, http_stall=QUICK)


@pytest.fixture
async def real(web: Web, tmp_path: Path) -> AsyncIterator[Real]:
    async with real_server(web, Settings(data_dir=tmp_path)) as served:
        yield served


@pytest.fixture
async def hurried(web: Web, patient: Settings) -> AsyncIterator[Real]:
    async with real_server(web, patient) as served:
        yield served
