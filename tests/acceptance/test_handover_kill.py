"""An export that is killed in the middle: the same command again finishes it, and copies nothing twice."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from archive.connect import connect_store
from archive.house import Archive
from archive.seal import seal_recording
from core.clock import utc_now
from core.database import Database
from core.ledger import LedgerRow, check
from core.settings import Settings
from tests.acceptance.lockstep import lockstep
from tests.bags import UNTIL, verify
from tests.web import STARTED, new_recording, tones

RECORDINGS, MIDDLE = 40, 20


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "HUIYIN_DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}


def huiyin(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)


async def _fill(data: Path) -> None:
    settings = Settings(data_dir=data)
    archive = Archive(Database(settings.database), connect_store(settings.store), utc_now)
    await archive.store.prepare()
    audio = tones(data / "tones.flac", 2)
    for number in range(RECORDINGS):
        recording = new_recording(STARTED + timedelta(minutes=number))
        await seal_recording(archive, recording, audio, retain_until=STARTED + UNTIL)
    await archive.store.close()
    await archive.database.close()


async def _count(data: Path) -> int:
    database = Database(Settings(data_dir=data).database)
    async with database.read() as session:
        await check(session)
        rows = await session.scalar(select(func.count()).where(LedgerRow.kind == "exported"))
    await database.close()
    return rows or 0


@pytest.mark.parametrize("target", ["bag", "bag.zip"])
def test_killed_in_the_middle(environment: dict[str, str], tmp_path: Path, target: str) -> None:
    data, bag = tmp_path / "data", tmp_path / target
    assert huiyin(environment, "migrate").returncode == 0
    asyncio.run(_fill(data))
    export = ["export", "--scope", "all", "--to", str(bag), "--purpose", "合同期满移交"]
    with lockstep(environment, *export) as exporting:
        exporting.until(f"{MIDDLE}/{RECORDINGS}")
        exporting.kill()
        assert exporting.child.returncode == -signal.SIGKILL
    assert not bag.exists()
    copied = {path: path.stat().st_mtime_ns for path in (tmp_path / f"{target}.work").rglob("audio.flac")}
    assert MIDDLE <= len(copied) < RECORDINGS
    again = huiyin(environment, *export)
    assert again.returncode == 0, again.stderr
    assert "继续移交" in again.stdout
    last = [line for line in again.stdout.splitlines() if f"{RECORDINGS}/{RECORDINGS}" in line][-1]
    assert int(last.rpartition("kept ")[2]) >= MIDDLE * 5
    key = huiyin(environment, "ledger", "key").stdout.strip()
    status, said = verify(bag, key)
    assert status == 0, said
    assert asyncio.run(_count(data)) == RECORDINGS + 1
    if bag.is_dir():
        kept = [path for path in bag.rglob("audio.flac") if path.stat().st_mtime_ns in copied.values()]
        assert len(kept) == len(copied), "what was there was not written again"
    _receipt_and_purge(environment, bag, again.stdout)


def _receipt_and_purge(environment: dict[str, str], bag: Path, said: str) -> None:
    export = next(line for line in said.splitlines() if line.startswith("移交编号")).split()[-1]
    digest = next(line for line in said.splitlines() if line.startswith("标签清单")).split()[-1]
    refused = huiyin(environment, "export", "purge", export, "--by", "anna")
    assert refused.returncode == 1
    assert "signed receipt" in refused.stderr
    paper = bag.with_name("receipt.txt")
    paper.write_text("已收到。签字：测试接收人")
    which = str(bag) if bag.is_dir() else digest
    receipt = huiyin(
        environment, "export", "receipt", "--bag", which, "--receiver", "甲方", "--signed", str(paper), "--by", "anna"
    )
    assert receipt.returncode == 0, receipt.stderr
    assert export in receipt.stdout
    early = huiyin(environment, "export", "purge", export, "--by", "anna")
    assert early.returncode == 1
    assert "kept for longer" in early.stderr
    assert f"refused {RECORDINGS}" in early.stdout


def test_what_the_command_line_refuses(environment: dict[str, str], tmp_path: Path) -> None:
    assert huiyin(environment, "migrate").returncode == 0
    asyncio.run(_fill_one(tmp_path / "data"))
    for arguments, shown in (
        (["--to", "x"], "--scope"),
        (["--scope", "all"], "--to"),
        (["--scope", "period", "1", "2", "--to", "x", "--purpose", "移交"], "--scope"),
        (["--scope", "all", "--to", str(tmp_path / "x")], "purpose"),
        (["--scope", "all", "--to", str(tmp_path), "--purpose", "移交"], "something at the target"),
    ):
        done = huiyin(environment, "export", *arguments)
        assert done.returncode in (1, 2), arguments
        assert shown in done.stderr, done.stderr


async def _fill_one(data: Path) -> None:
    settings = Settings(data_dir=data)
    archive = Archive(Database(settings.database), connect_store(settings.store), utc_now)
    await archive.store.prepare()
    await seal_recording(archive, new_recording(STARTED), tones(data / "tones.flac", 1), retain_until=STARTED + UNTIL)
    await archive.store.close()
    await archive.database.close()
