"""Two real processes watch one folder and are killed in the middle, again and again: each call is there, once."""

import asyncio
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from core.settings import Settings
from service.readiness import make_ready
from service.supervisor import beside_the_recorder
from service.wiring import open_archive
from tests.acceptance.running import ROOT, environment, settings_of
from tests.integration.test_api_upload import sound

CALLS = 12
KILLS = 4


async def test_killed_in_the_middle_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    incoming = tmp_path / "in"
    incoming.mkdir()
    more = {"HUIYIN_WATCH_DIR": str(incoming), "HUIYIN_WATCH_SETTLE": "1", "HUIYIN_SPOOL_MIN_FREE_MB": "0"}
    variables = environment(tmp_path, **more)
    settings = settings_of(variables)
    await make_ready(settings)
    for number in range(CALLS):
        content = sound(seconds=30, pitch=300 + number)
        (incoming / f"20261120-1400{number:02}_call-{number}_8001_13800000{number:03}.wav").write_bytes(content)
    chance = random.Random(7)
    pair = [_start(variables, tmp_path), _start(variables, tmp_path)]
    try:
        left = CALLS
        for _ in range(KILLS):
            left = await _fewer(incoming, left)
            # Wherever the work on the next file is by now.
            await asyncio.sleep(chance.uniform(0, 0.2))
            for number, child in enumerate(pair):
                child.send_signal(signal.SIGKILL)
                await asyncio.to_thread(child.wait)
                pair[number] = _start(variables, tmp_path)
        while left:
            left = await _fewer(incoming, left)
    finally:
        for child in pair:
            child.terminate()
            await asyncio.to_thread(child.wait)
    assert len(list(incoming.glob("done/*/*.wav"))) == CALLS
    assert not list((tmp_path / "data" / "quarantine").glob("*")), "nothing was there with other bytes"
    async with open_archive(settings) as archive, archive.database.read() as session:
        calls = (await session.scalars(select(Recording.sip_call_id))).all()
        originals = await session.scalar(
            select(func.count()).select_from(StoredObject).where(StoredObject.kind == "remains")
        )
    assert sorted(calls) == sorted(f"call-{number}" for number in range(CALLS))
    assert originals == CALLS
    assert "13800000" not in (tmp_path / "intake.log").read_text()


def _start(variables: dict[str, str], directory: Path) -> "subprocess.Popen[bytes]":
    with closing((directory / "intake.log").open("ab")) as log:
        return subprocess.Popen(
            [sys.executable, "-m", "service", "intake"], env=variables, cwd=ROOT, stdout=log, stderr=log
        )


async def _fewer(incoming: Path, than: int) -> int:
    """How many files are left, once it is fewer."""
    async with asyncio.timeout(120):
        while True:
            left = len(list(incoming.glob("*.wav")))
            if left < than or not left:
                return left
            await asyncio.sleep(0.02)


async def test_without_a_folder_the_variable_is_named(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "service", "intake"], env=variables, cwd=ROOT, capture_output=True
    )
    assert done.returncode == 2
    assert b"HUIYIN_WATCH_DIR" in done.stderr


def test_it_runs_where_a_folder_is_watched(tmp_path: Path) -> None:
    assert beside_the_recorder(Settings(workers=2)) == ("worker", "worker", "web", "scheduler")
    assert beside_the_recorder(Settings(watch_dir=tmp_path)) == ("worker", "web", "scheduler", "intake")
