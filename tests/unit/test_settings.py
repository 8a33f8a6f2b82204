"""Settings: environment beats file beats default, and a wrong value is one line that names its variable."""

from dataclasses import fields
from datetime import time, timedelta
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import Address, PortRange, Settings, load, table, variable


def test_nothing_has_to_be_set() -> None:
    settings = load({})
    assert settings == Settings()
    assert settings.database.startswith("sqlite+aiosqlite:////")
    assert settings.store.startswith("file:///")
    assert settings.media_host == "127.0.0.1"
    assert settings.timezone.key == "Asia/Shanghai"
    assert settings.retention_years == 2


def test_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "huiyin.toml"
    file.write_text('sip_bind = "0.0.0.0:5070"\nworkers = 3\n', encoding="utf-8")
    settings = load({"HUIYIN_CONFIG": str(file), "HUIYIN_WORKERS": "5", "PATH": "/bin"})
    assert (settings.sip_bind, settings.workers) == (Address("0.0.0.0", 5070), 5)
    assert settings.http_bind == Address("127.0.0.1", 8080)


def test_values_are_parsed(tmp_path: Path) -> None:
    settings = load(
        {
            "HUIYIN_DATA_DIR": str(tmp_path),
            "HUIYIN_RTP_PORTS": "30000-30099",
            "HUIYIN_MEDIA_TIMEOUT": "60",
            "HUIYIN_NIGHTLY_AT": "03:15",
            "HUIYIN_AGENT_NUMBERS": r"^8\d{3}$ ^9\d{3}$",
            "HUIYIN_SIP_BIND": "[::1]:5060",
        }
    )
    assert settings.rtp_ports == PortRange(30000, 30099)
    assert (settings.media_timeout, settings.nightly_at) == (timedelta(minutes=1), time(3, 15))
    assert [pattern.pattern for pattern in settings.agent_numbers] == [r"^8\d{3}$", r"^9\d{3}$"]
    assert settings.sip_bind == Address("::1", 5060)
    assert str(settings.sip_bind) == "[::1]:5060"
    assert settings.spool_dir == tmp_path / "spool"


def test_networks_that_may_call() -> None:
    settings = load({"HUIYIN_SIP_ALLOW": "10.20.0.0/16 192.0.2.7, 2001:db8::/32"})
    assert [str(network) for network in settings.sip_allow] == ["10.20.0.0/16", "192.0.2.7/32", "2001:db8::/32"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUIYIN_HTTP_BIND", "8080"),
        ("HUIYIN_HTTP_BIND", "host:99999"),
        ("HUIYIN_RTP_PORTS", "30000"),
        ("HUIYIN_RTP_PORTS", "30000-20000"),
        ("HUIYIN_RTP_PORTS", "80-90"),
        ("HUIYIN_DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("HUIYIN_STORE_URL", "s3://key:hunter2@host"),
        ("HUIYIN_STORE_URL", "ftp://key:hunter2@host/bucket"),
        ("HUIYIN_TIMEZONE", "Mars/Olympus"),
        ("HUIYIN_WORKERS", "0"),
        ("HUIYIN_WORKERS", "two"),
        ("HUIYIN_RETENTION_YEARS", "1"),
        ("HUIYIN_NIGHTLY_AT", "25:00"),
        ("HUIYIN_AGENT_NUMBERS", "("),
        ("HUIYIN_WORK_ORDER_HEADER", "X Work"),
        ("HUIYIN_ASR_DEVICE", "abacus"),
        ("HUIYIN_ASR_HOTWORDS", "/no/such/file"),
        ("HUIYIN_SIP_TLS_BIND", "5061"),
        ("HUIYIN_SIP_ALLOW", "10.0.0.0/33"),
        ("HUIYIN_SIP_ALLOW", "10.0.0.1/16"),
        ("HUIYIN_SIP_ALLOW", "gateway.example"),
        ("HUIYIN_DRAIN_SECONDS", "-1"),
        ("HUIYIN_SESSION_EXPIRES", "60"),
        ("HUIYIN_NO_SUCH_THING", "1"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize("content", ["workers = [", "no_such = 1\n", 'rtp_ports = "1-2"\n'])
def test_a_wrong_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "huiyin.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"huiyin\.toml"):
        load({"HUIYIN_CONFIG": str(file)})
    with pytest.raises(SettingsError, match="cannot read"):
        load({"HUIYIN_CONFIG": str(tmp_path / "none.toml")})


def test_the_table_names_every_setting() -> None:
    lines = table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == [variable(setting) for setting in fields(Settings)]


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:65535", "gateway.example:5060"])
def test_an_address_survives_its_text(text: str) -> None:
    assert str(Address.parse(text)) == text
