"""The command line answers mistakes with one line that names the thing and the remedy, and a true exit status."""

from pathlib import Path

import pytest

from service.__main__ import WRONG_SETTINGS, main
from tests.ports import free_port


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUIYIN_DATA_DIR", str(tmp_path / "data"))


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    [line] = capsys.readouterr().err.strip().splitlines()
    return line


def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    monkeypatch.setenv("HUIYIN_DATABASE_URL", f"postgresql+asyncpg://me:secret@127.0.0.1:{port}/huiyin")
    assert main(["migrate"]) == 1
    line = _one_line(capsys)
    assert str(port) in line
    assert "secret" not in line


def test_a_schema_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    assert main(["verify"]) == WRONG_SETTINGS
    assert "huiyin migrate" in _one_line(capsys)
    assert main(["hold", "list"]) == 1
    assert "huiyin migrate" in _one_line(capsys)


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["call", "--to", "127.0.0.1:5060", "--agent", "nowhere.flac", "--citizen", "nowhere.flac"])
    assert ended.value.code == 2
    assert "nowhere.flac" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["report", "daily", "--date", "22.11.2026"], "2026-11-22"),
        (["retention", "run", "--at", "2028-11-23T00:00"], "+08:00"),
        (["call", "--to", "here", "--agent", "a", "--citizen", "b"], "HOST:PORT"),
    ],
)
def test_an_argument_that_cannot_be_read(arguments: list[str], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert shown in capsys.readouterr().err


def test_first_start_makes_one_administrator_and_verify_finds_nothing_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["migrate"]) == 0
    assert "admin" in capsys.readouterr().err
    assert main(["migrate"]) == 0
    assert "密码" not in capsys.readouterr().err, "the password is shown once"
    assert main(["verify"]) == 0
    assert "0" in capsys.readouterr().out
