"""The only SIP sockets: one UDP and one TCP listener on the same port for the server, one link for a client."""

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import Iterable
from typing import Protocol

from core.errors import Unavailable
from core.settings import Address
from telephony.sip.dialog import Flow
from telephony.sip.message import Message, StreamParser, parse
from telephony.sip.server import Send

log = logging.getLogger(__name__)

# A peer that reads nothing must not fill our memory.
_MAX_UNSENT = 1024 * 1024
_RECEIVE_BUFFER = 4 * 1024 * 1024


class Core(Protocol):
    """What the listeners drive; times are of ``time.monotonic``."""

    def receive(self, message: Message, flow: Flow, now: float) -> list[Send]: ...

    def fire(self, now: float) -> list[Send]: ...

    def deadline(self) -> float | None: ...


class Listeners:
    """Feeds a core from UDP and TCP, sends what it returns, and keeps its one timer."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: dict[int, asyncio.Transport] = {}
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self.dropped = 0

    async def start(self, bind: Address) -> Address:
        """Listen; the address in force comes back (port 0 lets the system choose).  ``Unavailable`` if it is taken."""
        loop = asyncio.get_running_loop()
        for _ in range(20 if bind.port == 0 else 1):
            try:
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(bind.host, bind.port)
                )
                # A burst of INVITEs waits in the kernel while one call's facts are synced to disk.
                self._udp.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
                host, port = self._udp.get_extra_info("sockname")[:2]
                self._tcp = await loop.create_server(lambda: _Connection(self), bind.host, port)
                return Address(host, port)
            except OSError as error:
                failure = error
                if self._udp is not None:
                    self._udp.close()
                    self._udp = None
        raise Unavailable("SIP cannot listen", address=bind, found=failure.strerror or failure)

    async def stop(self) -> None:
        """Close everything."""
        if self._timer is not None:
            self._timer.cancel()
        if self._udp is not None:
            self._udp.close()
        for connection in list(self._connections.values()):
            # A peer that does not read must not hold up the end.
            if connection.get_write_buffer_size():
                connection.abort()
            else:
                connection.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    def send(self, sends: Iterable[Send]) -> None:
        """Send now; what a closed connection would have carried is dropped, as a lost datagram is."""
        for one in sends:
            if not one.flow.reliable:
                if self._udp is not None and not self._udp.is_closing():
                    self._udp.sendto(one.data, (one.flow.host, one.flow.port))
            elif connection := self._connections.get(one.flow.connection):
                connection.write(one.data)
                if connection.get_write_buffer_size() > _MAX_UNSENT:
                    connection.abort()
        self._set_timer()

    def on_message(self, message: Message, flow: Flow) -> None:
        self.send(self._core.receive(message, flow, time.monotonic()))

    def on_connection(self, connection: asyncio.Transport) -> int:
        number = next(self._numbers)
        self._connections[number] = connection
        return number

    def on_disconnection(self, number: int) -> None:
        self._connections.pop(number, None)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._core.deadline()
        if deadline is not None and self._udp is not None and not self._udp.is_closing():
            delay = max(0.0, deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.send(self._core.fire(time.monotonic()))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        # Empty datagrams and bare line breaks keep a NAT open (RFC 5626 §4.4).
        if not data.strip(b"\r\n\0 "):
            return
        try:
            message = parse(data)
        except ValueError as error:
            self._listeners.dropped += 1
            log.debug("dropped a datagram that is no SIP message", extra={"facts": {"why": str(error)}})
            return
        self._listeners.on_message(message, Flow("UDP", address[0], address[1]))

    def error_received(self, error: Exception) -> None:
        log.debug("a peer refused a datagram", extra={"facts": {"why": type(error).__name__}})


class _Connection(asyncio.Protocol):
    def __init__(self, listeners: Listeners) -> None:
        self._listeners, self._parser = listeners, StreamParser()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        self._flow = Flow("TCP", host, port, self._listeners.on_connection(transport))

    def data_received(self, data: bytes) -> None:
        # A double line break is a ping that wants a single one back (RFC 5626 §3.5.1).
        if data == b"\r\n\r\n":
            self._transport.write(b"\r\n")
        try:
            for message in self._parser.feed(data):
                self._listeners.on_message(message, self._flow)
        except ValueError as error:
            # The end of a message that cannot be read is unknown, so the stream is lost.
            self._listeners.dropped += 1
            log.info("closed a connection that sent no SIP", extra={"facts": {"why": str(error)}})
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._listeners.on_disconnection(self._flow.connection)


def address_towards(host: str) -> str:
    """The local address from which packets to ``host`` leave (nothing is sent)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        found: str = probe.getsockname()[0]
        return found


class Link:
    """A client's way to one server: datagrams or one connection."""

    def __init__(self, transport: str) -> None:
        self.transport = transport.upper()
        # None: the server closed the connection.
        self.messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self.local = Address("0.0.0.0", 0)
        self._datagrams: asyncio.DatagramTransport | None = None
        self._stream: asyncio.Transport | None = None

    @classmethod
    async def open(cls, target: Address, transport: str) -> "Link":
        """Connect; ``Unavailable`` when nothing listens there."""
        link, loop = cls(transport), asyncio.get_running_loop()
        try:
            if link.transport == "UDP":
                link._datagrams, _ = await loop.create_datagram_endpoint(
                    lambda: _ClientDatagrams(link), remote_addr=(target.host, target.port)
                )
                name = link._datagrams.get_extra_info("sockname")
            else:
                link._stream, _ = await loop.create_connection(lambda: _ClientStream(link), target.host, target.port)
                name = link._stream.get_extra_info("sockname")
        except OSError as error:
            raise Unavailable("no SIP server answers there", address=target, found=error.strerror or error) from None
        link.local = Address(*name[:2])
        return link

    def send(self, data: bytes) -> None:
        """Send; a link that is closed sends nothing."""
        if self._datagrams is not None and not self._datagrams.is_closing():
            self._datagrams.sendto(data)
        elif self._stream is not None and not self._stream.is_closing():
            self._stream.write(data)

    def close(self) -> None:
        for sending in (self._datagrams, self._stream):
            if sending is not None:
                sending.close()


class _ClientDatagrams(asyncio.DatagramProtocol):
    def __init__(self, link: Link) -> None:
        self._link = link

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self._link.messages.put_nowait(parse(data))
        except ValueError:
            return

    def error_received(self, error: Exception) -> None:
        """Nothing listens yet: the request is sent again, and given up in time."""


class _ClientStream(asyncio.Protocol):
    def __init__(self, link: Link) -> None:
        self._link, self._parser = link, StreamParser()

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._parser.feed(data):
                self._link.messages.put_nowait(message)
        except ValueError:
            self._link.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._link.messages.put_nowait(None)
