"""Receiving: a pool of ports, non-blocking sockets, and a timer that reads them in turn into their spools.

One event-loop callback for each datagram costs several times what reading a socket dry costs.  So the packets of an
interval wait in the kernel, whose buffer also rides out a stalled loop, and the kernel's own arrival times are kept.
The timer reads a share of the sockets at each tick, so that no call's signalling waits for the reading of all of them.
"""

import asyncio
import contextlib
import errno
import logging
import random
import secrets
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.clock import Clock, utc_now
from core.errors import NotFound, Unavailable
from core.settings import PortRange
from telephony.rtp.batch import Batch
from telephony.rtp.port import Port
from telephony.rtp.reports import Reports
from telephony.rtp.sockets import bind, check_limits
from telephony.rtp.spool import PENDING_LIMIT, SpoolHeader, SpoolWriter
from telephony.rtp.srtp import Protection

logger = logging.getLogger(__name__)

# Each socket's turn comes once in an interval, of which a tick is this part; a slice is seconds of reading at a time.
TICKS, SLICE = 10, 0.005
# A round of the event loop that takes less has found nothing to do.
IDLE = 0.0003
# RTCP is rare, and the kernel notes when it came: look for it at every fifth turn only.
RTCP_TURNS = 5
# What all streams together may hold back while their disk refuses writes.
PENDING_OF_ALL = 256 << 20
# The kernel's buffer holds less than this many times that; a sender that never ends must not hold up the closing.
LAST_READS = 8


@dataclass(frozen=True)
class Condition:
    """How a stream is received: seconds since its last packet, and the share lost within the last five seconds."""

    quiet_seconds: float
    lost: float


class Capture:
    """Ports of a range, RTP on the even one and RTCP above it, each read every ``interval`` seconds while started."""

    def __init__(
        self,
        host: str,
        ports: PortRange,
        *,
        interval: float = 0.2,
        held: int = PENDING_OF_ALL,
        clock: Clock = utc_now,
    ) -> None:
        """``held``: octets that all streams together may hold back while their disk refuses writes."""
        self.host, self.interval, self.clock, self._held = host, interval, clock, held
        self._range = ports
        first_even = ports.first + ports.first % 2
        # First in, first out: a port rests as long as possible, so that stragglers of its last call die away.
        self._free = deque(range(first_even, ports.last, 2))
        self._open: dict[int, Port] = {}
        # Whose turn is next.  A closed port leaves when its turn comes.
        self._turns: deque[Port] = deque()
        self._failing: set[Port] = set()
        # Spools of closed ports that the disk has not taken whole, by directory.
        self._late: dict[Path, list[SpoolWriter]] = {}
        self._batch = Batch()
        # Random, and the same for as long as we run (RFC 7022 §4.2).
        self._cname = secrets.token_urlsafe(12)
        self._timer: asyncio.Task[None] | None = None

    @property
    def open_ports(self) -> int:
        """How many streams are being received."""
        return len(self._open)

    @property
    def failing(self) -> tuple[int, ...]:
        """Ports whose spool refuses writes at present."""
        return tuple(port.number for port in self._failing)

    def open(self, file: Path, *, protection: Protection | None = None, mux: bool = False) -> int:
        """Receive one stream into ``file`` (a new rtpdump) and return its RTP port; ``mux``: RTCP comes there as well.

        Raises ``Unavailable`` when no port, no descriptor or no file can be had.
        """
        number, rtp, rtcp = self._bind_pair(mux=mux)
        opened_at = self.clock()
        try:
            # Readers of the format want an address, so a host name will not do.
            spool = SpoolWriter(file, SpoolHeader(rtp.getsockname()[0], number, opened_at))
        except OSError as error:
            for sock in filter(None, (rtp, rtcp)):
                sock.close()
            self._free.append(number)
            raise Unavailable("cannot create a spool file", file=file, **_found(error)) from error
        reports = Reports(secrets.randbits(32), self._cname, random.random, time.monotonic())
        port = self._open[number] = Port(number, rtp, rtcp, spool, opened_at, reports)
        port.protection = protection
        self._turns.append(port)
        self._flush(port)
        return number

    def protect(self, port: int, protection: Protection | None) -> None:
        """Take what comes from now on as protected otherwise."""
        entry = self._caught_up(port)
        entry.protection = protection

    def pause(self, port: int) -> None:
        """Count RTP that comes from now on, but keep none of it."""
        self._caught_up(port).paused = True

    def resume(self, port: int) -> None:
        """Keep what comes from now on."""
        self._caught_up(port).paused = False

    def close(self, port: int) -> Mapping[str, Any]:
        """Read the port a last time and free it; returns the receive statistics.

        What was received is handed to the operating system; nobody waits for the disk here.
        """
        entry = self._caught_up(port)
        counts = entry.statistics()
        del self._open[port]
        self._failing.discard(entry)
        self._free.append(port)
        if not entry.close():
            self._keep_late(entry)
        return counts

    def _keep_late(self, port: Port) -> None:
        """Nothing was received: then nothing waits, and a call that could not begin holds no file open."""
        if port.packets or port.rtcp_packets:
            self._late.setdefault(port.spool.file.parent, []).append(port.spool)
            facts = {"port": port.number, "error": port.spool.error}
            logger.error("a spool waits for the disk", extra={"facts": facts})
        else:
            port.spool.abandon()

    def written(self, directory: Path) -> bool:
        """Whether the disk has taken everything of the ports that spooled into ``directory`` and were closed; what it
        had refused is tried again.  Another thread may ask, for directories into which no port is open any more."""
        late = [spool for spool in self._late.pop(directory, []) if not spool.close()]
        if late:
            self._late[directory] = late
        return not late

    def quiet_seconds(self, port: int) -> float:
        """Seconds without RTP or RTCP, as of the last look: a stalled event loop is not a silent stream."""
        entry = self._entry(port)
        return max(0.0, entry.visited - entry.heard)

    def condition(self, port: int) -> Condition | None:
        """How a stream is received now; ``None`` for a port that is not open."""
        entry = self._open.get(port)
        return Condition(self.quiet_seconds(port), entry.reports.lost) if entry else None

    def start(self) -> None:
        """Begin to read on the running event loop."""
        check_limits(self.host, self._range)
        self._timer = asyncio.get_running_loop().create_task(self._run(), name="rtp-drain")

    async def stop(self) -> None:
        """End the timer and close every port that is still open."""
        if self._timer:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer
        for port in list(self._open):
            self.close(port)
        for directory in list(self._late):
            if not self.written(directory):
                for spool in self._late.pop(directory):
                    spool.abandon()
                logger.error("a spool is incomplete", extra={"facts": {"directory": directory.name}})

    def drain(self) -> None:
        """Read every socket into its spool.  The timer does it piece by piece; calling this in between does no harm."""
        for port in self._open.values():
            self._read_all(port)
        self._settle()

    def _caught_up(self, number: int) -> Port:
        """A port that has been read dry."""
        port = self._entry(number)
        for _ in range(LAST_READS):
            if not self._read_all(port):
                break
        self._settle()
        return port

    def _entry(self, port: int) -> Port:
        entry = self._open.get(port)
        if entry is None:
            raise NotFound("no such RTP port is open", port=port)
        return entry

    def _read_all(self, port: Port) -> bool:
        more = [self._batch.read(port, sock) for sock in port.sockets]
        return any(more)

    def _settle(self) -> None:
        for port in self._batch.settle():
            self._flush(port)

    def _flush(self, port: Port) -> None:
        """One stream's disk trouble is its own: mark it, say so once, and let the others go on."""
        failing = not port.spool.flush()
        if failing and port not in self._failing:
            self._failing.add(port)
            logger.error("a spool refuses writes", extra={"facts": {"port": port.number, "error": port.spool.error}})
        if failing:
            # A full disk hits all streams at once: what they hold back together must not eat the memory.
            port.spool.limit = min(PENDING_LIMIT, self._held // len(self._failing))
        elif port in self._failing:
            self._failing.discard(port)
            logger.warning("a spool takes writes again", extra={"facts": {"port": port.number}})

    async def _run(self) -> None:
        loop, tick = asyncio.get_running_loop(), self.interval / TICKS
        last, owed = loop.time(), 0.0
        while True:
            if owed < 1:
                await asyncio.sleep(tick)
            now = loop.time()
            # A stall makes all sockets due, once.
            owed = min(owed + (now - last) / self.interval * len(self._turns), len(self._turns))
            owed -= self._take_turns(int(owed))
            last = now
            # What is behind is read in slices.  As long as one took belongs to signalling, where that has work: packets
            # can wait for seconds, and read together they cost less; a gateway whose INVITE waits gives up.
            await _yield(loop.time() - now)

    def _take_turns(self, most: int) -> int:
        """Read the sockets of the next ``most`` ports, or as many as a slice of time allows; returns how many."""
        seen: list[Port] = []
        until = time.monotonic() + SLICE
        for _ in range(most):
            port = self._turns.popleft()
            if port.closed:
                continue
            self._turns.append(port)
            seen.append(port)
            port.turns += 1
            self._batch.read(port, port.rtp)
            if port.rtcp is not None and port.turns % RTCP_TURNS == 0:
                self._batch.read(port, port.rtcp)
            if port in self._failing:
                self._flush(port)
            if port.visited > until:
                break
        self._settle()
        for port in seen:
            if port.visited >= port.reports.due:
                port.report(port.visited)
        return len(seen)

    def _bind_pair(self, *, mux: bool) -> tuple[int, socket.socket, socket.socket | None]:
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                rtp = bind(self.host, port)
                try:
                    return port, rtp, None if mux else bind(self.host, port + 1)
                except OSError:
                    rtp.close()
                    raise
            except OSError as error:
                self._free.append(port)
                if error.errno != errno.EADDRINUSE:
                    raise Unavailable("cannot bind an RTP port", host=self.host, port=port, **_found(error)) from error
        raise Unavailable("no RTP port is free", open=len(self._open), remedy="widen HUIYIN_RTP_PORTS")


async def _yield(seconds: float) -> None:
    """Leave the loop to others for so long, or until they have nothing to do."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    until = now + seconds
    while now < until:
        before = now
        await asyncio.sleep(0)
        now = loop.time()
        if now - before < IDLE:
            return


def _found(error: OSError) -> dict[str, Any]:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return {"found": error.strerror, "remedy": "raise the limit of open files (ulimit -n, LimitNOFILE=)"}
    return {"found": error.strerror}
