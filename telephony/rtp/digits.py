"""Keys that were pressed during a call (``events``), with their times in it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from telephony.rtp.events import Event, Events
from telephony.rtp.headers import Rows
from telephony.rtp.placed import Placed
from telephony.rtp.timeline import Source


@dataclass(frozen=True)
class Digit:
    """``at`` in milliseconds since the spool began."""

    digit: str
    at: float
    duration_ms: int


class Digits:
    """Collects the events of one spool.  ``clocks`` are the payload types of events and their clock rates."""

    def __init__(self, clocks: Mapping[int, int]) -> None:
        self._clocks = clocks
        # By source, run of its clock and payload type; with the arrival and the row of each timestamp's first packet.
        self._events: dict[tuple[int, int, int], tuple[Events, dict[int, tuple[int, int]]]] = {}

    def add(self, sources: Mapping[int, Source], rows: Rows, base: int) -> None:
        """The events of one block, whose first row is row ``base`` of the spool."""
        if not self._clocks:
            return
        types = rows.headers["second"][: rows.settled] & 0x7F
        for row in np.flatnonzero(np.isin(types, list(self._clocks))).tolist():
            if source := sources.get(rows.ssrcs[row]):
                self._feed(source, rows, row, base + row)

    def _feed(self, source: Source, rows: Rows, row: int, number: int) -> None:
        run = max((index for index, run in enumerate(source.runs) if run.row <= number), default=-1)
        near = source.timestamp
        timestamp = near + ((rows.timestamps[row] - near + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000)
        payload_type = rows.payload_types[row]
        key = source.ssrc, run, payload_type
        if key not in self._events:
            self._events[key] = Events(self._clocks[payload_type]), {}
        events, seen = self._events[key]
        events.feed(timestamp, rows.payload(row), rows.markers[row])
        seen.setdefault(timestamp, (number, rows.arrivals[row]))

    def placed(self, sources: Mapping[int, Placed]) -> list[Digit]:
        """All keys in the order in which they were pressed."""
        found = [
            Digit(event.digit, _moment(event, run, seen, sources.get(ssrc)), event.duration_ms)
            for (ssrc, run, _), (events, seen) in self._events.items()
            for event in events.events()
        ]
        return sorted(found, key=lambda digit: digit.at)


def _moment(event: Event, run: int, seen: Mapping[int, tuple[int, int]], placed: Placed | None) -> float:
    """By the clock of the sound around it; before any sound, by its arrival."""
    row, arrival = seen.get(event.timestamp) or next(iter(seen.values()))
    if placed is None or run < 0:
        return float(arrival)
    return placed.piece(row).moment(event.timestamp)
