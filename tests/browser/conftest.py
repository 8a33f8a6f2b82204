"""What every browser test starts from: a served house, and one Chromium for all of them."""

import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from archive.house import Archive
from core.database import Database
from tests.browser.driving import ARGUMENTS, CHROMIUM, PATIENCE, House, furnished, require_chromium
from tests.browser.reviewing import Visitors
from tests.web import Web, serving


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One kind is enough: what pages ask of a database is asked of both kinds where no browser is needed."""
    return sqlite_database


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    """The seeded house."""
    async with serving(archive, tmp_path) as served:
        yield served


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The furnished house: what there is after some time."""
    async with furnished(tmp_path) as served:
        yield served


@pytest.fixture(scope="session")
def _chromium() -> Iterator[str]:
    """The address of a Chromium that runs until the last test."""
    require_chromium()
    with tempfile.TemporaryDirectory(prefix="huiyin-chromium-", ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *ARGUMENTS, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            yield f"http://127.0.0.1:{_port(process, Path(profile) / 'DevToolsActivePort')}"
            process.terminate()


def _port(process: subprocess.Popen[bytes], written: Path) -> int:
    """The port that it chose, once it has written it down."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not written.exists() or not written.read_text().strip():
        assert process.poll() is None, f"{CHROMIUM} ended with {process.returncode}"
        assert time.monotonic() < deadline, f"{CHROMIUM} does not start"
        time.sleep(0.05)
    return int(written.read_text().split()[0])


@pytest.fixture
async def browser(_chromium: str) -> AsyncIterator[Browser]:
    """The one Chromium; each window of a test is a stranger to those of the others."""
    async with async_playwright() as playwright:
        connected = await playwright.chromium.connect_over_cdp(_chromium)
        yield connected
        for context in connected.contexts[1:]:
            await context.close()
        await connected.close()


@pytest.fixture
def visitors(web: Web, browser: Browser) -> Visitors:
    """Windows of several people in the seeded house."""
    return Visitors(web, browser)
