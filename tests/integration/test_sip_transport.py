"""The server's sockets, with a core that only echoes what came and from where."""

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.errors import SettingsError, Unavailable
from core.settings import Address, load
from telephony.sip.connections import Limits
from telephony.sip.dialog import Flow
from telephony.sip.message import Message, Request, Response
from telephony.sip.server import Send
from telephony.sip.tls import Certificate, Files, client_context
from telephony.sip.transport import Link, Listeners
from tests.certificates import Authority
from tests.conftest import missing
from tests.servers import Missing


def ping(number: int = 1, *, body: bytes = b"", size: int = 0) -> bytes:
    head = (
        "OPTIONS sip:rec@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {number}\r\nCSeq: {number} OPTIONS\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    padding = size - len(head) - 11 - len(body)
    return (f"{head}X-Pad: {'x' * padding}\r\n\r\n" if size else f"{head}\r\n").encode() + body


@dataclass
class Echo:
    """A core that answers each request with its own body and headers, and keeps the flows."""

    flows: list[Flow] = field(default_factory=list)

    def receive(self, message: Message, flow: Flow, now: float) -> list[Send]:
        assert isinstance(message, Request)
        self.flows.append(flow)
        return [Send(flow, bytes(Response(200, "OK", message.headers, message.body)))]

    def fire(self, now: float) -> list[Send]:
        return []

    def deadline(self) -> float | None:
        return None


@dataclass
class Station:
    listeners: Listeners
    core: Echo
    address: Address

    @property
    def tls(self) -> Address:
        assert self.listeners.tls_address is not None
        return self.listeners.tls_address


@contextlib.asynccontextmanager
async def open_station(certificate: Certificate | None = None, limits: Limits | None = None) -> AsyncIterator[Station]:
    core = Echo()
    listeners = Listeners(core, certificate=certificate, limits=limits)
    address = await listeners.start(Address("127.0.0.1", 0))
    try:
        yield Station(listeners, core, address)
    finally:
        await listeners.stop()


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    async with open_station() as opened:
        yield opened


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def certificate(authority: Authority) -> Certificate:
    return Certificate(Address("127.0.0.1", 0), Files(*authority.issue()))


async def heard(link: Link) -> Response:
    message = await asyncio.wait_for(link.messages.get(), 240)
    assert isinstance(message, Response)
    return message


@contextlib.asynccontextmanager
async def linked(address: Address, transport: str, context: ssl.SSLContext | None = None) -> AsyncIterator[Link]:
    link = await Link.open(address, transport, context)
    try:
        yield link
    finally:
        link.close()


@contextlib.asynccontextmanager
async def raw(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes the connection (or resets it) after what it still sends."""
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 240)
    return True


async def test_a_datagram_of_60000_octets_and_its_answer(station: Station) -> None:
    async with linked(station.address, "UDP") as link:
        sent = ping(body=bytes(range(256)) * 117, size=60_000)
        assert len(sent) == 60_000
        link.send(sent)
        answer = await heard(link)
    assert answer.body == bytes(range(256)) * 117
    assert len(bytes(answer)) > 59_000


async def test_a_datagram_in_fragments(station: Station) -> None:
    """What a router on the way makes of a long INVITE: pieces of 1,480 octets, out of order."""
    sent = ping(body=b"x" * 9000)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.setblocking(False)
        ports = struct.pack("!HH", asking.getsockname()[1], station.address.port)
        # A checksum of 0 says that there is none.
        whole = ports + struct.pack("!HH", 8 + len(sent), 0) + sent
        try:
            raw_socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except PermissionError:
            missing(Missing("raw sockets need root"))
        with raw_socket:
            for start in sorted(range(0, len(whole), 1480), key=lambda at: at % 2960):
                piece = whole[start : start + 1480]
                more = 0x2000 if start + 1480 < len(whole) else 0
                header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(piece), 4711, more | start // 8, 64, 17, 0)
                loopback = socket.inet_aton("127.0.0.1")
                raw_socket.sendto(header + loopback + loopback + piece, ("127.0.0.1", 0))
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(asking, 65535), 240)
    assert answer.endswith(b"x" * 9000)


async def test_an_answer_longer_than_the_path_is_fragmented(station: Station) -> None:
    """No Don't Fragment on datagrams: a router on the way may cut what exceeds its link."""
    transport = station.listeners._udp
    assert transport is not None
    assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_IP, 10) == 0


async def test_noise_in_datagrams_is_counted_and_dropped(station: Station) -> None:
    async with linked(station.address, "UDP") as link:
        for noise in (b"\r\n\r\n", b"\0\0\0\0", b"", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256))):
            link.send(noise)
        link.send(ping())
        assert (await heard(link)).call_id == "1"
    assert station.listeners.dropped == 2


async def test_several_messages_in_one_segment(station: Station) -> None:
    async with linked(station.address, "TCP") as link:
        link.send(b"".join(ping(number, body=b"\r\n\r\n" * number) for number in range(1, 6)))
        answers = [await heard(link) for _ in range(5)]
    assert [(answer.call_id, len(answer.body)) for answer in answers] == [(str(n), 4 * n) for n in range(1, 6)]


async def test_a_message_byte_by_byte(station: Station) -> None:
    async with raw(station.address) as (reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in ping(body=b"\r\n\r\n"):
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n\r\n\r\n"), 240)).startswith(b"SIP/2.0 200 OK")


@pytest.mark.parametrize("chunks", [[b"\r\n\r\n"], [b"\r\n", b"\r\n"], [b"\r", b"\n\r", b"\n"]])
async def test_a_keep_alive_ping_gets_its_pong(station: Station, chunks: list[bytes]) -> None:
    async with raw(station.address) as (reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0.01)
        assert await asyncio.wait_for(reader.readexactly(2), 240) == b"\r\n"
        writer.write(ping())
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 240)).startswith(b"SIP/2.0 200 OK")


async def test_a_flood_of_garbage_is_cut_off(station: Station, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        async with raw(station.address) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
            assert await ended(reader)
    assert station.listeners.dropped == 3
    # One line for one address and minute.
    assert [record.getMessage() for record in caplog.records] == ["trouble with a SIP peer"]


async def test_headers_without_an_end_are_cut_off(station: Station) -> None:
    async with raw(station.address) as (reader, writer):
        writer.write(ping()[:40] + b"x" * 200_000)
        assert await ended(reader)


async def test_a_connection_without_a_message_is_closed() -> None:
    limits = Limits(message_seconds=0.3)
    async with (
        open_station(limits=limits) as station,
        raw(station.address) as (silent, _),
        raw(station.address) as (slow, writer),
    ):
        writer.write(ping()[:50])
        assert await ended(silent)
        assert await ended(slow)


async def test_a_connection_that_brought_a_message_may_be_quiet() -> None:
    limits = Limits(message_seconds=0.3)
    async with (
        open_station(limits=limits) as station,
        linked(station.address, "TCP") as link,
        raw(station.address) as (silent, _),
    ):
        link.send(ping(1))
        await heard(link)
        assert await ended(silent)
        link.send(ping(2))
        assert (await heard(link)).call_id == "2"


async def test_silent_connections_make_room_for_new_ones() -> None:
    async with open_station(limits=Limits(unproven=3)) as station, contextlib.AsyncExitStack() as stack:
        readers = [(await stack.enter_async_context(raw(station.address)))[0] for _ in range(3)]
        link = await stack.enter_async_context(linked(station.address, "TCP"))
        link.send(ping())
        await heard(link)
        assert await ended(readers[0])
        # One has brought a message: there is room again, and nobody else had to go.
        await stack.enter_async_context(raw(station.address))
        assert not readers[1].at_eof()


async def test_no_more_connections_than_descriptors_allow() -> None:
    async with open_station(limits=Limits(connections=1)) as station, linked(station.address, "TCP") as link:
        link.send(ping(1))
        await heard(link)
        async with raw(station.address) as (reader, _):
            assert await ended(reader)
        link.send(ping(2))
        assert (await heard(link)).call_id == "2"


async def test_a_peer_that_reads_nothing_is_cut_off() -> None:
    async with open_station(limits=Limits(unsent=100_000)) as station, raw(station.address) as (reader, writer):
        writer.write(ping())
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 240)
        [flow] = station.core.flows
        while station.listeners.open_connections:
            station.listeners.send([Send(flow, bytes(65536))])
            await asyncio.sleep(0)
        assert await ended(reader)


async def test_answers_return_on_the_connection_that_asked(station: Station, certificate: Certificate) -> None:
    async with linked(station.address, "TCP") as first, linked(station.address, "TCP") as second:
        first.send(ping(1))
        await heard(first)
        second.send(ping(2))
        await heard(second)
        flows = station.core.flows
        assert flows[0].connection != flows[1].connection
        assert [flow.port for flow in flows] == [first.local.port, second.local.port]
        station.listeners.send([Send(flows[0], bytes(Response(200, "OK", (("Call-ID", "later"),))))])
        assert (await heard(first)).call_id == "later"
        assert second.messages.empty()


async def test_what_a_closed_connection_would_have_carried_is_told(
    station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with linked(station.address, "TCP") as link:
        link.send(ping())
        await heard(link)
    while station.listeners.open_connections:  # noqa: ASYNC110 - the kernel tells the server
        await asyncio.sleep(0.01)
    station.listeners.send([Send(station.core.flows[0], b"BYE")])
    assert [record.getMessage() for record in caplog.records] == ["not sent: the peer's connection is closed"]


async def test_an_address_in_use_is_named(station: Station) -> None:
    with pytest.raises(Unavailable, match=str(station.address.port)):
        await Listeners(Echo()).start(station.address)


async def test_tls_carries_messages(certificate: Certificate, authority: Authority) -> None:
    async with open_station(certificate) as station, linked(station.tls, "TLS", authority.trusted()) as link:
        link.send(ping(body=b"x" * 100_000))
        assert len((await heard(link)).body) == 100_000
        [flow] = station.core.flows
        assert (flow.transport, flow.host, flow.reliable) == ("TLS", "127.0.0.1", True)
        assert link.local.port == flow.port


async def test_tls_of_yesterday_is_refused(certificate: Certificate, authority: Authority) -> None:
    old = authority.trusted()
    # The client offers TLS 1.1 at most, with the ciphers of its time.
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with open_station(certificate) as station:
        with pytest.raises(Unavailable):
            await Link.open(station.tls, "TLS", old)
        async with linked(station.tls, "TLS", authority.trusted()) as link:
            link.send(ping())
            await heard(link)


async def test_a_server_that_the_client_does_not_trust(certificate: Certificate, tmp_path: Path) -> None:
    async with open_station(certificate) as station:
        with pytest.raises(Unavailable, match="certificate"):
            await Link.open(station.tls, "TLS", Authority(tmp_path / "other").trusted())
        with pytest.raises(Unavailable):
            await Link.open(station.address, "TLS", client_context(None))


async def test_mutual_tls(authority: Authority, tmp_path: Path) -> None:
    files = Files(*authority.issue(), client_ca=authority.file)
    async with open_station(Certificate(Address("127.0.0.1", 0), files)) as station:
        async with linked(station.tls, "TLS", authority.trusted(client="gateway.test")) as link:
            link.send(ping())
            await heard(link)
        # In TLS 1.3 the client is done before the server has seen that no certificate comes.
        async with linked(station.tls, "TLS", authority.trusted()) as stranger:
            stranger.send(ping())
            assert await asyncio.wait_for(stranger.messages.get(), 240) is None
        forged = Authority(tmp_path / "forged")
        context = authority.trusted()
        context.load_cert_chain(*forged.issue("gateway.test"))
        async with linked(station.tls, "TLS", context) as stranger:
            stranger.send(ping())
            assert await asyncio.wait_for(stranger.messages.get(), 240) is None
    assert len(station.core.flows) == 1


def _serial(link: Link) -> str:
    assert link._stream is not None
    return str(link._stream.get_extra_info("peercert")["serialNumber"])


async def test_a_new_certificate_serves_new_connections_only(
    certificate: Certificate, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trusted = authority.trusted()
    async with open_station(certificate) as station, linked(station.tls, "TLS", trusted) as first:
        old = _serial(first)
        assert certificate.reload() is False
        authority.issue()
        assert certificate.reload() is True
        async with linked(station.tls, "TLS", trusted) as second:
            assert _serial(second) != old
            for link in (first, second):
                link.send(ping())
                assert (await heard(link)).status == 200
    assert [record.getMessage() for record in caplog.records] == ["new SIP certificate in force"]


@pytest.mark.parametrize("harm", ["garbage", "no file", "another's key"])
async def test_a_broken_certificate_leaves_the_old_one_in_force(
    certificate: Certificate, authority: Authority, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    file = authority.directory / "server.pem"
    good = file.read_bytes()
    if harm == "garbage":
        file.write_text("-----BEGIN CERTIFICATE-----\n")
    elif harm == "no file":
        file.unlink()
    else:
        file.write_bytes(authority.issue("other")[0].read_bytes())
    assert certificate.reload() is False
    assert str(file) in str(getattr(caplog.records[0], "facts", ""))
    async with open_station(certificate) as station, linked(station.tls, "TLS", authority.trusted()) as link:
        link.send(ping())
        await heard(link)
    file.write_bytes(good)
    assert certificate.reload() is True


def test_settings_that_miss_a_file_are_named(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue()
    base = {"HUIYIN_SIP_TLS_BIND": "127.0.0.1:5061"}
    both = {**base, "HUIYIN_SIP_TLS_CERTIFICATE": str(certificate), "HUIYIN_SIP_TLS_KEY": str(key)}
    wrong: list[tuple[dict[str, str], str]] = [
        (base, "HUIYIN_SIP_TLS_CERTIFICATE: empty"),
        ({**base, "HUIYIN_SIP_TLS_CERTIFICATE": str(certificate)}, "HUIYIN_SIP_TLS_KEY: empty"),
        ({**both, "HUIYIN_SIP_TLS_KEY": str(tmp_path / "none")}, "HUIYIN_SIP_TLS_KEY: cannot read"),
        ({**both, "HUIYIN_SIP_TLS_CERTIFICATE": str(tmp_path)}, "HUIYIN_SIP_TLS_CERTIFICATE: cannot read"),
        ({**both, "HUIYIN_SIP_TLS_KEY": str(certificate)}, "HUIYIN_SIP_TLS_CERTIFICATE, HUIYIN_SIP_TLS_KEY: "),
        ({**both, "HUIYIN_SIP_TLS_CLIENT_CA": str(key)}, "HUIYIN_SIP_TLS_CLIENT_CA: "),
    ]
    for variables, message in wrong:
        with pytest.raises(SettingsError) as caught:
            Certificate.from_settings(load(variables))
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
    assert Certificate.from_settings(load({})) is None
    found = Certificate.from_settings(load(both))
    assert found is not None
    assert found.bind == Address("127.0.0.1", 5061)
