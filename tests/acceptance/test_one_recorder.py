"""A spool directory has one recorder: whoever comes second, or cannot use the directory, says so and ends."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.alerts import TWO_RECORDERS
from service.heartbeat import REFUSED
from service.migrate import migrate
from tests.acceptance.running import HOP_SECONDS, ROOT, environment, running, settings_of, until_well
from tests.acceptance.watching import until_alert
from tests.conftest import missing
from tests.ports import free_port
from tests.servers import Missing
from tests.small_disk import SmallDisk, small_disk


def _recorder(variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service", "recorder"],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HOP_SECONDS,
    )


async def test_a_second_recorder_refuses_to_start(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    settings = settings_of(variables)
    await migrate(settings)
    async with running(variables, tmp_path, "recorder") as service:
        await until_well(service, "recorder")
        second = await asyncio.to_thread(_recorder, {**variables, "HUIYIN_SIP_BIND": f"127.0.0.1:{free_port()}"})
        assert second.returncode == 1
        assert "another process already works on this spool directory" in second.stderr
        assert str(settings.spool_dir) in second.stderr
        assert "HUIYIN_DATA_DIR" in second.stderr
        assert "Traceback" not in second.stderr
        raised = await until_alert(settings, TWO_RECORDERS, REFUSED)
        assert raised.facts == {"spool": str(settings.spool_dir)}
        # The first one is not disturbed.
        await until_well(service, "recorder")
        assert service.child.poll() is None


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        with small_disk(tmp_path / "disk", 8) as disk:
            yield disk
    except Missing as reason:
        missing(reason)


def test_a_read_only_spool_is_named(tmp_path: Path, read_only: SmallDisk) -> None:
    (read_only.path / "data").mkdir()
    read_only.make_read_only()
    database = f"sqlite+aiosqlite:///{tmp_path / 'huiyin.db'}"
    told = _recorder(environment(tmp_path, HUIYIN_DATA_DIR=str(read_only.path / "data"), HUIYIN_DATABASE_URL=database))
    assert told.returncode == 1
    assert "the spool directory cannot be used" in told.stderr
    assert "Read-only file system" in told.stderr
    assert "HUIYIN_DATA_DIR" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told = _recorder(environment(tmp_path, HUIYIN_DATA_DIR=str(tmp_path / "file" / "data")))
    assert told.returncode == 1
    assert "the data directory cannot be made" in told.stderr
    assert "HUIYIN_DATA_DIR" in told.stderr
    assert "Traceback" not in told.stderr
