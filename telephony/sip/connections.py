"""Stream connections to the server, TCP and TLS: accepted, counted, bounded, and closed when they bring no SIP."""

import asyncio
import itertools
import logging
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from telephony.sip.dialog import Flow
from telephony.sip.message import Message, StreamParser
from telephony.sip.notes import Notes

log = logging.getLogger(__name__)

# A handshake record of any version of TLS; no SIP message begins so.
_TLS_HELLO = b"\x16\x03"
_BACKLOG = 512
_RETRY_ACCEPT_SECONDS = 0.2
_FAREWELL_SECONDS = 1.0
# A peer that has vanished is found after 2 minutes, even while nothing is said.
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3))

Context = Callable[[], ssl.SSLContext]


@dataclass(frozen=True)
class Limits:
    """What peers may cost.  ``connections``: each is a descriptor; gateways use one, a few, or one for each call.

    ``unproven``: those that have not brought a message yet, TLS handshakes included; the oldest makes room for the
    newest.  ``message_seconds``: a message must be complete so long after its first octet, and the first one after the
    connection; senders of requests wait as long (RFC 3261 Timer B).  ``unsent``: octets for a peer that reads nothing.
    """

    connections: int = 4096
    unproven: int = 512
    message_seconds: float = 32.0
    unsent: int = 1024 * 1024


class Connections:
    """Every stream connection of one server; each has a number by which answers find it."""

    def __init__(
        self, on_message: Callable[[Message, Flow], None], admits: Callable[[str], bool], limits: Limits
    ) -> None:
        """``admits`` says whether an address may connect at all: strangers must not use up the connections."""
        self._on_message, self._admits, self.limits = on_message, admits, limits
        self._numbers = itertools.count(1)
        self._open: dict[int, _Connection] = {}
        self._unproven: dict[int, _Connection] = {}
        self._accepting: list[asyncio.Task[None]] = []
        self._notes = Notes(_tell)
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._open)

    def listen(self, listening: socket.socket, context: Context | None = None) -> None:
        """Accept connections on a listening socket, with TLS where ``context`` gives one for each."""
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._accept(listening, context), name="sip-accept")
        self._accepting.append(task)

    async def close(self) -> None:
        """Accept no more and close all; a peer that does not read must not hold up the end."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for end in (_Connection.close, _Connection.abort):
            for connection in list(self._open.values()):
                end(connection)
            if self._open:
                closing = [connection.closed for connection in self._open.values()]
                await asyncio.wait(closing, timeout=_FAREWELL_SECONDS)

    def send(self, number: int, data: bytes) -> bool:
        """Whether the connection still stands to take the data."""
        connection = self._open.get(number)
        return connection is not None and connection.send(data)

    async def _accept(self, listening: socket.socket, context: Context | None) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                try:
                    accepted, address = await loop.sock_accept(listening)
                except OSError as error:
                    # Out of descriptors, or the peer is already gone: those who have connected must not suffer.
                    log.error("cannot accept a SIP connection", extra={"facts": {"why": error.strerror}})
                    await asyncio.sleep(_RETRY_ACCEPT_SECONDS)
                    continue
                self._welcome(accepted, address[0], context)

    def _welcome(self, accepted: socket.socket, host: str, context: Context | None) -> None:
        if not self._admits(host):
            self.note(host, "address not in HUIYIN_SIP_ALLOW")
            accepted.close()
        elif len(self._open) >= self.limits.connections:
            self.note(host, "too many connections")
            accepted.close()
        else:
            if len(self._unproven) >= self.limits.unproven:
                next(iter(self._unproven.values())).abort()
            number = next(self._numbers)
            connection = _Connection(self, number, host, "TCP" if context is None else "TLS")
            self._open[number] = self._unproven[number] = connection
            connection.begin(accepted, None if context is None else context())

    # What a connection tells.

    def note(self, host: str, why: str) -> None:
        """Something is wrong with a peer."""
        self._notes.add(host, why, time.monotonic())

    def received(self, number: int, message: Message, flow: Flow) -> None:
        self._unproven.pop(number, None)
        self._on_message(message, flow)

    def lost(self, number: int) -> None:
        self._open.pop(number, None)
        self._unproven.pop(number, None)


class _Connection(asyncio.Protocol):
    def __init__(self, connections: Connections, number: int, host: str, transport: str) -> None:
        self._connections, self._number, self._host = connections, number, host
        self._flow = Flow(transport, host, 0, number)
        self._parser = StreamParser()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._line_breaks = b""
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._limits = connections.limits
        self._deadline: asyncio.TimerHandle | None = loop.call_later(self._limits.message_seconds, self._too_slow)

    def begin(self, accepted: socket.socket, context: ssl.SSLContext | None) -> None:
        self._task = asyncio.get_running_loop().create_task(self._begin(accepted, context), name="sip-connection")

    async def _begin(self, accepted: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        handshake = self._limits.message_seconds
        timeouts = {} if context is None else {"ssl_handshake_timeout": handshake, "ssl_shutdown_timeout": 1.0}
        try:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEP_ALIVE:
                accepted.setsockopt(socket.IPPROTO_TCP, option, value)
            await loop.connect_accepted_socket(lambda: self, accepted, ssl=context, **timeouts)
        except OSError as error:
            why = getattr(error, "reason", None) or error.strerror or type(error).__name__
            self._connections.note(self._host, f"no {self._flow.transport} connection: {why}")
        finally:
            if self._transport is None:
                accepted.close()
                self._end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername") or (self._host, 0)
        self._flow = Flow(self._flow.transport, peer[0], peer[1], self._number)

    def data_received(self, data: bytes) -> None:
        if not self._parser.pending and not data.strip(b"\r\n"):
            self._answer_ping(data)
            return
        if data.startswith(_TLS_HELLO) and not self._parser.pending:
            self._connections.note(self._host, "speaks TLS where only TCP is spoken; see HUIYIN_SIP_TLS_BIND")
            self.abort()
            return
        try:
            for message in self._parser.feed(data):
                self._connections.received(self._number, message, self._flow)
                self._stop_watch()
        except ValueError as error:
            # The end of a message that cannot be read is unknown, so the stream is lost.
            self._connections.dropped += 1
            self._connections.note(self._host, f"no SIP on a connection: {error}")
            self.close()
            return
        if self._parser.pending and self._deadline is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._limits.message_seconds, self._too_slow)

    def connection_lost(self, error: Exception | None) -> None:
        self._end()

    def send(self, data: bytes) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._limits.unsent:
            self._connections.note(self._host, "reads no answers")
            self.abort()
        return True

    def close(self) -> None:
        """Close; what waits to be sent is dropped, for its peer does not read."""
        if self._transport is None or self._transport.get_write_buffer_size():
            self.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self._task is not None:
            self._task.cancel()

    def _answer_ping(self, line_breaks: bytes) -> None:
        """A double line break between messages wants a single one back (RFC 5626 §3.5.1)."""
        self._line_breaks += line_breaks
        if b"\r\n\r\n" in self._line_breaks:
            self.send(b"\r\n")
            self._line_breaks = b""
        self._line_breaks = self._line_breaks[-3:]

    def _too_slow(self) -> None:
        self._deadline = None
        self._connections.note(self._host, "sends no complete SIP message")
        self.abort()

    def _stop_watch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._stop_watch()
        self._connections.lost(self._number)
        if not self.closed.done():
            self.closed.set_result(None)


def _tell(host: str, why: str, times: int) -> None:
    log.warning("trouble with a SIP peer", extra={"facts": {"peer": host, "why": why, "times": times}})
