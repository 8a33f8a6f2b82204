"""Nobody reaches into the house by asking it to send: real servers on loopback that must hear nothing."""

import asyncio
import gzip
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
import trustme
from aiohttp import web

from api.webhooks.addresses import Reach
from api.webhooks.sending import Post, Tried, masked
from tests.ports import LOOPBACK, free_port
from tests.webhooks import Receiver, receiving, status

OTHER = "127.0.0.2"
# Loopback, private, link-local, metadata, shared, ULA, multicast, unspecified, and the forms in which IPv6 stands for
# 127.0.0.1.
REFUSED = (
    *(LOOPBACK, "::1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.1.1", "169.254.169.254", "100.64.0.1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "ff02::1", "224.0.0.1", "0.0.0.0", "::"),
    *("::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::1"),
)


@dataclass
class Names:
    """A resolver whose owner answers differently each time; the last answer stays."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def trap() -> AsyncIterator[Receiver]:
    """A service of the house that trusts whoever comes from inside."""
    async with receiving() as receiver:
        yield receiver


def poster(*ports: int, networks: str = "", names: Names | None = None) -> Post:
    allowed = tuple(ip_network(each) for each in networks.split())
    post = Post(Reach(frozenset(ports), http=True, networks=allowed), 20.0)
    return replace(post, resolve=names) if names else post


async def send(post: Post, url: str) -> Tried:
    return await post.send(url, {"webhook-id": "1"}, b"{}")


@pytest.mark.parametrize("address", REFUSED)
async def test_a_refused_address_is_not_connected_to(trap: Receiver, address: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    for url in (trap.url(literal), trap.url("hook.example")):
        tried = await send(poster(trap.port, names=Names([[address]])), url)
        assert (tried.status, tried.outcome) == (None, "address refused"), url
    assert trap.heard == []


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1."])
async def test_other_names_of_this_machine_lead_nowhere(trap: Receiver, host: str) -> None:
    """With the machine's own resolver, which knows these spellings."""
    assert (await send(poster(trap.port), trap.url(host))).outcome == "address refused"
    assert trap.heard == []


async def test_a_name_that_turns_inward_after_the_look_is_not_followed(trap: Receiver) -> None:
    """DNS rebinding: what was looked at is what is connected to, and the name is asked once."""
    async with receiving(host=OTHER, port=trap.port) as allowed:
        names = Names([[OTHER], [LOOPBACK]])
        tried = await send(poster(trap.port, networks=f"{OTHER}/32", names=names), trap.url("hook.example"))
        assert tried.status == 204
        assert names.asked == ["hook.example"]
        assert [each.headers["Host"] for each in allowed.heard] == [f"hook.example:{trap.port}"]
        again = await send(poster(trap.port, networks=f"{OTHER}/32", names=names), trap.url("hook.example"))
        assert again.outcome == "address refused"
        assert len(allowed.heard) == 1
    assert trap.heard == []


@pytest.mark.parametrize("answers", [[OTHER, LOOPBACK], [LOOPBACK, OTHER]])
async def test_a_name_with_one_bad_address_is_refused_whole(trap: Receiver, answers: list[str]) -> None:
    async with receiving(host=OTHER, port=trap.port) as allowed:
        post = poster(trap.port, networks=f"{OTHER}/32", names=Names([answers]))
        assert (await send(post, trap.url("hook.example"))).outcome == "address refused"
    assert allowed.heard == trap.heard == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(trap: Receiver, code: int) -> None:
    async with receiving(status(code, Location=trap.url()), host=OTHER) as sly:
        networks = f"{OTHER}/32 {LOOPBACK}/32"
        tried = await send(poster(sly.port, trap.port, networks=networks), sly.url(OTHER))
    assert (tried.status, len(sly.heard)) == (code, 1)
    assert trap.heard == []


async def test_scheme_port_and_user_are_as_the_settings_want(trap: Receiver) -> None:
    post = poster(trap.port, networks="127.0.0.0/8")
    refused = {
        "http": (replace(post, reach=replace(post.reach, http=False)), trap.url()),
        "port": (replace(post, reach=replace(post.reach, ports=frozenset({443}))), trap.url()),
        "user": (post, f"http://user:password@{LOOPBACK}:{trap.port}/"),
        "backslash": (post, f"http://{LOOPBACK}:{trap.port}\\@hook.example/"),
        "line": (post, f"{trap.url()}\r\nX-Injected: 1"),
    }
    for what, (way, url) in refused.items():
        assert (await send(way, url)).outcome == "address refused", what
    assert trap.heard == []
    assert (await send(post, trap.url())).status == 204


async def test_a_proxy_of_the_environment_is_not_asked(trap: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, trap.url(path=""))
    async with receiving(host=OTHER) as receiver:
        assert (await send(poster(receiver.port, networks="127.0.0.0/8"), receiver.url(OTHER))).status == 204
    assert trap.heard == []


async def test_an_unknown_name_and_a_closed_port_are_told_apart() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(host)

    port = free_port()
    post = poster(port, networks="127.0.0.0/8")
    assert (await send(replace(post, resolve=unknown), f"http://hook.example:{port}/")).outcome == "unknown host"
    assert (await send(post, f"http://{LOOPBACK}:{port}/")).outcome == "no connection"


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        ("120", timedelta(seconds=120)),
        ("Fri, 01 Jan 2100 00:00:00 GMT", timedelta(days=10_000)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", timedelta(0)),
        ("soon", timedelta(0)),
        ("-5", timedelta(0)),
        ("9" * 40, timedelta(0)),
    ],
)
async def test_how_long_an_answer_asks_us_to_wait(asked: str, waits: timedelta) -> None:
    async with receiving(status(429, **{"Retry-After": asked})) as receiver:
        tried = await send(poster(receiver.port, networks="127.0.0.0/8"), receiver.url())
    assert tried.status == 429
    assert tried.asked == waits or (asked.startswith("Fri") and tried.asked > waits)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)
            await asyncio.sleep(0)

    async with receiving(endless) as receiver:
        tried = await send(poster(receiver.port, networks="127.0.0.0/8"), receiver.url())
    assert (tried.status, len(tried.answer) <= 120) == (200, True)


async def test_a_packed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def packed(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with receiving(packed) as receiver:
        tried = await send(poster(receiver.port, networks="127.0.0.0/8"), receiver.url())
    assert tried.status == 200
    assert "\ufffd" in tried.answer, "the packed octets themselves, which are no text"


@pytest.mark.parametrize(("octets", "outcome"), [(b"220 mail.example ESMTP\r\n", "broken off"), (b"H", "timeout")])
async def test_an_answer_that_is_no_http_and_one_that_never_ends(octets: bytes, outcome: str) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(octets)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    port = free_port()
    async with await asyncio.start_server(serve, LOOPBACK, port):
        post = replace(poster(port, networks="127.0.0.0/8"), seconds=1.0 if outcome == "timeout" else 20.0)
        assert (await send(post, f"http://{LOOPBACK}:{port}/")).outcome == outcome
        await ended.wait()


@pytest.mark.parametrize(
    ("begin", "shown"),
    [
        (b'{"ok":true}', '{"ok":true}'),
        (b"call 13800001234 or 010-12345678", "call 138****1234 or 010-****5678"),
        (b"id 123456", "id *****"),
        (b"your secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "your secret …"),
        (b"<b>\r\n\x1b[31mred\x00", "<b> [31mred"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"ab " * 200, "ab " * 40),
    ],
)
def test_what_is_shown_of_an_answer(begin: bytes, shown: str) -> None:
    assert masked(begin) == shown


async def test_certificates_are_checked_for_the_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "asyncio")
    ours, theirs = trustme.CA(), trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("hook.example").configure_cert(server)
    trusting, strange = ssl.create_default_context(), ssl.create_default_context()
    ours.configure_trust(trusting)
    theirs.configure_trust(strange)
    async with receiving(ssl=server) as receiver:
        post = poster(receiver.port, networks="127.0.0.0/8", names=Names([[LOOPBACK]]))
        found = {
            "right": await send(replace(post, ssl=trusting), receiver.url("hook.example")),
            "other name": await send(replace(post, ssl=trusting), receiver.url("other.example")),
            "other authority": await send(replace(post, ssl=strange), receiver.url("hook.example")),
            "the machine's": await send(post, receiver.url("hook.example")),
        }
    assert {what: each.status or each.outcome for what, each in found.items()} == {
        "right": 204,
        "other name": "certificate",
        "other authority": "certificate",
        "the machine's": "certificate",
    }
    assert len(receiver.heard) == 1
