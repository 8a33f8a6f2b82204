"""The demo, as a stranger runs it: status 0 only when every hop really happened."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.running import HOP_SECONDS, ROOT, environment
from tests.servers import Seaweed


def _demo(variables: dict[str, str], directory: Path) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "service", "demo", "--exit", "--speed", "3", "--dir", str(directory / "demo")],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    log = directory / "demo" / "serve.log"
    assert ended.returncode == 0, ended.stdout + ended.stderr + (log.read_text()[-4000:] if log.exists() else "")
    return ended.stdout


def test_on_embedded_defaults(tmp_path: Path) -> None:
    printed = _demo(environment(tmp_path), tmp_path)
    assert "✗" not in printed
    assert (tmp_path / "demo" / "data" / "huiyin.db").exists()
    assert list((tmp_path / "demo").glob("daily-*.docx"))


@pytest.mark.timeout(600)
def test_on_postgresql_and_s3(tmp_path: Path, empty_postgres_url: str, seaweed: Seaweed) -> None:
    variables = environment(
        tmp_path, HUIYIN_DATABASE_URL=empty_postgres_url, HUIYIN_STORE_URL=seaweed.url("demo-evidence")
    )
    printed = _demo(variables, tmp_path)
    assert "✗" not in printed
    assert not (tmp_path / "demo" / "data" / "huiyin.db").exists()
    assert not (tmp_path / "demo" / "data" / "store").exists()


def test_a_directory_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    ended = subprocess.run(
        [sys.executable, "-m", "service", "demo", "--exit", "--dir", str(tmp_path)],
        env=environment(tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HOP_SECONDS,
    )
    assert ended.returncode == 1
    assert "--dir" in ended.stderr
    assert precious.read_text() == "mine"
