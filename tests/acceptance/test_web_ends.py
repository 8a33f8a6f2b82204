"""A web process that is told to end lets go of its listeners first, and they go on with the next one."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession

from api.access.accounts import create_user
from core.clock import utc_now
from service.migrate import migrate
from service.wiring import open_archive
from tests.acceptance.running import ROOT, Service, environment, running, settings_of, until_well
from tests.events import Follower
from tests.web import PASSWORD

LISTENERS, PATIENCE = 3, 90.0
# What was registered first runs last.
FROZEN = """import atexit, gc
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 0))
from service.__main__ import main
main(["--help"])"""


@asynccontextmanager
async def web(variables: dict[str, str], directory: Path) -> AsyncIterator[Service]:
    async with running(variables, directory, "web") as service:
        await until_well(service, "web")
        yield service


async def test_listeners_are_let_go_before_anything_is_waited_for(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    settings = settings_of(variables)
    await migrate(settings)
    async with open_archive(settings) as archive:
        await archive.store.prepare()
        await create_user(archive.database, "supervisor", PASSWORD, "supervisor", now=utc_now())
    house = f"http://{settings.http_bind}"
    async with ClientSession() as client:
        async with web(variables, tmp_path) as service:
            said = await client.post(f"{house}/api/v1/login", json={"name": "supervisor", "password": PASSWORD})
            headers = {"Authorization": f"Bearer {(await said.json())['token']}"}
            answers = [await client.get(f"{house}/events/pipeline", headers=headers) for _ in range(LISTENERS)]
            streams = [Follower(answer) for answer in answers]
            known = {(await stream.event()).last_id for stream in streams}
            # A request that will not end by itself must hold up nobody but itself.
            with socket.create_connection((settings.http_bind.host, settings.http_bind.port)) as slow:
                slow.sendall(b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
                service.child.terminate()
                # A stream that is cut off, and not ended, is an error here.
                ends = await asyncio.gather(*(stream.until_it_ends() for stream in streams))
                assert ends == [[]] * LISTENERS
            assert await asyncio.to_thread(service.child.wait, PATIENCE) == 0
        async with web(variables, tmp_path):
            (version,) = known
            again = Follower(
                await client.get(f"{house}/events/pipeline", headers={**headers, "Last-Event-ID": version})
            )
            line = await asyncio.wait_for(again.answer.content.readuntil(b"\n\n:\n\n"), PATIENCE)
            assert line == b"retry: 3000\n\n:\n\n", "who comes back hears nothing twice"
            again.answer.close()


def test_no_process_looks_for_garbage_when_it_ends() -> None:
    told = subprocess.run([sys.executable, "-c", FROZEN], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert told.stdout.endswith("frozen True\n"), told.stderr
