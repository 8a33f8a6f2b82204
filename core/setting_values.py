"""How the text of a setting becomes a value; each raises ``ValueError`` that says what was expected."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from core.note import VerifierKey

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Address:
    """Where to listen or send: a host and a port (0 lets the system choose)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        host, separator, port = text.rpartition(":")
        if not separator or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError("expected HOST:PORT with a port of 0 to 65535")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class PortRange:
    """UDP ports for RTP (even) and RTCP (the odd one above), inclusive."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> "PortRange":
        found = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text)
        if not found:
            raise ValueError("expected FIRST-LAST, for example 20000-29999")
        first, last = int(found[1]), int(found[2])
        if not 1024 <= first < last <= 65535:
            raise ValueError("expected 1024 ≤ FIRST < LAST ≤ 65535")
        return cls(first, last)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def a_path(text: str) -> Path:
    return Path(text).expanduser()


def optional_path(text: str) -> Path | None:
    if not text:
        return None
    path = a_path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {text}")
    return path


def a_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("expected a time zone of the tz database, for example Asia/Shanghai") from error


def database_url(text: str) -> str:
    if text and not text.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
        raise ValueError("expected postgresql+asyncpg://USER:PASSWORD@HOST/NAME or sqlite+aiosqlite:///PATH")
    return text


def store_url(text: str) -> str:
    parts = urlsplit(text)
    if text and parts.scheme not in ("s3", "file"):
        raise ValueError("expected s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true or file:///DIRECTORY")
    if parts.scheme == "s3" and not (parts.username and parts.password and parts.hostname and parts.path.strip("/")):
        raise ValueError("expected s3://KEY:SECRET@HOST:PORT/BUCKET with key, secret, host and bucket")
    return text


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", text.strip()) or not minimum <= int(text) <= maximum:
            raise ValueError(f"expected a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def seconds(minimum: int, maximum: int) -> Callable[[str], timedelta]:
    whole = whole_number(minimum, maximum)
    return lambda text: timedelta(seconds=whole(text))


def session_interval(text: str) -> timedelta:
    found = seconds(0, 86400)(text)
    if timedelta(0) < found < timedelta(seconds=90):
        raise ValueError("expected 0 or at least 90, the shortest interval that RFC 4028 allows")
    return found


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return text

    return parse


def patterns(text: str) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(part) for part in text.split() if part)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error


def time_of_day(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise ValueError("expected a time of day such as 02:30") from error


def optional_address(text: str) -> Address | None:
    return Address.parse(text) if text else None


def file_name(text: str) -> Path | None:
    """A file that whoever needs it checks, when it is needed."""
    return a_path(text) if text else None


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise ValueError(f"expected addresses or networks such as 10.20.0.0/16: {error}") from None


def ports(text: str) -> frozenset[int]:
    found = text.replace(",", " ").split()
    if not found or not all(re.fullmatch(r"\d{1,5}", each) and 1 <= int(each) <= 65535 for each in found):
        raise ValueError("expected ports from 1 to 65535, separated by spaces")
    return frozenset(int(each) for each in found)


def ledger_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9./_-]{1,100}", text):
        raise ValueError("expected a name such as hotline.example/ledger")
    return text


def verifiers(text: str) -> tuple["VerifierKey", ...]:
    if not text.split():
        return ()
    from core.note import VerifierKey  # only who names keys pays for loading cryptography

    return tuple(VerifierKey.parse(part) for part in text.split())


def site(text: str) -> str:
    parts = urlsplit(text)
    plain = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment or "@" in text)
    if text and not plain:
        raise ValueError("expected an address such as https://huiyin.example")
    return text


def words(*allowed: str) -> Callable[[str], frozenset[str]]:
    def parse(text: str) -> frozenset[str]:
        found = frozenset(text.replace(",", " ").split())
        if found - set(allowed):
            raise ValueError(f"expected some of {', '.join(allowed)}")
        return found

    return parse


def header_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!%*_+`'~.-]+", text):
        raise ValueError("expected a SIP header name such as X-Work-Order")
    return text


# What a part of a file's name may be; the rest of a pattern stands for itself.
_NAME_PARTS = {
    "date": r"\d{4}-?\d{2}-?\d{2}",
    "time": r"\d{2}[-.:]?\d{2}[-.:]?\d{2}",
    "call_id": r"[\x21-\x7e]{1,255}?",
    "agent": r"\+?[0-9A-Za-z.@-]{0,64}?",
    "citizen": r"\+?[0-9*#]{0,32}?",
    "order": r"[^_\x00-\x1f]{0,64}?",
    "any": r".*?",
}


def name_pattern(text: str) -> re.Pattern[str] | None:
    """``{date}-{time}_{call_id}`` → what a file's name without its suffix must match; a part stands there once."""
    if not text:
        return None
    pieces = re.split(r"\{(\w+)\}", text)
    named = pieces[1::2]
    if {"date", "time", "call_id"} - set(named) or set(named) - set(_NAME_PARTS) or len(set(named)) < len(named):
        raise ValueError(
            "expected {date}, {time} and {call_id}, and perhaps {agent}, {citizen}, {order} and {any}, each once"
        )
    literals = [re.escape(piece) for piece in pieces[0::2]]
    parts = [f"(?P<{name}>{_NAME_PARTS[name]})" for name in named]
    return re.compile("".join(f"{literal}{part}" for literal, part in zip(literals, [*parts, ""], strict=True)))
