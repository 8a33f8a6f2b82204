"""How long pages take: ``make bench-web``, or ``ARGS="--recordings 2000 --pages 20"`` for a quick look.

The demo's calls are placed, sealed and transcribed by the whole service.  Then the web process alone (``huiyin web``,
SQLite, one process) is asked by 20 users, each with an account and a session of its own, from another process over
HTTP: every page that a supervisor may open, a recording, searches, and each user's first listening to each recording
(which verifies the file and writes the ledger before its first byte).  The same again with 100,000 recordings more,
and the 25,000 orders that half of them are about (`web_orders`).  A user pauses 1 s on average between pages
(``--think``); times are those that the users see, to the last byte of the page.  The last table is without pauses, 20
pages at once all the time: how much one process can do.
The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from api.access.accounts import create_user
from api.app import ENDPOINTS
from api.permissions import PUBLIC, SUPERVISOR, allows
from benchmarks import archive_rows
from benchmarks.archive_rows import Catalogue
from benchmarks.pipeline import done, p95, place
from benchmarks.web_orders import call_back
from benchmarks.web_users import Plan, Sample
from core import settings as configuration
from core.clock import utc_now
from core.database import Database
from core.errors import HuiyinError
from core.settings import Settings
from service.demo import stage
from service.health import check
from service.wiring import open_archive

USERS = 20
CALLS = 12
TARGET_MS = 50
START_SECONDS = 60.0
PASSWORD = secrets.token_urlsafe(12)
# As it was sealed, and as pages play it.
FORMS = ("", "?form=wav")
# What answers machines, and what needs more than a login.
NOT_MEASURED = ("/api/", "/events/", "/static/", "/healthz", "/readyz", "/metrics", "/login", "/admin")


@dataclass(frozen=True)
class House:
    """A filled place, and what is in it that has a page."""

    settings: Settings
    recordings: Sequence[str]


async def seed(directory: Path, calls: int) -> House:
    """Real calls through the whole service, which is stopped at the end; an account for each user."""
    async with (
        stage.service(configuration.load({}), directory) as staged,
        open_archive(staged.settings) as archive,
    ):
        await stage.bring_orders(archive, staged)
        await place(staged.settings, calls, 4.0, archive)
        for number in range(USERS):
            await create_user(archive.database, f"user-{number}", PASSWORD, SUPERVISOR, now=utc_now())
        return House(staged.settings, [str(row.id) for row in await done(archive)])


def paths(recordings: Sequence[str]) -> list[str]:
    """Every page without a place in its address, lists with filters, searches, and pages of recordings."""
    plain = [
        each.path
        for each in ENDPOINTS
        if each.method == "GET" and "{" not in each.path and each.path != "/"
        if not each.path.startswith(NOT_MEASURED)
        if each.permission != PUBLIC and allows(each.permission, SUPERVISOR)
    ]
    asked = ["/recordings?text_state=done", f"/recordings?day={utc_now():%Y-%m-%d}", "/orders?q=路灯"]
    return [*plain, *asked, *(f"/recordings/{identifier}" for identifier in recordings[:8])]


@asynccontextmanager
async def web_process(house: House) -> AsyncIterator[str]:
    """``huiyin web`` on the house; yields its address."""
    settings = house.settings
    environment = {
        **os.environ,
        "HUIYIN_DATA_DIR": str(settings.data_dir),
        "HUIYIN_HTTP_BIND": str(settings.http_bind),
        "HUIYIN_REQUESTS_PER_MINUTE": "0",
        "HUIYIN_LOG_FORMAT": "json",
    }
    with (settings.data_dir / "web.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "web"), env=environment, stdout=log, stderr=log
        )
        try:
            await _until_well(settings)
            yield f"http://{settings.http_bind}"
        finally:
            child.terminate()
            await child.wait()


async def _until_well(settings: Settings) -> None:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while fault := await _fault(settings):
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit(f"the web process did not start: {fault}")
        await asyncio.sleep(0.2)


async def _fault(settings: Settings) -> str:
    try:
        return await check(settings, "web", utc_now())
    except (HuiyinError, OSError) as error:
        return str(error)


async def log_in(base: str) -> list[str]:
    """A session for each user."""
    tokens = []
    async with aiohttp.ClientSession() as session:
        for number in range(USERS):
            body = {"name": f"user-{number}", "password": PASSWORD}
            async with session.post(f"{base}/api/v1/login", json=body) as answer:
                tokens.append((await answer.json())["token"])
    return tokens


async def users(plan: Plan) -> Mapping[str, list[Sample]]:
    """Let them read and listen, in their own process."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.web_users"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await child.communicate(json.dumps(asdict(plan)).encode())
    if child.returncode:
        raise SystemExit(child.returncode)
    found: Mapping[str, list[Sample]] = json.loads(said)
    return found


def table(title: str, samples: Sequence[Sample]) -> float:
    """A line for each page; returns the p95 of all."""
    by_path: dict[str, list[float]] = {}
    for path, milliseconds in samples:
        by_path.setdefault(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", path), []).append(milliseconds)
    print(f"\n{title}: {len(samples)} answers")
    for path, times in sorted(by_path.items()):
        print(f"  {path:<44} median {statistics.median(times):7.1f} ms   p95 {p95(times):7.1f} ms")
    every = p95([milliseconds for _, milliseconds in samples])
    print(f"  {'all':<44} median {statistics.median(m for _, m in samples):7.1f} ms   p95 {every:7.1f} ms")
    return every


async def measure(house: House, title: str, pages: int, think: float) -> tuple[float, float]:
    """p95 of pages and of the first byte of sound, with pauses; then pages without any."""
    async with web_process(house) as base:
        tokens = await log_in(base)
        sounds = [f"/api/v1/recordings/{identifier}/audio{form}" for identifier in house.recordings for form in FORMS]
        await users(Plan(base, tokens[:1], paths(house.recordings), [], len(paths(house.recordings)), 0))
        found = await users(Plan(base, tokens, paths(house.recordings), sounds, pages, think))
        read = table(f"{title}, {USERS} users", found["pages"])
        heard = table(f"{title}, first byte of sound", found["sounds"])
        found = await users(Plan(base, tokens, paths(house.recordings), [], pages, 0))
        table(f"{title}, {USERS} pages at once all the time", found["pages"])
        print(f"  {len(found['pages']) / found['seconds'][0][1]:.0f} pages/s of one process")
    return read, heard


async def run(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="huiyin-bench-") as directory:
        house = await seed(Path(directory) / "bench", options.calls)
        small, first = await measure(house, "the demo's data", options.pages, options.think)
        now = utc_now()
        await archive_rows.load(house.settings.database, Catalogue(options.recordings, now))
        database = Database(house.settings.database)
        await call_back(database, now)
        await database.close()
        large, second = await measure(house, f"{options.recordings:,} recordings", options.pages, options.think)
    print(f"\ntargets: {TARGET_MS} ms each")
    figures = {"page_p95_ms": small, "page_p95_ms_100k": large, "audio_first_byte_p95_ms": max(first, second)}
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=60, help="pages that each user opens")
    parser.add_argument("--think", type=float, default=1.0, help="mean pause between a user's pages, seconds")
    asyncio.run(run(parser.parse_args()))
