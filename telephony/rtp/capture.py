"""Receiving: a pool of ports, non-blocking sockets, and one timer that drains all of them into their spools.

One event-loop callback for each datagram costs several times what reading a socket dry costs.  So the packets of an
interval wait in the kernel, whose buffer also rides out a stalled loop, and the kernel's own arrival times are kept.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import selectors
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from core.clock import Clock, utc_now
from core.errors import NotFound, Unavailable
from core.settings import PortRange
from telephony.rtp.spool import RECORD, SpoolHeader, SpoolWriter

logger = logging.getLogger(__name__)

# A G.711 packet occupies about 1 KiB of kernel memory: half a MiB (doubled by Linux) is more than ten seconds.
RECEIVE_BUFFER = 512 << 10
SYNC_EVERY = 5.0
# A flooded port yields to its neighbours after so many packets or octets, and continues at the next drain.
MOST_AT_ONCE = 3000
ENOUGH = 512 << 10
# The kernel's buffer holds less than this many times that; a sender that never ends must not hold up the closing.
LAST_DRAINS = 8
# Foreign senders are told apart up to this many; a spray of forged addresses must not eat memory.
MOST_FOREIGN = 64
# <asm-generic/socket.h>: arrival times as a struct timespec in an ancillary message.  Elsewhere the drain's serves.
SO_TIMESTAMPNS = 35 if sys.platform == "linux" else None
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)


class _Port:
    """One stream: its two sockets, its spool and what was counted."""

    def __init__(self, port: int, rtp: socket.socket, rtcp: socket.socket, spool: SpoolWriter, at: datetime) -> None:
        self.port, self.rtp, self.rtcp, self.spool, self.opened_at = port, rtp, rtcp, spool, at
        self.opened_ns, self.heard = time.monotonic_ns(), time.monotonic()
        self.packets = self.octets = self.rtcp_packets = 0
        # Milliseconds since the opening; -1: nothing yet.
        self.first_ms = self.last_ms = -1
        self.source: Any = None
        self.foreign: dict[Any, int] = {}

    def sent_by(self, sender: Any, offset_ms: int) -> Any:
        """Note a packet that is not from ``source``: the very first, or a foreign one.  Returns ``source``."""
        if self.source is None:
            self.source, self.first_ms = sender, offset_ms
        elif sender in self.foreign or len(self.foreign) < MOST_FOREIGN:
            self.foreign[sender] = self.foreign.get(sender, 0) + 1
        return self.source

    def statistics(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "packets": self.packets,
            "bytes": self.octets,
            "rtcp_packets": self.rtcp_packets,
            "first_at": self._moment(self.first_ms),
            "last_at": self._moment(self.last_ms),
            "foreign_sources": len(self.foreign),
            "foreign_packets": sum(self.foreign.values()),
            "unspooled_packets": self.spool.refused,
            "unspooled_bytes": len(self.spool.pending),
            "spool_error": self.spool.error,
        }

    def _moment(self, offset_ms: int) -> str | None:
        return None if offset_ms < 0 else (self.opened_at + timedelta(milliseconds=offset_ms)).isoformat()


class Capture:
    """Ports of a range, RTP on the even one and RTCP above it, drained every ``interval`` seconds while started."""

    def __init__(self, host: str, ports: PortRange, *, interval: float = 0.1, clock: Clock = utc_now) -> None:
        self.host, self.interval, self.clock = host, interval, clock
        first_even = ports.first + ports.first % 2
        # First in, first out: a port rests as long as possible, so that stragglers of its last call die away.
        self._free = deque(range(first_even, ports.last, 2))
        self._open: dict[int, _Port] = {}
        self._failing: set[_Port] = set()
        self._selector = selectors.DefaultSelector()
        # Room for the longest datagram behind the last that is enough.
        self._arena = bytearray(ENOUGH + RECORD.size + 65536)
        self._view = memoryview(self._arena)
        self._drained = time.monotonic()
        self._timer: asyncio.Task[None] | None = None
        self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-sync")
        self._syncing: Future[None] | None = None
        self._synced = time.monotonic()

    @property
    def open_ports(self) -> int:
        """How many streams are being received."""
        return len(self._open)

    @property
    def failing(self) -> tuple[int, ...]:
        """Ports whose spool refuses writes at present."""
        return tuple(port.port for port in self._failing)

    def open(self, file: Path) -> int:
        """Receive one stream into ``file`` (a new rtpdump) and return its RTP port.

        Raises ``Unavailable`` when no port, no descriptor or no file can be had.
        """
        port, rtp, rtcp = self._bind_pair()
        opened_at = self.clock()
        try:
            # Readers of the format want an address, so a host name will not do.
            spool = SpoolWriter(file, SpoolHeader(rtp.getsockname()[0], port, opened_at))
        except OSError as error:
            rtp.close()
            rtcp.close()
            self._free.append(port)
            raise Unavailable("cannot create a spool file", file=file, found=error.strerror) from error
        entry = self._open[port] = _Port(port, rtp, rtcp, spool, opened_at)
        self._selector.register(rtp, selectors.EVENT_READ, entry)
        self._selector.register(rtcp, selectors.EVENT_READ, entry)
        self._flush(entry)
        return port

    def close(self, port: int) -> Mapping[str, Any]:
        """Drain the port a last time, sync its spool, free it; returns the receive statistics."""
        entry = self._entry(port)
        shift = time.monotonic_ns() - time.time_ns()
        for sock in (entry.rtp, entry.rtcp):
            for _ in range(LAST_DRAINS):
                if not self._drain_socket(sock, entry, shift):
                    break
            self._selector.unregister(sock)
            sock.close()
        del self._open[port]
        self._failing.discard(entry)
        self._free.append(port)
        if not entry.spool.close():
            logger.error("a spool is incomplete", extra={"facts": {"port": port, "error": entry.spool.error}})
        return entry.statistics()

    def quiet_seconds(self, port: int) -> float:
        """Seconds without RTP or RTCP, as of the last drain: a stalled event loop is not a silent stream."""
        return max(0.0, self._drained - self._entry(port).heard)

    def start(self) -> None:
        """Begin to drain on the running event loop."""
        _allow_many_files()
        self._timer = asyncio.get_running_loop().create_task(self._run(), name="rtp-drain")

    async def stop(self) -> None:
        """End the timer and close every port that is still open."""
        if self._timer:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer
        for port in list(self._open):
            self.close(port)
        self._syncer.shutdown()
        self._selector.close()

    def drain(self) -> None:
        """Read every socket dry into its spool.  The timer calls this; calling it in between does no harm."""
        ready: set[_Port] = set()
        shift = time.monotonic_ns() - time.time_ns()
        for key, _ in self._selector.select(0):
            self._drain_socket(cast(socket.socket, key.fileobj), key.data, shift)
            ready.add(key.data)
        for entry in ready | self._failing:
            self._flush(entry)
        self._drained = time.monotonic()

    def _drain_socket(self, sock: socket.socket, entry: _Port, shift: int) -> bool:
        """Read one socket, as records side by side in the arena; returns whether there may be more.

        ``shift`` is monotonic minus wall-clock time in ns: a stepped clock moves nothing.
        """
        # Local names: this runs for every packet.
        receive, pack, unpack = sock.recvmsg_into, RECORD.pack_into, _TIMESPEC.unpack
        arena, view = self._arena, self._view
        on_rtcp_port, source, head = sock is entry.rtcp, entry.source, RECORD.size
        base = entry.opened_ns - shift
        drain_ms = max(0, (time.time_ns() - base) // 1_000_000)
        end = packets = rtcp_packets = rtcp_octets = 0
        try:
            for _ in range(MOST_AT_ONCE):
                size, ancillary, _, sender = receive([view[end + head :]], _ANCILLARY)
                offset_ms = drain_ms
                if ancillary:
                    seconds, nanoseconds = unpack(ancillary[0][2])
                    offset_ms = max(0, (seconds * 1_000_000_000 + nanoseconds - base) // 1_000_000)
                if not size:
                    continue
                # RFC 5761 §4: the second octet tells RTCP from RTP on one port.
                if on_rtcp_port or 192 <= arena[end + head + 1] <= 223:
                    pack(arena, end, size + head, 0, offset_ms)
                    rtcp_packets += 1
                    rtcp_octets += size
                else:
                    pack(arena, end, size + head, size, offset_ms)
                    packets += 1
                    entry.last_ms = offset_ms
                    if sender != source:
                        source = entry.sent_by(sender, offset_ms)
                end += size + head
                if end >= ENOUGH:
                    break
            more = True
        except BlockingIOError:
            more = False
        except OSError as error:
            more = False
            logger.warning("a socket failed", extra={"facts": {"port": entry.port, "error": error.strerror}})
        if end:
            entry.spool.append_records(view[:end], packets + rtcp_packets)
            entry.heard = time.monotonic()
            entry.packets += packets
            entry.rtcp_packets += rtcp_packets
            entry.octets += end - rtcp_octets - head * (packets + rtcp_packets)
        return more

    def _flush(self, entry: _Port) -> None:
        """One stream's disk trouble is its own: mark it, say so once, and let the others go on."""
        failing = not entry.spool.flush()
        if failing and entry not in self._failing:
            self._failing.add(entry)
            logger.error("a spool refuses writes", extra={"facts": {"port": entry.port, "error": entry.spool.error}})
        elif not failing and entry in self._failing:
            self._failing.discard(entry)
            logger.warning("a spool takes writes again", extra={"facts": {"port": entry.port}})

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            # A late drain does not make up for the ones it missed: it has emptied the sockets already.
            due = max(due + self.interval, loop.time())
            await asyncio.sleep(due - loop.time())
            self.drain()
            self._sync_when_due()

    def _sync_when_due(self) -> None:
        """Sync all spools in a thread of its own, one round at a time: a slow disk stretches the rounds."""
        now = time.monotonic()
        if now - self._synced < SYNC_EVERY or (self._syncing and not self._syncing.done()):
            return
        self._synced = now
        spools = [entry.spool for entry in self._open.values()]
        self._syncing = self._syncer.submit(_sync_all, spools)

    def _entry(self, port: int) -> _Port:
        try:
            return self._open[port]
        except KeyError:
            raise NotFound("no stream is received on this port", port=port) from None

    def _bind_pair(self) -> tuple[int, socket.socket, socket.socket]:
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                rtp = _bind(self.host, port)
                try:
                    return port, rtp, _bind(self.host, port + 1)
                except OSError:
                    rtp.close()
                    raise
            except OSError as error:
                self._free.append(port)
                if error.errno != errno.EADDRINUSE:
                    raise Unavailable(
                        "cannot bind an RTP port", host=self.host, port=port, found=error.strerror
                    ) from error
        raise Unavailable("no RTP port is free", open=len(self._open), remedy="widen HUIYIN_RTP_PORTS")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if SO_TIMESTAMPNS is not None:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _sync_all(spools: list[SpoolWriter]) -> None:
    for spool in spools:
        spool.sync()


def _allow_many_files() -> None:
    """A stream needs three descriptors; the usual soft limit of 1,024 would end at 340 streams."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
