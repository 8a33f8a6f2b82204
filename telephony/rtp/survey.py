"""The first reading of a spool: headers only.  It decides what is heard and when each of it was spoken.

``playout`` follows it in a second reading.  A survey holds an octet for each packet and a few numbers for each second.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.clocks import fit
from telephony.rtp.codecs import SAMPLE_RATE, Codec, Decoder
from telephony.rtp.digits import Digit, Digits
from telephony.rtp.headers import Control, Integers, Rows, read_headers
from telephony.rtp.placed import SUPPRESSED, Gap, Placed
from telephony.rtp.spool import SpoolHeader, SpoolReader
from telephony.rtp.timeline import PREVIEW, Source
from telephony.rtp.wallclock import Report, Said, believable, read_control

# Sources that one stream may have; further ones are strays.  A transfer makes a few, a spray of packets thousands.
MOST_SOURCES = 32
# Longest call: what lies further from the first packet is a stray.
MOST_MS = 24 * 3600 * 1000.0
# Longest payload of an event or of comfort noise that was not announced: more is sound.
_NO_SOUND = 4
# Two sockets are read one after the other; more than so far back is a damaged record.
BACKWARDS_MS = 60_000
# Sender reports that are kept of one source: seven hours of one every five seconds.
MOST_REPORTS = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clocking(NamedTuple):
    """How a payload type counts: its codec, a decoder that tells lengths, ticks for each sample of 8,000 a second."""

    codec: Codec
    counter: Decoder
    ticks: float
    ms_per_tick: float


@dataclass
class Survey:
    """What one spool holds.  ``kept`` has an octet for each RTP row: 1 where it is heard."""

    file: Path
    header: SpoolHeader
    codecs: Mapping[int, Codec]
    kept: bytearray = field(default_factory=bytearray)
    placed: list[Placed] = field(default_factory=list)
    heard: Counter[int] = field(default_factory=Counter)
    undecoded: Counter[int] = field(default_factory=Counter)
    # Packets, by payload types that nothing is known of, which are too long for anything but sound.
    unknown: Counter[int] = field(default_factory=Counter)
    strays: int = 0
    invalid: int = 0
    rtcp: int = 0
    unread: int = 0
    cut_short: bool = False
    damaged: bool = False
    odd_reports: bool = False
    # Where the first packet lies, by its arrival; nothing is heard a day away from it.
    origin: float = 0.0
    said: Said | None = None
    digits: list[Digit] = field(default_factory=list)

    @property
    def began_ms(self) -> float:
        """When the spool began, in milliseconds since the Unix epoch."""
        since = self.header.started_at - _EPOCH
        return (since.days * 86400 + since.seconds) * 1000 + since.microseconds / 1000

    @property
    def first(self) -> float | None:
        """When the first sound was spoken (milliseconds since the spool began), ``None`` when there is none at all."""
        first = min((placed.first for placed in self.placed), default=None)
        return None if first is None else max(first, self.origin - MOST_MS)

    @property
    def end(self) -> float:
        """When the last sound ended."""
        return min(max((placed.end for placed in self.placed), default=0.0), self.origin + MOST_MS)

    @property
    def rate(self) -> int:
        """The sample rate that a file needs to hold all its sound."""
        return max((self.codecs[payload_type].file_rate for payload_type in self.heard), default=SAMPLE_RATE)

    def gaps(self) -> list[Gap]:
        """What is missing, of every source and between them, in order."""
        found, end = [gap for placed in self.placed for gap in placed.gaps()], None
        for placed in sorted(self.placed, key=lambda placed: placed.first):
            if end is not None and placed.first - end >= 1:
                found.append(Gap(end, placed.first, SUPPRESSED))
            end = placed.end if end is None else max(end, placed.end)
        return sorted(found, key=lambda gap: gap.start)


def survey(file: Path, codecs: Mapping[int, Codec], events: Mapping[int, int] | None = None) -> Survey:
    """Read a spool's headers.  ``events`` are the payload types of telephone events and their clock rates.

    Raises ``ValueError`` when the file is no rtpdump, ``OSError`` when it cannot be read.
    """
    reader = SpoolReader(file)
    reading = _Reading(Survey(file, reader.header, codecs), Digits(events or {}))
    for block in reader.blocks(preview=PREVIEW):
        reading.add(read_headers(block))
    reading.finish()
    reading.found.unread = reader.unread
    reading.found.cut_short, reading.found.damaged = reader.cut_short, reader.damaged
    return reading.found


class _Reading:
    """The survey while it is being made."""

    def __init__(self, found: Survey, digits: Digits) -> None:
        self.found, self._digits = found, digits
        self._sources: dict[int, Source] = {}
        self._reports: dict[int, list[Report]] = {}
        self._names: dict[int, str] = {}
        self._clockings = {number: _clocking(codec) for number, codec in found.codecs.items()}
        self._anything = False

    def add(self, rows: Rows) -> None:
        """One block."""
        found = self.found
        found.rtcp += len(rows.control)
        found.invalid += rows.invalid
        base, kept, sources = len(found.kept), bytearray(rows.settled), self._sources
        ticks, rates = self._lengths(rows)
        ssrcs, misdated, control = rows.ssrcs, _misdated(rows.arrived).tolist(), iter((*rows.control, None))
        report = next(control)
        for row in range(rows.settled):
            while report and report.row <= row:
                self._note_control(report, base)
                report = next(control)
            source = None if misdated[row] else sources.get(ssrcs[row]) or self._new_source(rows, row)
            if source is None:
                found.strays += 1
            elif source.take(rows, row, base + row, ticks[row], rates[row]):
                kept[row] = self._is_near(source)
        while report:
            self._note_control(report, base)
            report = next(control)
        self._digits.add(sources, rows, base)
        found.kept += kept

    def _is_near(self, source: Source) -> bool:
        """Whether the newest packet lies within a day of the first."""
        run = source.runs[-1]
        moment = run.first_level + (source.timestamp - run.timestamp) * run.ms_per_tick
        if not self._anything:
            self._anything, self.found.origin = True, moment
        near = -MOST_MS < moment - self.found.origin < MOST_MS
        self.found.strays += not near
        return near

    def _lengths(self, rows: Rows) -> tuple[list[int], list[float]]:
        """For each row the ticks of its sound (0: none), and milliseconds to a tick."""
        sizes, types = rows.sizes, rows.headers["second"] & 0x7F
        ticks, rates = np.zeros(len(sizes), np.int64), np.zeros(len(sizes))
        for payload_type in np.unique(types).tolist():
            alike = np.flatnonzero(types == payload_type)
            settled = int(np.searchsorted(alike, rows.settled))
            clocking = self._clockings.get(payload_type)
            if clocking is None:
                self.found.undecoded[payload_type] += settled
                self.found.unknown[payload_type] += int(np.count_nonzero(sizes[alike[:settled]] > _NO_SOUND))
                continue
            rates[alike] = clocking.ms_per_tick
            lengths = sizes[alike] if clocking.codec.rows else _counted(clocking.counter, rows, alike)
            ticks[alike] = lengths * clocking.ticks
            sounding = int(np.count_nonzero(lengths[:settled]))
            self.found.heard[payload_type] += sounding
            self.found.undecoded[payload_type] += settled - sounding
        return ticks.tolist(), rates.tolist()

    def _new_source(self, rows: Rows, row: int) -> Source | None:
        if len(self._sources) == MOST_SOURCES:
            return None
        source = self._sources[rows.ssrcs[row]] = Source(rows, row)
        return source

    def _note_control(self, control: Control, base: int) -> None:
        reports, names = read_control(control.data)
        self._names.update({ssrc: name for ssrc, name in names.items() if len(self._names) < MOST_SOURCES})
        for report in reports:
            source = self._sources.get(report.ssrc)
            known = self._reports.setdefault(report.ssrc, []) if source else []
            if source is None or not source.runs or len(known) == MOST_REPORTS:
                continue
            run = source.runs[-1]
            since = (report.timestamp - source.timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
            media = (source.timestamp + since - run.timestamp) * run.ms_per_tick
            unix_ms = report.unix_seconds * 1000
            known.append(Report(len(source.runs) - 1, base + control.row, control.arrival, unix_ms, media))

    def finish(self) -> None:
        """Everything is read: place the sources, in the order in which they began."""
        found, said = self.found, list[Said]()
        believed = {ssrc: reports for ssrc, reports in self._reports.items() if believable(reports)}
        found.odd_reports = len(believed) < sum(bool(reports) for reports in self._reports.values())
        pieces_of = fit([(source.runs, believed.get(ssrc, ())) for ssrc, source in self._sources.items()])
        for (ssrc, source), pieces in zip(self._sources.items(), pieces_of, strict=True):
            if not pieces:
                continue
            found.placed.append(Placed(source, pieces))
            if ssrc in believed and not any(run.hurried for run in source.runs):
                said.append(Said(self._names.get(ssrc, ""), *_pairs(found, found.placed[-1], believed[ssrc])))
        found.heard = +found.heard
        found.undecoded = +found.undecoded
        found.digits = self._digits.placed({placed.source.ssrc: placed for placed in found.placed})
        found.said = max(said, key=lambda each: len(each.ours), default=None)


def _misdated(arrived: Integers) -> NDArray[np.bool_]:
    """Which arrivals cannot be: later than any call is long, or far from their neighbours where they go backwards."""
    wrong: NDArray[np.bool_] = arrived > MOST_MS
    if len(arrived) < 2 or np.diff(arrived).min() >= -BACKWARDS_MS:
        return wrong
    if len(arrived) == 2:
        # Of two that contradict each other the later one: it would make the call long.
        wrong |= arrived > arrived.min()
        return wrong
    around = np.lib.stride_tricks.sliding_window_view(np.pad(arrived, 2, mode="reflect"), 5)
    wrong |= np.abs(arrived - np.median(around, axis=1)) > BACKWARDS_MS
    return wrong


def _pairs(found: Survey, placed: Placed, reports: list[Report]) -> tuple[list[float], list[float]]:
    """Our time and theirs of each report: where its RTP time lies on our timeline, and its NTP time."""
    ours, theirs = [], []
    for report in reports:
        piece = placed.piece(report.row - 1)
        if piece.run == report.run:
            ours.append(found.began_ms + piece.anchor + report.media * piece.scale)
            theirs.append(report.unix_ms)
    return ours, theirs


def _counted(counter: Decoder, rows: Rows, alike: Integers) -> Integers:
    return np.array([counter.samples(rows.payload(row)) for row in alike], np.int64)


def _clocking(codec: Codec) -> Clocking:
    return Clocking(codec, codec.decoder(SAMPLE_RATE), codec.clock_rate / SAMPLE_RATE, 1000 / codec.clock_rate)
