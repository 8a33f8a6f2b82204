"""One try of one delivery over HTTP: where it may lead is looked at on the way (the only client of aiohttp).

Nothing is kept between tries, no proxy is asked, no redirect followed, no cookie kept, no answer unpacked, and at most
a few octets of it are read.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from api.webhooks.addresses import Reach, Target, parse_url, refused_among
from api.webhooks.tables import ANSWER_LENGTH
from core.logging import mask_numbers

# Host and port → addresses, asked once for each try.  ``OSError`` where there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
READ_OCTETS = 400
_LONG_DIGITS, _LONG_WORD = re.compile(r"\d{5,}"), re.compile(r"[A-Za-z0-9+/=_-]{24,}")


@dataclass(frozen=True)
class Tried:
    """How a try ended: the answer's status, or ``None`` and in ``outcome`` why there is none."""

    status: int | None
    outcome: str = ""
    answer: str = ""
    asked: timedelta = timedelta(0)


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """What the machine's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True)
class Post:
    """Sends.  ``seconds`` is what one try may take altogether; ``ssl`` checks certificates."""

    reach: Reach
    seconds: float
    resolve: Resolve = resolve_by_system
    ssl: SSLContext | None = None

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """Try once; whatever goes wrong on the way becomes the outcome."""
        try:
            target = parse_url(url, self.reach)
            async with asyncio.timeout(self.seconds):
                addresses = await self._resolve(target)
        except ValueError:
            return Tried(None, "address refused")
        except TimeoutError:
            return Tried(None, "timeout")
        except OSError:
            return Tried(None, "unknown host")
        if not addresses or refused_among(addresses, self.reach.networks):
            return Tried(None, "address refused" if addresses else "unknown host")
        return await self._ask(target, addresses, headers, body)

    async def _resolve(self, target: Target) -> Sequence[str]:
        try:
            return [str(ip_address(target.host))]
        except ValueError:
            return await self.resolve(target.host, target.port)

    async def _ask(self, target: Target, addresses: Sequence[str], headers: Mapping[str, str], body: bytes) -> Tried:
        try:
            async with _session(addresses, self.seconds, self.ssl) as session:
                url = URL(target.url, encoded=True)
                async with session.post(url, data=body, headers=dict(headers), allow_redirects=False) as answer:
                    return Tried(answer.status, "", masked(await _begin(answer)), _asked(answer))
        except TimeoutError:
            return Tried(None, "timeout")
        except aiohttp.ClientSSLError:
            return Tried(None, "certificate")
        except aiohttp.ClientConnectorError:
            return Tried(None, "no connection")
        except (aiohttp.ClientError, OSError, ValueError):
            return Tried(None, "broken off")


class _Pinned(AbstractResolver):
    """Answers what was looked at, whatever the name resolves to by now."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=port,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for each in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _session(addresses: Sequence[str], seconds: float, ssl: SSLContext | None) -> aiohttp.ClientSession:
    """A client for one request, which cannot reach any other address."""
    looked_at = {ip_address(each) for each in addresses}

    def only_these(found: tuple[object, ...]) -> socket.socket:
        # The last look, right before the connection, in case the client knows a way past the resolver.
        family, kind, protocol, _, where = found
        assert isinstance(where, tuple)
        if ip_address(where[0]) not in looked_at:
            raise OSError("this address was not looked at")
        return socket.socket(family, kind, protocol)  # type: ignore[arg-type]

    connector = aiohttp.TCPConnector(
        resolver=_Pinned(addresses),
        use_dns_cache=False,
        force_close=True,
        ssl=True if ssl is None else ssl,
        socket_factory=only_these,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": "huiyin-webhook", "Content-Type": "application/json", "Accept": "*/*"},
    )


async def _begin(answer: aiohttp.ClientResponse) -> bytes:
    """How the answer's text begins; its status counts whatever becomes of the text."""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        return await answer.content.read(READ_OCTETS)
    return b""


def _asked(answer: aiohttp.ClientResponse) -> timedelta:
    """How long the answer asks us to wait (RFC 9110, section 10.2.3); nothing for what cannot be read."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return timedelta(0)
    return max(moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC), timedelta(0))


def masked(begin: bytes) -> str:
    """The beginning of an answer fit for a page: one short line without numbers and without what may be a secret."""
    text = " ".join("".join(each if each.isprintable() else " " for each in begin.decode(errors="replace")).split())
    return _LONG_WORD.sub("…", _LONG_DIGITS.sub("*****", mask_numbers(text)))[:ANSWER_LENGTH]
