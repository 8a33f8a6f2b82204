"""Configuration: one frozen value, read once from ``HUIYIN_…`` variables and an optional TOML file.

Environment beats file, file beats default.  Each field's description feeds the table in ``docs/configuration.md``.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from core import setting_values as read
from core.errors import SettingsError
from core.setting_values import Address, Network, PortRange

if TYPE_CHECKING:
    from core.note import VerifierKey

__all__ = ["CONFIG_VARIABLE", "PREFIX", "Address", "Network", "PortRange", "Settings", "load", "table", "variable"]

PREFIX = "HUIYIN_"
CONFIG_VARIABLE = "HUIYIN_CONFIG"


def _setting(default: str, parse: Callable[[str], Any], meaning: str) -> Any:
    return field(default_factory=lambda: parse(default), metadata={"default": default, "parse": parse, "doc": meaning})


@dataclass(frozen=True)
class Settings:
    """Every setting, parsed.  The variable's name is ``HUIYIN_`` and the field's name in capitals."""

    data_dir: Path = _setting("huiyin-data", read.a_path, "Directory for spool, local store, SQLite database and keys")
    http_bind: Address = _setting("127.0.0.1:8080", Address.parse, "Where pages and HTTP API listen")
    sip_bind: Address = _setting("127.0.0.1:5060", Address.parse, "Where SIP listens, UDP and TCP")
    sip_tls_bind: Address | None = _setting("", read.optional_address, "Where SIP listens with TLS; empty: nowhere")
    sip_tls_certificate: Path | None = _setting(
        "",
        read.file_name,
        "PEM file with the certificate chain for `HUIYIN_SIP_TLS_BIND`; a changed file is read again",
    )
    sip_tls_key: Path | None = _setting(
        "", read.file_name, "PEM file with the certificate's private key, not encrypted"
    )
    sip_tls_client_ca: Path | None = _setting(
        "",
        read.file_name,
        "PEM file with the authorities of gateways' certificates; empty: gateways need no certificate",
    )
    sip_allow: tuple[Network, ...] = _setting(
        "", read.networks, "Addresses and networks that may call, for example `10.20.0.0/16`; empty: every address"
    )
    sip_users_file: Path | None = _setting(
        "",
        read.file_name,
        "File of the accounts that calls must authenticate with (`huiyin sip-user add`); empty: none",
    )
    drain_seconds: timedelta = _setting(
        "3600",
        read.seconds(0, 86400),
        "Seconds that calls in progress get to end by themselves after the first SIGTERM; a second one ends them",
    )
    rtp_ports: PortRange = _setting("20000-29999", PortRange.parse, "UDP ports for RTP and RTCP, two for each stream")
    media_address: str = _setting("", str, "Address told to gateways for RTP; empty: the host of `HUIYIN_SIP_BIND`")
    database_url: str = _setting(
        "", read.database_url, "`postgresql+asyncpg://…`; empty: SQLite file `huiyin.db` in the data directory"
    )
    store_url: str = _setting(
        "",
        read.store_url,
        "`s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true` or `file:///DIRECTORY`; empty: `store` in the data directory",
    )
    timezone: ZoneInfo = _setting("Asia/Shanghai", read.a_zone, "Zone of reports, retention dates and pages")
    organisation: str = _setting("接诉即办回访服务项目组", str, "Name under reports and on pages")

    work_order_header: str = _setting(
        "X-Work-Order", read.header_name, "SIP header or metadata element that carries the work order's number"
    )
    agent_numbers: tuple[re.Pattern[str], ...] = _setting(
        r"^\d{3,6}$ ^(010)?12345\d*$",
        read.patterns,
        "Regular expressions, separated by spaces: a party whose number matches one is the agent",
    )
    longest_pause: timedelta = _setting(
        "600",
        read.seconds(10, 86400),
        "Seconds after which a pause of recording that a person asked for ends by itself",
    )
    session_expires: timedelta = _setting(
        "0",
        read.session_interval,
        "Seconds of a SIP session timer (RFC 4028) to ask for where a gateway that knows timers names none; 0: none",
    )
    media_timeout: timedelta = _setting(
        "300", read.seconds(2, 86400), "Seconds without any RTP or signalling after which a call is closed and kept"
    )

    spool_min_free_mb: int = _setting(
        "512",
        read.whole_number(0, 10_000_000),
        "New calls are refused (503) while the spool's file system has less free, in MB",
    )
    backlog_alert_minutes: int = _setting(
        "10", read.whole_number(1, 10_000), "Minutes after which a closed call that is not sealed yet raises an alert"
    )
    assemblers: int = _setting(
        "0",
        read.whole_number(0, 64),
        "Processes that make sound files of closed calls, beside the recorder; 0: one for each core",
    )

    asr_model: str = _setting(
        "sample",
        str,
        "`sample` (embedded, synthetic callback vocabulary only), a faster-whisper model name, or a model directory",
    )
    asr_device: str = _setting("auto", read.one_of("auto", "cpu", "cuda"), "Where the speech engine computes")
    asr_language: str = _setting("zh", str, "Language given to the engine; `auto` asks it to detect")
    asr_threads: int = _setting(
        "0", read.whole_number(0, 256), "CPU threads for each worker; 0: cores divided by workers"
    )
    asr_batch: int = _setting("8", read.whole_number(1, 128), "Speech chunks decoded together")
    asr_beam: int = _setting("5", read.whole_number(1, 20), "Beam width")
    asr_hotwords: Path | None = _setting("", read.optional_path, "UTF-8 file with one domain word a line; empty: none")

    workers: int = _setting("1", read.whole_number(1, 64), "Worker processes that `huiyin serve` starts")
    retention_years: int = _setting(
        "2", read.whole_number(2, 50), "Calendar years that audio and text are kept; the contract's minimum is 2"
    )
    ledger_key_file: str = _setting(
        "", str, "File with the key that signs the ledger's heads; empty: `keys/ledger.key` in the data directory"
    )
    secret_key_file: str = _setting(
        "",
        str,
        "File with the key that seals secrets in the database, the same for all hosts; "
        "empty: `keys/secrets.key` in the data directory",
    )
    export_dir: str = _setting(
        "",
        str,
        "Directory for handovers asked for by API, shared by web and workers; empty: `exports` in the data directory",
    )
    export_days: int = _setting(
        "30",
        read.whole_number(1, 366),
        "Days after which a finished handover asked for by API is removed from that directory",
    )
    upload_max_mb: int = _setting(
        "512", read.whole_number(1, 100_000), "Largest sound file that may be uploaded, in MB"
    )
    upload_max_hours: int = _setting(
        "4", read.whole_number(1, 48), "Longest sound, in hours, that an uploaded or watched file may decode to"
    )
    upload_stall: timedelta = _setting(
        "30", read.seconds(1, 600), "Seconds without any octet after which an upload is given up"
    )
    watch_dir: Path | None = _setting(
        "",
        read.file_name,
        "Directory in which gateways leave finished sound files, which `huiyin intake` takes in; empty: none",
    )
    watch_names: re.Pattern[str] | None = _setting(
        "{date}-{time}_{call_id}_{agent}_{citizen}",
        read.name_pattern,
        "What the names of those files say, where no side file does; empty: each needs a side file",
    )
    watch_settle: timedelta = _setting(
        "5", read.seconds(1, 3600), "Seconds that such a file must have stood still before it is taken"
    )
    watch_keep_days: int = _setting(
        "7",
        read.whole_number(0, 366),
        "Days that a taken file stays in `done` of that directory; 0: it is removed as soon as it is sealed",
    )
    quarantine_dir: str = _setting(
        "",
        str,
        "Directory of files that could not be taken in, shared by web and intake; "
        "empty: `quarantine` in the data directory",
    )
    ledger_name: str = _setting(
        "huiyin.localhost/ledger", read.ledger_name, "Name of the ledger in its signed heads, unique to this house"
    )
    ledger_verifiers: tuple["VerifierKey", ...] = _setting(
        "",
        read.verifiers,
        "Verifier keys that signed heads are checked with, separated by spaces, older ones included; "
        "empty: only that of the signing key in use",
    )
    link_window_days: int = _setting(
        "30",
        read.whole_number(1, 366),
        "Days before a call in which an order with the citizen's telephone is a candidate",
    )
    callback_days: int = _setting(
        "3",
        read.whole_number(0, 60),
        "Days after closing, or after a call that found it unsolved, by which an order is called back",
    )
    callback_window_days: int = _setting(
        "90", read.whole_number(1, 366), "Days after which what nobody acted on leaves 我的工作; it stays in the lists"
    )
    doubtful_text: int = _setting(
        "80", read.whole_number(0, 100), "Percent of confidence below which a text waits in 我的工作 to be checked"
    )
    doubtful_word: int = _setting(
        "60", read.whole_number(0, 100), "Percent of confidence below which a word is marked as doubtful"
    )
    order_columns: Path | None = _setting(
        "", read.optional_path, "TOML file that maps other column headers of the 12345 export; empty: the standard ones"
    )
    nightly_at: time = _setting("02:30", read.time_of_day, "Local time of the nightly retention job")
    daily_report_at: time = _setting("06:00", read.time_of_day, "Local time at which yesterday's daily report is made")
    public_url: str = _setting(
        "",
        read.site,
        "Where browsers find the pages, `https://huiyin.example`: other Host headers are refused; empty: any name",
    )
    http_proxies: tuple[Network, ...] = _setting(
        "", read.networks, "Reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; empty: none"
    )
    session_hours: int = _setting("8", read.whole_number(1, 72), "Hours after which a login ends")
    session_idle_minutes: int = _setting(
        "60", read.whole_number(1, 1440), "Minutes without a request after which a login ends"
    )
    second_factor_roles: frozenset[str] = _setting(
        "",
        read.words("agent", "supervisor", "auditor", "client", "system", "security", "audit"),
        "Roles that must set up a second factor, for example `security system audit auditor`; others may",
    )
    requests_per_minute: int = _setting(
        "1200",
        read.whole_number(0, 1_000_000),
        "Requests that a user, or an address without login, may make; 0: no limit",
    )
    http_idle: timedelta = _setting(
        "75",
        read.seconds(1, 3600),
        "Seconds that a connection may take for a request's head, or lie idle; longer than a proxy in front keeps one",
    )
    http_stall: timedelta = _setting(
        "30",
        read.seconds(1, 600),
        "Seconds in which a client must send 16 KiB more of a body, or take more of an answer; then it is given up",
    )
    live_pages: int = _setting(
        "200", read.whole_number(0, 10_000), "Pages that one web process keeps up to date by events; 0: none"
    )
    live_pages_each: int = _setting("8", read.whole_number(1, 1_000), "The same, for each account")
    oidc_issuer: str = _setting("", read.site, "Provider of OpenID Connect that people may log in by; empty: none")
    oidc_client_id: str = _setting("", str, "Our identifier at that provider")
    oidc_client_secret: str = _setting("", str, "Our secret at that provider")
    oidc_claim: str = _setting("sub", str, "Claim that an account's name at the provider is compared with")
    webhook_ports: frozenset[int] = _setting("443", read.ports, "Ports that webhooks may go to, separated by spaces")
    webhook_http: str = _setting("no", read.one_of("no", "yes"), "`yes`: webhooks may also go over plain `http://`")
    webhook_networks: tuple[Network, ...] = _setting(
        "",
        read.networks,
        "Private networks that webhooks may reach, for example `10.20.0.0/16`; empty: public addresses only",
    )
    webhook_days: int = _setting(
        "14", read.whole_number(3, 366), "Days after which webhook deliveries are forgotten, delivered or not"
    )
    log_format: str = _setting("json", read.one_of("json", "text"), "Form of log lines on standard error")

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'huiyin.db'}"

    @property
    def store(self) -> str:
        """The store URL in force."""
        return self.store_url or (self.data_dir.absolute() / "store").as_uri()

    @property
    def ledger_key(self) -> Path:
        """The file of the key that signs the ledger's heads."""
        return Path(self.ledger_key_file) if self.ledger_key_file else self.data_dir / "keys" / "ledger.key"

    @property
    def secret_key(self) -> Path:
        """The file of the key that seals secrets in the database (`core.sealed_secrets`)."""
        return Path(self.secret_key_file) if self.secret_key_file else self.data_dir / "keys" / "secrets.key"

    @property
    def exports(self) -> Path:
        """Where bags that were asked for through the API are written."""
        return (Path(self.export_dir) if self.export_dir else self.data_dir / "exports").absolute()

    @property
    def quarantine(self) -> Path:
        """Where files lie that could not be taken in."""
        return Path(self.quarantine_dir) if self.quarantine_dir else self.data_dir / "quarantine"

    @property
    def spool_dir(self) -> Path:
        """Where calls in progress and calls not yet sealed lie."""
        return self.data_dir / "spool"

    @property
    def media_host(self) -> str:
        """The address that SDP answers name."""
        return self.media_address or self.sip_bind.host


def variable(setting: "Field[Any]") -> str:
    """The environment variable of a field."""
    return PREFIX + setting.name.upper()


def load(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises ``SettingsError`` with one line that names the variable (or the file's key) and what was expected.
    """
    from_file = _read_file(environment.get(CONFIG_VARIABLE, ""))
    known = {variable(setting): setting for setting in fields(Settings)}
    for name in environment:
        if name.startswith(PREFIX) and name not in known and name != CONFIG_VARIABLE:
            raise SettingsError(f"{name}: no such setting; see docs/configuration.md")
    values: dict[str, Any] = {}
    for name, setting in known.items():
        source, text = name, environment.get(name)
        if text is None and setting.name in from_file:
            source, text = f"{environment[CONFIG_VARIABLE]}: {setting.name}", str(from_file[setting.name])
        if text is not None:
            values[setting.name] = _parse(setting, source, text)
    return Settings(**values)


def _parse(setting: "Field[Any]", source: str, text: str) -> Any:
    try:
        return setting.metadata["parse"](text)
    except ValueError as error:
        # A wrong URL may hold a password: say what was expected, not what was given.
        shown = "" if setting.name.endswith(("_url", "_secret")) else f" (found {text!r})"
        raise SettingsError(f"{source}: {error}{shown}") from None


def _read_file(path: str) -> Mapping[str, Any]:
    if not path:
        return {}
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{CONFIG_VARIABLE}: cannot read {path}: {error}") from None
    unknown = content.keys() - {setting.name for setting in fields(Settings)}
    if unknown:
        raise SettingsError(f"{path}: {sorted(unknown)[0]}: no such setting; see docs/configuration.md")
    return content


def table() -> str:
    """The Markdown table of all settings, as it stands in ``docs/configuration.md``."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in fields(Settings):
        assert setting.default_factory is not MISSING
        default = setting.metadata["default"]
        shown = f"`{default}`" if default else "(empty)"
        lines.append(f"| `{variable(setting)}` | {shown} | {setting.metadata['doc']} |")
    return "\n".join(lines) + "\n"
