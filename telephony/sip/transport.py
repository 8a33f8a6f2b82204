"""The server's sockets: UDP and TCP on one port, TLS on another; and one link for a client."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from core.errors import Unavailable
from core.settings import Address
from telephony.sip.callback import CallBacks
from telephony.sip.connections import Connections, Limits
from telephony.sip.dialog import Flow
from telephony.sip.message import Message, StreamParser, parse
from telephony.sip.server import Send
from telephony.sip.tls import Certificate

log = logging.getLogger(__name__)

_RECEIVE_BUFFER = 4 * 1024 * 1024
# linux/in.h: fragments are no error, so that an answer longer than the path's packets arrives.
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT = 10, 0


class Core(Protocol):
    """What the listeners drive; times are of ``time.monotonic``."""

    def receive(self, message: Message, flow: Flow, now: float) -> list[Send]: ...

    def fire(self, now: float) -> list[Send]: ...

    def deadline(self) -> float | None: ...


class Listeners:
    """Feeds a core from UDP, TCP and TLS, sends what it returns, and keeps its one timer."""

    def __init__(
        self,
        core: Core,
        *,
        certificate: Certificate | None = None,
        admits: Callable[[str], bool] = lambda host: True,
        limits: Limits | None = None,
    ) -> None:
        """``certificate`` opens TLS; ``admits`` says which addresses may open connections."""
        self._core, self._certificate = core, certificate
        self._udp: asyncio.DatagramTransport | None = None
        self._connections = Connections(self.on_message, admits, limits or Limits())
        self._call_backs = CallBacks(self.on_message)
        self._timer: asyncio.TimerHandle | None = None
        self._dropped = 0
        self.tls_address: Address | None = None

    @property
    def dropped(self) -> int:
        """Datagrams and connections that carried no SIP."""
        return self._dropped + self._connections.dropped

    @property
    def open_connections(self) -> int:
        """TCP and TLS connections that stand, handshakes included."""
        return len(self._connections)

    async def start(self, bind: Address) -> Address:
        """Listen; the address of UDP and TCP comes back (port 0 lets the system choose).  ``Unavailable`` if it or that
        of TLS is taken."""
        secure = None if self._certificate is None else _listening(self._certificate.bind)
        try:
            address, datagrams, plain = _pair(bind)
        except Unavailable:
            if secure is not None:
                secure.close()
            raise
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
        self._connections.listen(plain)
        if secure is not None and (certificate := self._certificate) is not None:
            self.tls_address = Address(*secure.getsockname()[:2])
            self._connections.listen(secure, lambda: certificate.context)
        return address

    async def stop(self) -> None:
        """Close everything."""
        if self._timer is not None:
            self._timer.cancel()
        if self._udp is not None:
            self._udp.close()
        await self._call_backs.close()
        await self._connections.close()

    def send(self, sends: Iterable[Send]) -> None:
        """Send now; what a closed connection would have carried is lost, as a datagram may be, unless the peer can be
        called back."""
        for one in sends:
            if not one.flow.reliable:
                if self._udp is not None and not self._udp.is_closing():
                    self._udp.sendto(one.data, (one.flow.host, one.flow.port))
            elif not (
                self._connections.send(one.flow.connection, one.data) or self._call_backs.send(one.flow, one.data)
            ):
                facts = {"peer": one.flow.host, "transport": one.flow.transport, "octets": len(one.data)}
                log.info("not sent: the peer's connection is closed", extra={"facts": facts})
        self._set_timer()

    def on_message(self, message: Message, flow: Flow) -> None:
        self.send(self._core.receive(message, flow, time.monotonic()))

    def on_noise(self, error: ValueError) -> None:
        self._dropped += 1
        log.debug("dropped a datagram that is no SIP message", extra={"facts": {"why": str(error)}})

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


def _pair(bind: Address) -> tuple[Address, socket.socket, socket.socket]:
    """A UDP and a TCP socket on one port; for port 0 on one that is free for both."""
    for last in range(19, -1, -1):
        datagrams = _bound(bind, socket.SOCK_DGRAM)
        # A burst of INVITEs waits in the kernel while one call's facts are synced to disk.
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if datagrams.family == socket.AF_INET:
            datagrams.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        address = Address(*datagrams.getsockname()[:2])
        try:
            return address, datagrams, _listening(address)
        except Unavailable:
            datagrams.close()
            if bind.port or not last:
                raise
    raise AssertionError


def _listening(bind: Address) -> socket.socket:
    return _bound(bind, socket.SOCK_STREAM)


def _bound(bind: Address, kind: socket.SocketKind) -> socket.socket:
    """A bound socket; ``Unavailable`` when the address is taken or not ours."""
    try:
        family, _, _, _, name = socket.getaddrinfo(bind.host, bind.port, type=kind, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind)
    except OSError as error:
        raise Unavailable("SIP cannot listen", address=bind, found=error.strerror or error) from None
    try:
        sock.setblocking(False)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(name)
    except OSError as error:
        sock.close()
        raise Unavailable("SIP cannot listen", address=bind, found=error.strerror or error) from None
    return sock


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
            self._listeners.on_noise(error)
            return
        self._listeners.on_message(message, Flow("UDP", address[0], address[1]))

    def error_received(self, error: Exception) -> None:
        log.debug("a peer refused a datagram", extra={"facts": {"why": type(error).__name__}})


def address_towards(host: str) -> str:
    """The local address from which packets to ``host`` leave (nothing is sent)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        found: str = probe.getsockname()[0]
        return found


class Link:
    """A client's way to one server: datagrams or one connection, TCP or TLS."""

    def __init__(self, transport: str) -> None:
        self.transport = transport.upper()
        # None: the server closed the connection.
        self.messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self.local = Address("0.0.0.0", 0)
        self._datagrams: asyncio.DatagramTransport | None = None
        self._stream: asyncio.Transport | None = None

    @classmethod
    async def open(cls, target: Address, transport: str, context: ssl.SSLContext | None = None) -> "Link":
        """Connect; TLS needs a ``context``.  ``Unavailable`` when nothing listens there or a certificate is refused."""
        link, loop = cls(transport), asyncio.get_running_loop()
        try:
            if link.transport == "UDP":
                link._datagrams, _ = await loop.create_datagram_endpoint(
                    lambda: _ClientDatagrams(link), remote_addr=(target.host, target.port)
                )
                name = link._datagrams.get_extra_info("sockname")
            else:
                secure = context if link.transport == "TLS" else None
                link._stream, _ = await loop.create_connection(
                    lambda: _ClientStream(link), target.host, target.port, ssl=secure
                )
                name = link._stream.get_extra_info("sockname")
        except OSError as error:
            raise Unavailable("no SIP server answers there", address=target, found=_why(error)) from None
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


def _why(error: OSError) -> object:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "reason", None) or error.strerror or error
