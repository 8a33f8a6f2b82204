"""A rebuild and everybody else: it refuses while processes work, and they wait while it runs or waits to go on."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from archive.catalogue import Recording
from archive.house import Archive
from archive.seal import seal_recording
from core.clock import utc_now
from core.heartbeats import Heartbeat
from core.rebuilding import is_rebuilding
from core.settings import Settings
from retention.rule import keep_until
from service.health import ping_sip
from service.heartbeat import is_alive
from service.wiring import open_archive
from tests.acceptance.lockstep import lockstep
from tests.acceptance.running import HOP_SECONDS, ROOT, environment, running, settings_of
from tests.acceptance.test_rebuild import _drop as drop_schema
from tests.samples import new_recording, write_audio

RECORDINGS = 40


def run(variables: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(command, env=dict(variables), cwd=ROOT, capture_output=True, text=True, timeout=500)


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "sqlite":
        return environment(tmp_path)
    return environment(tmp_path, HUIYIN_DATABASE_URL=request.getfixturevalue("empty_postgres_url"))


async def fill(settings: Settings, directory: Path, count: int) -> None:
    audio = write_audio(directory / "audio.flac", seconds=0.1)
    async with open_archive(settings) as archive:
        for number in range(count):
            recording = new_recording(started_at=utc_now() - timedelta(hours=1, seconds=number))
            await seal_recording(archive, recording, audio, retain_until=keep_until(settings, recording.ended_at))


async def lose(variables: Mapping[str, str], directory: Path) -> None:
    if url := variables.get("HUIYIN_DATABASE_URL"):
        await drop_schema(url)
    for path in directory.glob("data/huiyin.db*"):
        path.unlink()


async def kill_in_the_middle(variables: Mapping[str, str], settings: Settings) -> None:
    with lockstep(variables, "rebuild") as rebuild:
        rebuild.until("rebuilding: recordings")
        rebuild.kill()
    async with open_archive(settings) as archive, archive.database.read() as session:
        assert await is_rebuilding(session)


async def until_said(log: Path, words: str) -> None:
    deadline = time.monotonic() + HOP_SECONDS
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        await asyncio.sleep(0.1)


async def until_alive(archive: Archive, process: str) -> None:
    deadline = time.monotonic() + HOP_SECONDS
    while not await is_alive(archive.database, process, utc_now()):
        assert time.monotonic() < deadline, process
        await asyncio.sleep(0.1)


@pytest.mark.timeout(600)
async def test_everybody_waits_for_a_rebuild_and_calls_are_recorded(variables: dict[str, str], tmp_path: Path) -> None:
    settings = settings_of(variables)
    assert run(variables, "migrate").returncode == 0
    await fill(settings, tmp_path, RECORDINGS)
    assert run(variables, "ledger", "sign").returncode == 0
    await lose(variables, tmp_path)
    await kill_in_the_middle(variables, settings)

    refused = run(variables, "retention", "run")
    assert refused.returncode == 1
    assert "being rebuilt" in refused.stderr
    async with running(variables, tmp_path, "worker") as worker, running(variables, tmp_path, "recorder") as recorder:
        await until_said(worker.log, "the database is being rebuilt")
        while fault := await asyncio.to_thread(ping_sip, settings.sip_bind):
            assert recorder.child.poll() is None, fault
            await asyncio.sleep(0.1)
        async with open_archive(settings) as archive, archive.database.read() as session:
            assert await session.scalar(select(func.count()).select_from(Heartbeat)) == 0
        ended = await asyncio.to_thread(run, variables, "rebuild")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        async with open_archive(settings) as archive:
            async with archive.database.read() as session:
                assert await session.scalar(select(func.count()).select_from(Recording)) == RECORDINGS
            # Whoever waited goes on by himself.
            await until_alive(archive, "worker")
    assert run(variables, "verify").returncode == 0


@pytest.mark.timeout(600)
async def test_a_rebuild_refuses_while_a_process_works(variables: dict[str, str], tmp_path: Path) -> None:
    settings = settings_of(variables)
    assert run(variables, "migrate").returncode == 0
    await fill(settings, tmp_path, 3)
    await lose(variables, tmp_path)
    assert run(variables, "migrate").returncode == 0
    async with running(variables, tmp_path, "scheduler"), open_archive(settings) as archive:
        await until_alive(archive, "scheduler")
        refused = await asyncio.to_thread(run, variables, "rebuild")
        assert refused.returncode == 1
        assert "scheduler on " in refused.stderr
        async with archive.database.read() as session:
            assert not await is_rebuilding(session)
