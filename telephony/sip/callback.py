"""Connections of ours to gateways that have closed theirs: a call outlives the connection that brought it.

RFC 3261 §18.2.2 looks for a peer whose connection is gone at the address that it came from and the port that its Via
names.  Only requests of ours go this way; answers nobody waits for any more are lost with their connection.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable

from telephony.sip.dialog import Flow
from telephony.sip.message import Message, StreamParser

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
# Gateways are few; more places than these are somebody's play.
_MOST_PLACES = 256
_MOST_WAITING = 1024 * 1024

_Place = tuple[str, int]


class CallBacks:
    """One connection to each place, opened when there is something to send; TCP only."""

    def __init__(self, on_message: Callable[[Message, Flow], None]) -> None:
        self._on_message = on_message
        self._places: dict[_Place, _CallBack] = {}
        # Below zero: the numbers above belong to connections that peers opened.
        self._numbers = itertools.count(-1, -1)

    def __len__(self) -> int:
        return len(self._places)

    def send(self, flow: Flow, data: bytes) -> bool:
        """Whether the data is on its way, or at least waits for a connection."""
        place = flow.host, flow.listens
        if flow.transport != "TCP" or not flow.listens:
            return False
        found = self._places.get(place)
        if found is None:
            if data.startswith(b"SIP/2.0 ") or len(self._places) >= _MOST_PLACES:
                return False
            number = next(self._numbers)
            found = _CallBack(Flow("TCP", *place, number, flow.listens), self._on_message, self._forget)
            self._places[place] = found
        return found.send(data)

    async def close(self) -> None:
        """Close all."""
        for one in list(self._places.values()):
            one.close()
        await asyncio.gather(*(one.task for one in self._places.values()), return_exceptions=True)

    def _forget(self, flow: Flow) -> None:
        self._places.pop((flow.host, flow.listens), None)


class _CallBack(asyncio.Protocol):
    def __init__(self, flow: Flow, on_message: Callable[[Message, Flow], None], gone: Callable[[Flow], None]) -> None:
        self._flow, self._on_message, self._gone = flow, on_message, gone
        self._parser, self._waiting = StreamParser(), bytearray()
        self._transport: asyncio.Transport | None = None
        self.task = asyncio.get_running_loop().create_task(self._connect(), name="sip-call-back")

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: self, self._flow.host, self._flow.listens)
        except OSError as error:
            facts = {"peer": self._flow.host, "why": error.strerror or type(error).__name__}
            log.info("a gateway that closed its connection cannot be reached", extra={"facts": facts})
        finally:
            if self._transport is None:
                self._gone(self._flow)

    def send(self, data: bytes) -> bool:
        if self._transport is None:
            self._waiting += data
        else:
            self._transport.write(data)
        unsent = len(self._waiting) if self._transport is None else self._transport.get_write_buffer_size()
        if unsent > _MOST_WAITING:
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._transport is None:
            self.task.cancel()
        else:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(bytes(self._waiting))
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._parser.feed(data):
                self._on_message(message, self._flow)
        except ValueError:
            # The end of a message that cannot be read is unknown, so the stream is lost.
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone(self._flow)
