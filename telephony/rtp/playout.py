"""The second reading of a spool: a run of samples, a stretch at a time, as its survey says.

Memory depends on the stretch, never on the length of the call.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from telephony.rtp.clocks import Piece
from telephony.rtp.codecs import Samples
from telephony.rtp.headers import Integers, Rows, read_headers
from telephony.rtp.lane import Lane
from telephony.rtp.placed import Placed
from telephony.rtp.spool import SpoolReader
from telephony.rtp.survey import Survey
from telephony.rtp.timeline import LIMIT_MS, PREVIEW

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def position_of(moment: datetime, rate: int) -> int:
    """A moment on the timeline, in samples since the Unix epoch."""
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * rate + since.microseconds * rate // 1_000_000


@dataclass
class _Place:
    """Where a source stands while its timestamps are unrolled: the last one, and the run it was in."""

    placed: Placed
    lane: Lane
    last: int = 0
    run: int = -1


class Playout:
    """Plays one spool at ``rate`` samples a second, ``shift_ms`` later than its survey says.  Ask for stretches in
    order.  Positions are samples since the Unix epoch.

    Raises ``OSError`` when the spool cannot be read.
    """

    def __init__(self, survey: Survey, rate: int, shift_ms: float = 0.0) -> None:
        self.survey, self._rate = survey, rate
        self._blocks = SpoolReader(survey.file).blocks(preview=PREVIEW)
        self._began = position_of(survey.header.started_at, rate)
        self._shift_ms, self._row = shift_ms, 0
        self._delays = {number: survey.codecs[number].decoder(rate).delay for number in survey.heard}
        self._places = {placed.source.ssrc: _Place(placed, Lane(survey.codecs, rate)) for placed in survey.placed}
        self._overhang = np.zeros(0, np.int16)
        self._read_all = False
        self._horizon = self._began
        self.first = None if survey.first is None else self._position(survey.first) - max(self._delays.values())
        self.end = self._position(survey.end)

    def _position(self, moment: float) -> int:
        return self._began + round((moment + self._shift_ms) * self._rate / 1000)

    @property
    def late(self) -> int:
        """Packets that came when their place had been played."""
        return sum(place.lane.late for place in self._places.values())

    @property
    def undecodable(self) -> int:
        """Packets that their codec could not read."""
        return sum(place.lane.undecodable for place in self._places.values())

    @property
    def heard_ms(self) -> float:
        """How much came from packets, in milliseconds."""
        return sum(place.lane.heard for place in self._places.values()) * 1000 / self._rate

    def samples(self, start: int, stop: int) -> Samples:
        """The stretch from ``start`` to ``stop``; gaps are zeros, sources that overlap are added."""
        # What comes more than two seconds later than its place is late.
        while not self._read_all and self._horizon < stop + LIMIT_MS * self._rate // 1000:
            self._read_block()
        parts = [place.lane.play(start, stop) for place in self._places.values()]
        buffers = [part for part in parts if part is not None]
        room = max([stop - start, len(self._overhang), *map(len, buffers)])
        played = _add(buffers, self._overhang, room)
        self._overhang = played[stop - start :].copy()
        return played[: stop - start]

    def _read_block(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            self._read_all = True
            return
        rows = read_headers(block)
        kept = np.frombuffer(self.survey.kept[self._row : self._row + rows.settled], np.uint8)
        heard = np.flatnonzero(kept)
        ssrcs = rows.headers["ssrc"][heard]
        for ssrc in np.unique(ssrcs).tolist():
            mine = heard[ssrcs == ssrc]
            self._take(self._places[ssrc], rows, mine)
        self._row += rows.settled

    def _take(self, place: _Place, rows: Rows, mine: Integers) -> None:
        """Place the packets of one source and hand them to its lane."""
        positions = self._positions(place, rows, mine)
        self._horizon = max(self._horizon, int(positions.max()))
        types, sizes = rows.headers["second"][mine] & 0x7F, rows.sizes[mine]
        kinds = types.astype(np.int64) << 32 | sizes
        for kind in np.unique(kinds).tolist():
            alike = np.flatnonzero(kinds == kind)
            payload_type, size = kind >> 32, kind & 0xFFFF_FFFF
            codec = self.survey.codecs[payload_type]
            if codec.rows and codec.native_rate == self._rate:
                octets = rows.data[rows.starts[mine[alike], None] + np.arange(size)]
                place.lane.add_rows(positions[alike], codec.rows(octets))
            else:
                for index in alike.tolist():
                    place.lane.add_payload(int(positions[index]), payload_type, rows.payload(int(mine[index])))

    def _positions(self, place: _Place, rows: Rows, mine: Integers) -> Integers:
        """The samples at which packets begin: timestamps unrolled from the last one, then by the piece they are in."""
        timestamps = rows.headers["timestamp"][mine].astype(np.int64)
        unrolled = place.last + np.cumsum(_signed(np.diff(timestamps, prepend=place.last)))
        pieces, numbers = place.placed.pieces, mine + self._row
        borders = np.searchsorted(numbers, [piece.row for piece in pieces[1:]])
        positions = np.empty(len(mine), np.int64)
        for piece, first, last in zip(pieces, (0, *borders), (*borders, len(mine)), strict=True):
            if first == last:
                continue
            if piece.run != place.run:
                near = piece.timestamp + int(_signed(timestamps[first] - piece.timestamp))
                unrolled[first:] += near - unrolled[first]
                place.run = piece.run
            ticks = unrolled[first:last] - piece.timestamp
            positions[first:last] = self._scaled(ticks, piece) + self._position(piece.anchor)
        place.last = int(unrolled[-1])
        return positions

    def _scaled(self, ticks: Integers, piece: Piece) -> Integers:
        """Ticks as samples of the file.  Without drift nothing is rounded but what does not come out even."""
        per_tick = piece.ms_per_tick * self._rate / 1000
        if piece.scale == 1.0 and per_tick == int(per_tick):
            return ticks * int(per_tick)
        scaled: Integers = np.rint(ticks * (per_tick * piece.scale)).astype(np.int64)
        return scaled


def _signed(difference: Any) -> Any:
    """A difference of timestamps, the short way around (RFC 3550 §5.1: they wrap at 32 bits)."""
    return (difference + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000


def _add(buffers: list[Samples], overhang: Samples, room: int) -> Samples:
    """The sum of the sources and of what hung over from the stretch before, saturated."""
    if len(buffers) == 1 and not overhang.any() and len(buffers[0]) == room:
        return buffers[0]
    if not buffers and not overhang.any():
        return np.zeros(room, np.int16)
    total = np.zeros(room, np.int32)
    total[: len(overhang)] = overhang
    for buffer in buffers:
        total[: len(buffer)] += buffer
    return np.clip(total, -32768, 32767).astype(np.int16)
