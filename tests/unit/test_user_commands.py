"""``huiyin user``: what the page does, for whoever has the machine."""

import io
import re
import sys
from pathlib import Path

import pytest

from service.__main__ import main


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HUIYIN_DATA_DIR", str(tmp_path / "data"))
    assert main(["migrate"]) == 0
    capsys.readouterr()


def _user(*arguments: str, typed: str = "") -> int:
    before, sys.stdin = sys.stdin, io.StringIO(typed)
    try:
        return main(["user", *arguments])
    finally:
        sys.stdin = before


def test_accounts_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert _user("add-team", "一组") == 0
    assert _user("add", "li", "--role", "agent", "--team", "一组", typed="a phrase of li's own\n") == 1, (
        "holds the name"
    )
    assert "密码里不能有用户名" in capsys.readouterr().err
    assert _user("add", "li", "--role", "agent", "--team", "一组", typed="a phrase of my own\n") == 0
    assert _user("number", "8001", "--team", "一组", "--holder", "li", "--since", "2026-11-20T00:00+08:00") == 0
    assert _user("number", "8001", "--team", "", "--holder", "li") == 1, "the holder is in another team"
    assert _user("role", "li", "supervisor") == 0
    assert _user("password", "li", typed="wrong password\nanother phrase\n") == 1
    assert _user("password", "li", typed="a phrase of my own\nanother phrase here\n") == 0
    assert _user("off", "li") == 0
    assert _user("end-sessions", "li") == 0
    assert _user("no-second-factor", "li") == 1
    capsys.readouterr()
    assert _user("list") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows == [["admin", "security", "—", "on", "—"], ["li", "supervisor", "一组", "off", "—"]]


def test_a_made_password_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert _user("add", "bo", "--role", "auditor", "--random") == 0
    made = re.search(r"shown only once\): (\S+)", capsys.readouterr().out)
    assert made
    assert _user("reset", "bo") == 0
    again = re.search(r"shown only once\): (\S+)", capsys.readouterr().out)
    assert again
    assert made[1] != again[1]
    assert _user("password", "bo", typed=f"{again[1]}\nanother phrase here\n") == 0


def test_the_last_security_administrator_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert _user("off", "admin") == 1
    assert "最后一位安全管理员" in capsys.readouterr().err
    assert _user("role", "nobody", "agent") == 1
    assert "没有这个账号" in capsys.readouterr().err
