"""One night, whoever starts it: schedulers, workers and the command as processes of their own, all at once."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.seal import seal_recording
from core.database import Base
from core.exclusion import alone
from core.jobs import DONE, JobRow
from core.ledger import LedgerRow
from core.settings import Settings
from retention.night import KIND
from retention.rule import keep_until
from service.kinds import NIGHTLY
from service.wiring import open_archive
from tests.acceptance.running import ROOT, environment, settings_of
from tests.samples import new_recording, write_audio

COMMANDS, EACH, LONG = 4, 2, 300
# What processes say of themselves, and not of evidence.
SIGNS_OF_LIFE = frozenset({"heartbeats", "jobs", "alerts"})
# When somebody last looked, which is no fact about what he looked at.
LOOKED_AT = frozenset({"verified_at", "lock_checked_at"})


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    always = {"HUIYIN_NIGHTLY_AT": "00:00", "HUIYIN_DAILY_REPORT_AT": "00:00"}
    if request.param == "sqlite":
        return environment(tmp_path, **always)
    return environment(tmp_path, HUIYIN_DATABASE_URL=request.getfixturevalue("empty_postgres_url"), **always)


@contextmanager
def started(variables: Mapping[str, str], log: Path, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "service", *arguments], env=dict(variables), cwd=ROOT, stdout=output, stderr=output
        )
    try:
        yield child
    finally:
        child.terminate()
        child.wait(LONG)


async def fill(settings: Settings, directory: Path) -> None:
    audio = write_audio(directory / "audio.flac", seconds=0.1)
    async with open_archive(settings) as archive:
        for _ in range(60):
            recording = new_recording()
            await seal_recording(archive, recording, audio, retain_until=keep_until(settings, recording.ended_at))


async def everything(archive: Archive) -> dict[str, Any]:
    """Every row, and every version in the store with its lock."""
    found: dict[str, Any] = {}
    async with archive.database.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in SIGNS_OF_LIFE:
                columns = [column for column in table.c if column.name not in LOOKED_AT]
                found[table.name] = sorted(str(tuple(row)) for row in await session.execute(select(*columns)))
    listed = [version async for version in archive.store.list_versions("")]
    found["store"] = [await archive.store.head(version.key, version.version_id) for version in listed]
    return found


async def until_all_wait(log: Path) -> None:
    """All who were started by hand are at the door, and nobody is in yet."""
    async with asyncio.timeout(LONG):
        while log.read_text().count("another process does the night's work") < COMMANDS:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def until_done(archive: Archive) -> None:
    async with asyncio.timeout(LONG):
        while True:
            async with archive.database.read() as session:
                if DONE in await session.scalars(select(JobRow.state).where(JobRow.kind == NIGHTLY)):
                    return
            await asyncio.sleep(0.2)


async def test_everybody_at_once_makes_one_night(variables: dict[str, str], tmp_path: Path) -> None:
    settings, log = settings_of(variables), tmp_path / "processes.log"
    with started(variables, log, "migrate") as migrated:
        assert await asyncio.to_thread(migrated.wait, LONG) == 0, log.read_text()
    await fill(settings, tmp_path)
    with ExitStack() as running:
        async with open_archive(settings) as archive, alone(archive.database, KIND):
            for command in ("scheduler", "worker") * EACH:
                running.enter_context(started(variables, log, command))
            by_hand = [running.enter_context(started(variables, log, "retention", "run")) for _ in range(COMMANDS)]
            await until_all_wait(log)
        ended = await asyncio.gather(*(asyncio.to_thread(child.wait, LONG) for child in by_hand))
        assert ended == [0] * COMMANDS, log.read_text()
        async with open_archive(settings) as archive:
            await until_done(archive)
    async with open_archive(settings) as archive:
        assert len([version async for version in archive.store.list_versions("nightly/")]) == 1
        assert len([version async for version in archive.store.list_versions("ledger/heads/")]) == 1
        async with archive.database.read() as session:
            for rows in (StoredObject.kind == "nightly", LedgerRow.kind == "nightly", JobRow.kind == NIGHTLY):
                assert await session.scalar(select(func.count()).where(rows)) == 1
        before = await everything(archive)
        with started(variables, log, "retention", "run") as again:
            assert await asyncio.to_thread(again.wait, LONG) == 0, log.read_text()
        assert await everything(archive) == before
