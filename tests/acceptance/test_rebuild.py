"""`huiyin rebuild` as an operator runs it: the database is gone, the command is killed again and again, all is back."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select

from archive.catalogue import Recording, StoredObject, TurnRow
from archive.seal import seal_recording, seal_transcript
from core.clock import utc_now
from core.ledger import LedgerRow
from core.settings import Settings
from retention.rule import keep_until
from service.wiring import open_archive
from tests.acceptance.lockstep import lockstep
from tests.acceptance.running import ROOT, environment, settings_of
from tests.samples import new_recording, new_turns, write_audio
from tests.servers import Seaweed

# Some batches of them.
KILLS, RECORDINGS = 5, 100


def _run(variables: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(command, env=dict(variables), cwd=ROOT, capture_output=True, text=True, timeout=500)


async def _fill(settings: Settings, directory: Path, count: int) -> None:
    audio = write_audio(directory / "audio.flac", seconds=0.1)
    async with open_archive(settings) as archive:
        for number in range(count):
            recording = new_recording(started_at=utc_now() - timedelta(hours=1, seconds=number))
            until = keep_until(settings, recording.ended_at)
            await seal_recording(archive, recording, audio, retain_until=until)
            if number % 3 == 0:
                await seal_transcript(
                    archive,
                    recording.id,
                    {"engine": "test"},
                    new_turns(),
                    author="system",
                    reason="first text",
                    retain_until=keep_until(settings, recording.ended_at, utc_now()),
                    expected_version=0,
                )


async def _told(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """What must come back exactly; objects of the ledger's own signing are sealed behind the head that they are of."""
    queries = {
        "recordings": select(Recording.__table__).order_by(Recording.id),
        "turns": select(TurnRow.recording_id, TurnRow.ordinal, TurnRow.text).order_by(
            TurnRow.recording_id, TurnRow.ordinal
        ),
        "objects": select(StoredObject.id, StoredObject.key, StoredObject.version_id, StoredObject.sha256)
        .where(StoredObject.key.startswith("recordings/"))
        .order_by(StoredObject.key),
        "ledger": select(LedgerRow.seq, LedgerRow.leaf, LedgerRow.root)
        .where(LedgerRow.kind.in_(["sealed", "transcribed"]))
        .order_by(LedgerRow.seq),
    }
    async with open_archive(settings) as archive, archive.database.read() as session:
        return {name: [tuple(row) for row in await session.execute(query)] for name, query in queries.items()}


def _progress(database: Path) -> str:
    """How far the rebuild says that it is; empty before it has said anything."""
    if not database.exists():
        return ""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        row = connection.execute("SELECT payload, state FROM jobs WHERE kind = 'rebuild'").fetchone()
    except sqlite3.OperationalError:
        return ""  # the schema is being made
    finally:
        connection.close()
    return str(row) if row else ""


def _kill_once_it_moves(variables: Mapping[str, str], database: Path, before: str) -> str:
    """Start a rebuild, kill it -9 as soon as it has come further than ``before``, and say how far that was."""
    with lockstep(variables, "rebuild") as rebuild:
        while _progress(database) == before:
            # It says when it begins a step, and waits there for us.
            if rebuild.says_something():
                rebuild.line()
            time.sleep(0.002)
            assert rebuild.child.poll() is None, "it ended"
        rebuild.kill()
        assert rebuild.child.returncode == -signal.SIGKILL
    return _progress(database)


async def test_killed_again_and_again(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    settings = settings_of(variables)
    assert _run(variables, "migrate").returncode == 0
    await _fill(settings, tmp_path, RECORDINGS)
    assert _run(variables, "ledger", "sign").returncode == 0
    before = await _told(settings)
    database = tmp_path / "data" / "huiyin.db"
    for path in tmp_path.glob("data/huiyin.db*"):
        path.unlink()

    seen = [""]
    for _ in range(KILLS):
        seen.append(_kill_once_it_moves(variables, database, seen[-1]))
    assert len(set(seen)) == KILLS + 1
    assert any("'recordings'" in one or '"recordings"' in one for one in seen)
    ended = _run(variables, "rebuild")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "administrator admin" in ended.stderr  # nobody has an account any more
    assert f"recordings: {RECORDINGS}" in ended.stdout
    assert await _told(settings) == before
    verified = _run(variables, "verify")
    assert verified.returncode == 0, verified.stdout
    refused = _run(variables, "rebuild")
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert await _told(settings) == before


@pytest.mark.timeout(600)
async def test_on_postgresql_and_s3(tmp_path: Path, empty_postgres_url: str, seaweed: Seaweed) -> None:
    store = seaweed.url(f"rebuild-{os.getpid()}")
    variables = environment(tmp_path, HUIYIN_DATABASE_URL=empty_postgres_url, HUIYIN_STORE_URL=store)
    settings = settings_of(variables)
    assert _run(variables, "migrate").returncode == 0
    async with open_archive(settings) as archive:
        await archive.store.prepare()
    await _fill(settings, tmp_path, 40)
    assert _run(variables, "ledger", "sign").returncode == 0
    before = await _told(settings)
    await _drop(empty_postgres_url)
    ended = _run(variables, "rebuild")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert await _told(settings) == before
    assert _run(variables, "verify").returncode == 0


async def _drop(url: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("DROP SCHEMA public CASCADE")
    await connection.execute("CREATE SCHEMA public")
    await connection.close()
