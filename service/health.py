"""Is a process well?  Asked from outside, the way its users meet it."""

import asyncio
import socket
import urllib.error
import urllib.request
from datetime import datetime

from core.errors import HuiyinError
from core.ids import new_id
from core.settings import Address, Settings
from service.heartbeat import is_alive
from service.wiring import open_archive

TIMEOUT_SECONDS = 5.0


async def check(settings: Settings, process: str, now: datetime) -> str:
    """An empty string when the process is well, else one line that says what is wrong."""
    if process == "recorder":
        return await asyncio.to_thread(ping_sip, settings.sip_bind)
    if process == "web":
        return await asyncio.to_thread(_ready, settings.http_bind)
    async with open_archive(settings) as archive:
        try:
            await archive.database.ping()
            return "" if await is_alive(archive.database, process, now) else f"{process}: no sign of life"
        except HuiyinError as error:
            return str(error)


def ping_sip(address: Address) -> str:
    """Send OPTIONS (RFC 3261, section 11), as gateways do before they route calls here."""
    host = _reachable(address.host)
    branch = new_id().hex
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT_SECONDS)
        try:
            client.connect((host, address.port))
            local = Address(*client.getsockname()[:2])
            client.send(
                (
                    f"OPTIONS sip:{Address(host, address.port)} SIP/2.0\r\n"
                    f"Via: SIP/2.0/UDP {local};branch=z9hG4bK{branch};rport\r\n"
                    f"Max-Forwards: 70\r\nFrom: <sip:health@{local}>;tag={branch[:8]}\r\n"
                    f"To: <sip:{Address(host, address.port)}>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\n"
                    "Content-Length: 0\r\n\r\n"
                ).encode()
            )
            status = client.recv(65535).split(b"\r\n", 1)[0]
        except OSError as error:
            return f"recorder: {Address(host, address.port)} does not answer OPTIONS: {error}"
    return "" if status.startswith(b"SIP/2.0 200") else f"recorder: answered {status.decode(errors='replace')}"


def _ready(address: Address) -> str:
    url = f"http://{Address(_reachable(address.host), address.port)}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return "" if answer.status == 200 else f"web: {url} answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"web: {url} answered {error.code}: {error.read(300).decode(errors='replace')}"
    except OSError as error:
        return f"web: {url} does not answer: {error}"


def _reachable(host: str) -> str:
    """A wildcard address listens everywhere; ask on loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
