"""Where a request really came from: proxies that the settings name are believed, nobody else is."""

from urllib.parse import urlsplit

from aiohttp import web

from api.access.attempts import parse_address
from api.access.sessions import Client
from api.context import context
from core.settings import Network

# What watches the service by its address is answered under any name.
PROBES = ("/healthz", "/readyz", "/metrics")


def client_of(request: web.Request) -> Client:
    """Address and browser, as the owner of a session recognises them."""
    browser = "".join(each for each in request.headers.get("User-Agent", "") if each.isprintable())
    return Client(address_of(request), browser[:120])


def address_of(request: web.Request) -> str:
    """The last address of the way here that no proxy of ours wrote on behalf of somebody else."""
    proxies = context(request).settings.http_proxies
    hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",") if hop.strip()]
    address = request.remote or ""
    while hops and _among(address, proxies):
        address = hops.pop()
    return str(parse_address(address) or request.remote or "")


def is_https(request: web.Request) -> bool:
    """Whether the browser came by https: to us, to a proxy of ours, or because the settings say where the pages are."""
    settings = context(request).settings
    if request.scheme == "https" or settings.public_url.startswith("https:"):
        return True
    forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[-1].strip()
    return forwarded == "https" and _among(request.remote or "", settings.http_proxies)


def names_us(request: web.Request) -> bool:
    """Whether the Host header is the one of ``HUIYIN_PUBLIC_URL``; where that is empty any name will do."""
    expected = urlsplit(context(request).settings.public_url).netloc
    return not expected or request.path in PROBES or request.host.lower() == expected.lower()


def _among(address: str, networks: tuple[Network, ...]) -> bool:
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)
