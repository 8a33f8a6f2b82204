"""What was read from many sockets, turned into spool records together.

Python's price is paid for each socket that had something, not for each packet: numpy writes the records' heads, counts,
and finds what needs a closer look; the packets of one socket, usually of one length, are copied as one block.
"""

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.arena import AT_ONCE, HEAD, Arena
from telephony.rtp.port import Port

log = logging.getLogger(__name__)

# Packets of a drain that a receiver report needs to see.
_LOOKED_AT = 50
# A flooded port yields to its neighbours after so many packets or octets, and continues at its next turn.
MOST_AT_ONCE = 1024
ENOUGH = 512 << 10


class _Run(NamedTuple):
    """Consecutive slots of one socket."""

    port: Port
    rtcp: bool
    first: int
    number: int


class _Sum(NamedTuple):
    """What numpy found out about a run; ``octets`` are those of RTP, ``strangers`` whether others than the known
    sender are among those who sent it, times are milliseconds since the port was opened."""

    shortest: int
    longest: int
    octets: int
    reports: int
    strangers: bool
    first_ms: int
    last_ms: int


@dataclass
class _Columns:
    """One value for each slot."""

    sizes: NDArray[np.int64]
    offsets_ms: NDArray[np.int64]
    rtcp: NDArray[np.bool_]
    strange: NDArray[np.bool_]


class Batch:
    """Reads sockets into an arena until ``settle`` hands the records to their ports."""

    def __init__(self) -> None:
        self._arena = Arena()
        self._runs: list[_Run] = []
        self._settled: list[Port] = []

    def read(self, port: Port, sock: socket.socket) -> bool:
        """Read one of a port's sockets; returns whether there may be more."""
        arena, taken, octets = self._arena, 0, 0
        port.visited = time.monotonic()
        try:
            while taken < MOST_AT_ONCE and octets < ENOUGH:
                if not arena.room:
                    self._settled += self._hand_over()
                first = arena.used
                asked = min(AT_ONCE, arena.room)
                count = arena.receive(sock, asked)
                if count:
                    self._runs.append(_Run(port, sock is port.rtcp, first, count))
                if count < asked:
                    return False
                taken += count
                octets += arena.octets_from(first)
        except OSError as error:
            log.warning("a socket failed", extra={"facts": {"port": port.number, "error": error.strerror}})
            return False
        return True

    def settle(self) -> Sequence[Port]:
        """Spool everything that was read; returns the ports that got something."""
        ports = [*self._settled, *self._hand_over()]
        self._settled = []
        return ports

    def _hand_over(self) -> list[Port]:
        runs, self._runs = self._runs, []
        if not runs:
            return []
        columns = self._columns(runs)
        moment = time.monotonic()
        for run, total in zip(runs, _sums(runs, columns), strict=True):
            run.port.heard = moment
            if total.strangers:
                self._note_sources(run, columns)
            if not total.shortest or run.port.paused or run.port.protection is not None:
                self._take_singly(run, columns)
            else:
                self._take_together(run, total, columns)
            if moment >= run.port.reports.due_look and not run.rtcp:
                self._look(run, columns)
        self._arena.clear()
        return [run.port for run in runs]

    def _columns(self, runs: Sequence[_Run]) -> _Columns:
        """Measure the slots, and write the records' heads into them."""
        arena = self._arena
        arena.measure()
        count = arena.used
        of = np.repeat(np.arange(len(runs)), [run.number for run in runs])
        now = time.time_ns()
        # Monotonic minus wall-clock time: a stepped clock moves nothing.
        opened = np.array([run.port.opened_ns for run in runs]) - (time.monotonic_ns() - now)
        arrivals = np.where(arena.arrivals[:count] > 0, arena.arrivals[:count], now)
        offsets_ms = np.maximum(arrivals - opened[of], 0) // 1_000_000
        # RFC 5761 §4: the second octet tells RTCP (192 to 223) from RTP on one port.
        rtcp = np.array([run.rtcp for run in runs])[of] | (arena.octets[:count, HEAD + 1] & 0xE0 == 0xC0)
        sources = np.array([run.port.source for run in runs], np.uint64)
        sizes = arena.sizes[:count]
        heads = arena.heads[:count]
        heads["length"] = sizes + HEAD
        heads["size"] = np.where(rtcp, 0, sizes)
        heads["offset_ms"] = offsets_ms
        return _Columns(sizes, offsets_ms, rtcp, (arena.sources[:count] != sources[of]) & ~rtcp)

    def _take_together(self, run: _Run, total: _Sum, columns: _Columns) -> None:
        octets, end = self._arena.octets, run.first + run.number
        if total.shortest == total.longest:
            records = octets[run.first : end, : HEAD + total.longest].tobytes()
        else:
            sizes = columns.sizes[run.first : end].tolist()
            records = b"".join([octets[run.first + i, : HEAD + size].tobytes() for i, size in enumerate(sizes)])
        packets = run.number - total.reports
        run.port.take(records, packets, total.reports, total.octets, total.first_ms, total.last_ms)
        if total.reports:
            for row in np.flatnonzero(columns.rtcp[run.first : end]).tolist():
                slot = run.first + row
                self._hear(run, slot, octets[slot, HEAD : HEAD + columns.sizes[slot]].tobytes(), columns)

    def _take_singly(self, run: _Run, columns: _Columns) -> None:
        for slot in range(run.first, run.first + run.number):
            packet = self._arena.octets[slot, HEAD : HEAD + columns.sizes[slot]].tobytes()
            rtcp = bool(columns.rtcp[slot])
            if (opened := run.port.take_one(packet, int(columns.offsets_ms[slot]), rtcp=rtcp)) and rtcp:
                self._hear(run, slot, opened, columns)

    def _hear(self, run: _Run, slot: int, compound: bytes, columns: _Columns) -> None:
        sock = run.port.rtcp if run.rtcp and run.port.rtcp else run.port.rtp
        run.port.hear(compound, int(columns.offsets_ms[slot]), sock, self._arena.address(slot))

    def _look(self, run: _Run, columns: _Columns) -> None:
        rows = slice(run.first, run.first + run.number)
        slots = np.flatnonzero(~columns.rtcp[rows] & (columns.sizes[rows] >= 12))[-_LOOKED_AT:] + run.first
        heads = self._arena.octets[slots, HEAD : HEAD + 12]
        packets = [head.tobytes() for head in heads]
        run.port.reports.look(list(zip(columns.offsets_ms[slots].tolist(), packets, strict=True)), run.port.counted)

    def _note_sources(self, run: _Run, columns: _Columns) -> None:
        port, sources = run.port, self._arena.sources
        for strange in np.flatnonzero(columns.strange[run.first : run.first + run.number]).tolist():
            slot = run.first + strange
            if not port.source:
                port.source, port.sender = int(sources[slot]), self._arena.address(slot)
            port.note_source(int(sources[slot]))


def _sums(runs: Sequence[_Run], columns: _Columns) -> Iterator[_Sum]:
    starts = np.array([run.first for run in runs])
    ends = starts + np.array([run.number for run in runs])
    return map(
        _Sum,
        np.minimum.reduceat(columns.sizes, starts).tolist(),
        np.maximum.reduceat(columns.sizes, starts).tolist(),
        np.add.reduceat(np.where(columns.rtcp, 0, columns.sizes), starts).tolist(),
        np.add.reduceat(columns.rtcp, starts, dtype=np.int64).tolist(),
        np.logical_or.reduceat(columns.strange, starts).tolist(),
        columns.offsets_ms[starts].tolist(),
        columns.offsets_ms[ends - 1].tolist(),
    )
