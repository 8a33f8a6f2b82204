"""The file of SIP accounts: written by the command, never in clear, read again when it changes."""

import io
import logging
from pathlib import Path

import pytest

from core.errors import NotFound, SettingsError
from core.settings import load
from service.__main__ import main
from telephony.entrance import Entrance
from telephony.sip.accounts import AccountsFile, add_account, load_accounts, remove_account
from telephony.sip.digest import Account

GATEWAY = Account.of("gateway", "huiyin", "geheim")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUIYIN_SIP_USERS_FILE", str(tmp_path / "etc" / "users"))
    monkeypatch.setenv("HUIYIN_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "etc" / "users"


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str, password: str = "") -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    return main(["sip-user", *arguments])


def test_the_command_adds_changes_and_removes(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "add", "gateway", password="geheim") == 0
    assert load_accounts(file) == {"gateway": GATEWAY}
    assert "geheim" not in file.read_text() + "".join(capsys.readouterr())
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    assert command(monkeypatch, "add", "gateway", password="other") == 0
    assert command(monkeypatch, "add", "second", password="x") == 0
    accounts = load_accounts(file)
    assert accounts.keys() == {"gateway", "second"}
    assert accounts["gateway"] != GATEWAY
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["users"]
    for name in accounts:
        assert command(monkeypatch, "remove", name) == 0
    assert command(monkeypatch, "add", "gateway", password="geheim") == 0
    assert load_accounts(file) == {"gateway": GATEWAY}


@pytest.mark.parametrize(
    ("arguments", "password", "status", "named"),
    [
        (("remove", "nobody"), "", 1, "no such SIP account"),
        (("add", "a:b"), "x", 2, "colon"),
        (("add", "a"), "", 2, "password is empty"),
        (("add", "a", "--realm", "other"), "x", 2, "'huiyin'; give it with --realm"),
    ],
)
def test_the_command_says_what_is_wrong(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    password: str,
    status: int,
    named: str,
) -> None:
    add_account(file, GATEWAY)
    assert command(monkeypatch, *arguments, password=password) == status
    [line] = capsys.readouterr().err.strip().splitlines()
    assert named in line
    assert load_accounts(file) == {"gateway": GATEWAY}


def test_without_the_setting_the_command_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HUIYIN_SIP_USERS_FILE", raising=False)
    assert command(monkeypatch, "add", "a", password="x") == 2
    assert capsys.readouterr().err.startswith("HUIYIN_SIP_USERS_FILE: ")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "there is no file"),
        (b"", "no account"),
        (b"# nothing\n\n", "no account"),
        (b"\xff\xfe", "UTF-8"),
        (b"a:b:clear\n", "line 1: expected user:realm"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_at_the_start(file: Path, content: bytes | None, named: str) -> None:
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Entrance.from_settings(load({"HUIYIN_SIP_USERS_FILE": str(file)}))
    assert str(caught.value).startswith("HUIYIN_SIP_USERS_FILE: ")
    assert str(file) in str(caught.value)
    assert named in str(caught.value)


def test_a_changed_file_is_read_and_a_broken_one_is_not(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    add_account(file, GATEWAY)
    entrance = Entrance.from_settings(load({"HUIYIN_SIP_USERS_FILE": str(file)}))
    assert entrance.access is not None
    entrance.reload()
    assert caplog.records == []
    add_account(file, Account.of("second", "huiyin", "x"))
    entrance.reload()
    assert set(entrance.access.accounts or ()) == {"gateway", "second"}
    file.write_text("broken\n")
    entrance.reload()
    entrance.reload()
    assert set(entrance.access.accounts or ()) == {"gateway", "second"}
    assert [record.getMessage() for record in caplog.records] == [
        "new SIP accounts in force",
        "the old SIP accounts stay in force",
    ]
    file.unlink()
    entrance.reload()
    assert set(entrance.access.accounts or ()) == {"gateway", "second"}


def test_removing_needs_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no file"):
        remove_account(tmp_path / "none", "a")
    add_account(tmp_path / "users", GATEWAY)
    with pytest.raises(NotFound):
        remove_account(tmp_path / "users", "a")
    assert isinstance(AccountsFile(tmp_path / "users").accounts["gateway"], Account)
