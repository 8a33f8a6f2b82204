"""Where webhooks may lead: which addresses are refused, so that nobody reaches into a house by asking it to send.

A name is resolved once, each address is looked at, and the connection goes to one of those very addresses.  The tables
follow the IANA special-purpose registries (RFC 6890); they stand here because Python's differ between versions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from core.setting_values import Network
from core.settings import Settings

Address = IPv4Address | IPv6Address
LONGEST_URL = 500
# Names as DNS has them.  What ends in a number would be read as an IPv4 address by some (``2130706433``, ``0x7f.1``).
_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)*(?!\d+\.?$|0x[0-9a-f]*\.?$)[a-z0-9_-]{1,63}\.?")

PRIVATE, METADATA, NOBODY = "private", "metadata", "nobody"
WHY = {
    PRIVATE: "不是公网地址，可由 HUIYIN_WEBHOOK_NETWORKS 放行 / not public: HUIYIN_WEBHOOK_NETWORKS can allow it",
    METADATA: "不能推送到云主机的元数据服务 / this is the metadata service of a cloud",
    NOBODY: "这不是某一台机器的地址 / this is no machine's address",
}
# Services that hand out a cloud machine's credentials; refused even inside a network that is allowed.
_METADATA = frozenset(
    ip_address(each)
    for each in ("169.254.169.254", "169.254.170.2", "169.254.0.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
                 "fd00:ec2::254", "fd20:ce::254")
)  # fmt: skip
_NOT_PUBLIC_4 = tuple(
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
# Of IPv6 only the global unicast space is public, and not all of it.
_PUBLIC_6 = ip_network("2000::/3")
_NOT_PUBLIC_6 = tuple(ip_network(each) for each in ("2001::/23", "2001:db8::/32", "3fff::/20"))
# Addresses that stand for an IPv4 address, and the bits below it: compatible, mapped, translated, NAT64 (RFC 6052,
# RFC 8215), 6to4.  In the rest of 64:ff9b:1::/48 the address may lie higher up, with anything below it (RFC 6052,
# section 2.2): what cannot be read for certain is not public.
_STANDING_FOR = tuple(
    (ip_network(network), shift)
    for network, shift in (
        *(("::ffff:0:0/96", 0), ("::ffff:0:0:0/96", 0), ("64:ff9b::/96", 0), ("64:ff9b:1::/96", 0)),
        *(("2002::/16", 80), ("::/96", 0)),
    )
)


@dataclass(frozen=True)
class Reach:
    """What the settings allow: ports, plain HTTP, and private networks."""

    ports: frozenset[int]
    http: bool = False
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Reach":
        return cls(settings.webhook_ports, settings.webhook_http == "yes", settings.webhook_networks)


@dataclass(frozen=True)
class Target:
    """An address that may be asked, as far as its spelling tells."""

    url: str
    host: str
    port: int


def parse_url(url: str, reach: Reach) -> Target:
    """Read a subscriber's URL; ``ValueError`` says in both languages what is wrong with it."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        what = (
            f"网址应为不超过 {LONGEST_URL} 个可见的英文字符 / expected at most {LONGEST_URL} visible ASCII characters"
        )
        raise ValueError(what)
    parts = _split(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and reach.http):
        if reach.http:
            raise ValueError("网址应以 https:// 或 http:// 开头 / expected https:// or http://")
        raise ValueError("网址应以 https:// 开头 / expected https://")
    if "@" in parts.netloc or parts.username is not None:
        raise ValueError("网址中不能有用户名或密码 / no user name or password may stand in the address")
    if "#" in url:
        raise ValueError("网址中不能有 # / no fragment may stand in the address")
    port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
    if port not in reach.ports:
        raise ValueError(f"端口 {port} 不在 HUIYIN_WEBHOOK_PORTS 中 / port {port} is not in HUIYIN_WEBHOOK_PORTS")
    _require_host(parts.hostname or "", reach)
    return Target(url, parts.hostname or "", port)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("这不是网址 / this is no address") from None
    return parts


def _require_host(host: str, reach: Reach) -> None:
    """A host that is written as an address can be looked at at once."""
    try:
        address = ip_address(host)
    except ValueError:
        if _NAME.fullmatch(host) is None:
            raise ValueError("网址中没有有效的主机名 / the address names no valid host") from None
        return
    if why := refusal(address, reach.networks):
        raise ValueError(WHY[why])


def refusal(address: Address, networks: Sequence[Network]) -> str:
    """Why this address may not be reached, in a word; empty when it may."""
    plain = _unwrapped(address)
    if plain in _METADATA:
        return METADATA
    if plain.is_multicast or plain.is_unspecified:
        return NOBODY
    if any(plain in network or address in network for network in networks):
        return ""
    if isinstance(plain, IPv4Address):
        return PRIVATE if any(plain in network for network in _NOT_PUBLIC_4) else ""
    return PRIVATE if plain not in _PUBLIC_6 or any(plain in each for each in _NOT_PUBLIC_6) else ""


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or itself; ``::`` and ``::1`` stand for nothing."""
    if isinstance(address, IPv4Address) or int(address) < 2:
        return address
    for network, shift in _STANDING_FOR:
        if address in network:
            return IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return IPv6Address(int(address))  # without its scope


def refused_among(addresses: Sequence[str], networks: Sequence[Network]) -> str:
    """Why a name may not be reached that resolves to these: one bad address is enough, since whoever answers so means
    to lead elsewhere.  Empty when all may be."""
    return next((why for each in addresses if (why := refusal(ip_address(each), networks))), "")
