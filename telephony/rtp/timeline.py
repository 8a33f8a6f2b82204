"""Which packets of a source belong to which run of its clock; where the runs lie is decided in ``clocks``.

A source is one SSRC.  RTP timestamps say where its packets lie relative to each other, arrivals where all of them lie.
No packet comes before its last sample was spoken, and the network only ever delays.  So the *level* of a packet,

    level = arrival - time from the run's first sample to the packet's last sample, by timestamps,

is where the run's first sample was spoken, plus the packet's delay; its lower envelope is the truth plus the shortest
delay.  Jitter, bursts and hurried sending move nothing.  A run ends where timestamps stop telling the time:

=========================== ============================== ========================================================
what the packets show       what follows                   what it is, and what is done
=========================== ============================== ========================================================
timestamp ahead of arrival  source was hurried all along   a pause in speech, sent faster: the run goes on
behind by LIMIT             -, numbered alike              late, or a duplicate: in its place, if it is not there
ahead or behind by LIMIT    does not continue from here    a stray packet: dropped
ahead or behind by LIMIT    continues from here            the sender began a new clock: a new run
behind by LIMIT             hurried                        a network stall and its burst: the run goes on
behind by LIMIT             paced                          a hold in which the clock stood: a new run
level rises or falls, less  level comes back within 10 s   jitter, a stall and its burst: the run goes on
  than LIMIT                level stays, sender reports:   their clock moved too: the clock stood or jumped, the run
                                                           is split there; it did not: a route changed, it goes on
                            level stays, no reports:       up to 150 ms (250 ms inside a talkspurt): a route changed
                                                           and the run goes on; more: the clock stood, it is split
another timestamp rate      -                               another codec took over: a new run
another SSRC                -                               another source: runs of its own
steady slope of the level   up to 1,000 ppm                clocks drift: times of the run are scaled (``clocks``)
sequence numbers only       continues from here            the numbering began anew: the run goes on, nothing is lost
silence suppression         -                               timestamps run on: the run goes on, a gap of silence
=========================== ============================== ========================================================

Sequence numbers tell loss, duplicates and order (RFC 3550 appendix A.1 has the two limits).
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from telephony.rtp.gaps import Hole, Holes
from telephony.rtp.headers import Rows

# Two seconds: beyond any jitter buffer, below most holds.
LIMIT_MS = 2000.0
MAX_DROPOUT, MAX_MISORDER = 3000, 100
# How far what follows is looked at, in packets.
PREVIEW = 50
# A pause that a hurried source (faster than ``HURRIED`` times real time) may make.
LONGEST_PAUSE_MS = 600_000.0
HURRIED = 1.5
# Steps of the level that may be a clock that stood: at the start of a talkspurt (RFC 3551 §4.1), and inside one.
STEP_AT_MARKER_MS, STEP_MS = 150.0, 250.0
BIN_MS = 1000.0
# Steps below this are not looked at, even where sender reports could tell.
SMALLEST_STEP_MS = 100.0
# Packets behind the newest that are known to have come or not: a burst doubled on its way is no new clock.
REMEMBERED = 500
_WINDOW = (1 << REMEMBERED + 1) - 1


@dataclass
class Run:
    """Packets whose timestamps tell the time.  ``timestamp`` is that of its first sample, extended; media times are
    milliseconds from there, levels milliseconds since the spool began.

    The lower envelope is kept in bins of a second: the lowest level, its media time, the bin's first row, the packets
    before it, and the step at its beginning that would split the run (0: there is none).
    """

    row: int
    timestamp: int
    ms_per_tick: float
    # Whether its first packet is the next in sequence.
    continues: bool
    first_level: float = 0.0
    first_arrival: float = 0.0
    last_arrival: float = 0.0
    packets: int = 0
    lowest: int = 0
    highest: int = 0
    levels: "array[float]" = field(default_factory=lambda: array("d"))
    media: "array[float]" = field(default_factory=lambda: array("d"))
    rows: "array[int]" = field(default_factory=lambda: array("q"))
    counts: "array[int]" = field(default_factory=lambda: array("q"))
    steps: "array[float]" = field(default_factory=lambda: array("d"))
    _bin_ends: float = -1.0

    @property
    def hurried(self) -> bool:
        """Whether it was sent faster than real time, and not only held back at its beginning."""
        spoken = (self.highest - self.timestamp) * self.ms_per_tick
        took = self.last_arrival - self.first_arrival
        if spoken < 200 or spoken < HURRIED * took:
            return False
        return len(self.levels) < 3 or self.levels[0] - self.levels[-1] > (HURRIED - 1) / 2 * took

    def add(self, row: int, arrival: int, timestamp: int, ticks: int, step: float) -> None:
        """Note a packet that is heard."""
        end = timestamp + ticks
        media = (end - self.timestamp) * self.ms_per_tick
        level = arrival - media
        if arrival >= self._bin_ends or step:
            if not self.packets:
                self.first_level, self.first_arrival = level, arrival
            self._bin_ends = arrival + BIN_MS
            self.levels.append(level)
            self.media.append(media)
            self.rows.append(row)
            self.counts.append(self.packets)
            self.steps.append(step)
        elif level < self.levels[-1]:
            self.levels[-1], self.media[-1] = level, media
        self.packets += 1
        self.last_arrival = arrival
        if end > self.highest:
            self.highest = end
        if timestamp < self.lowest:
            self.lowest = timestamp


class Source:
    """One SSRC.  Feed it every packet in the order of arrival; it tells whether the packet is to be heard."""

    def __init__(self, rows: Rows, row: int) -> None:
        self.ssrc = rows.ssrcs[row]
        # The newest packet in order: extended sequence number and timestamp, arrival.
        self._sequence, self.timestamp = rows.sequences[row] - 1, rows.timestamps[row]
        self._arrival = rows.arrivals[row]
        # Where the newest sound ended, and in which run (counted from 1).
        self._end = self._end_run = 0
        self._missing = 0
        self._first_sequence = rows.sequences[row]
        # Bit n: the packet n before the newest has arrived.
        self._arrived = 0
        self.runs: list[Run] = []
        self.holes = Holes()
        self.lost = self.duplicated = self.reordered = self.strays = 0
        self.in_order, self.jitter = 0, 0.0

    def take(self, rows: Rows, row: int, number: int, ticks: int, ms_per_tick: float) -> bool:
        """Whether a packet is to be heard.  ``number`` counts the rows of the whole spool; its sound is ``ticks`` of
        its clock long.  Events and comfort noise have 0: they count in the numbering, and keep no time.
        """
        ahead = (rows.sequences[row] - self._sequence + 0x8000 & 0xFFFF) - 0x8000
        if not ticks:
            if -MAX_MISORDER <= ahead <= MAX_DROPOUT:
                self._count(ahead)
            return False
        if not self.runs or self.runs[-1].ms_per_tick != ms_per_tick:
            if self.runs and ahead <= 0:
                # Overtaken by the codec that took over.
                self.strays += 1
                return False
            self._begin(rows, row, number, ms_per_tick, ahead)
        elapsed = (rows.timestamps[row] - self.timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        arrival, step = rows.arrivals[row], 0.0
        early = elapsed * ms_per_tick - (arrival - self._arrival)
        if _is_break(ahead, elapsed * ms_per_tick, early) and not _is_old(ahead, elapsed, ticks, ms_per_tick):
            if not self._accept_break(rows, row, number, ahead, elapsed):
                self.strays += 1
                return False
            ahead = self._bridge(ahead, elapsed, ticks)
            elapsed = (rows.timestamps[row] - self.timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
            early = 0.0
        elif ahead > 0 and (early > SMALLEST_STEP_MS or early < -SMALLEST_STEP_MS):
            step = STEP_AT_MARKER_MS if rows.markers[row] else STEP_MS
        if not self._count(ahead):
            return False
        timestamp = self.timestamp + elapsed
        if ahead > 0:
            if ahead == 1:
                self.in_order += 1
                self.jitter += abs(early)
            if timestamp > self._end or self._end_run != len(self.runs):
                self._note_hole(number, timestamp, ticks)
            self.timestamp, self._arrival, self._missing = timestamp, arrival, 0
            self._end, self._end_run = timestamp + ticks, len(self.runs)
        else:
            self.holes.fill(len(self.runs) - 1, timestamp, ticks)
        self.runs[-1].add(number, arrival, timestamp, ticks, step)
        return True

    def _begin(self, rows: Rows, row: int, number: int, ms_per_tick: float, ahead: int) -> None:
        """A new run from this row on, which is nothing ahead of itself.  Extended timestamps never part from those on
        the wire by anything but whole cycles."""
        self.timestamp += (rows.timestamps[row] - self.timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        self._arrival = rows.arrivals[row]
        self.runs.append(
            Run(number, self.timestamp, ms_per_tick, ahead == 1, lowest=self.timestamp, highest=self.timestamp)
        )

    def _note_hole(self, number: int, timestamp: int, ticks: int) -> None:
        if self._end_run:
            run = len(self.runs) - 1
            self.holes.add(Hole(number, self._end_run - 1, self._end, run, timestamp, self._missing, ticks))

    def _count(self, ahead: int) -> bool:
        """Keep the books of sequence numbers; ``False`` for a duplicate."""
        if ahead == 1:
            self._arrived = (self._arrived << 1 | 1) & _WINDOW
            self._sequence += 1
        elif ahead > 0:
            self._arrived = (self._arrived << min(ahead, REMEMBERED + 1) | 1) & _WINDOW
            self._sequence += ahead
            self.lost += ahead - 1
            self._missing += ahead - 1
        elif ahead < -REMEMBERED:
            return False
        elif self._arrived >> -ahead & 1:
            self.duplicated += 1
            return False
        else:
            self._arrived |= 1 << -ahead
            self.reordered += 1
            missing = self._first_sequence - (self._sequence + ahead)
            if missing > 0:
                # Older than the very first: what lies between is missing now.
                self._first_sequence -= missing
                self.lost += missing - 1
            else:
                self.lost -= 1
        return True

    def _accept_break(self, rows: Rows, row: int, number: int, ahead: int, elapsed: int) -> bool:
        """Decide by the table above; ``False`` for a stray.  Begins a new run where the table says so."""
        run = self.runs[-1]
        spoken = elapsed * run.ms_per_tick
        early = spoken - (rows.arrivals[row] - self._arrival)
        following = list(_following(rows, row))
        if 0 <= spoken <= LONGEST_PAUSE_MS and 0 < ahead <= MAX_DROPOUT:
            if early > LIMIT_MS and run.hurried:
                return True
            if early < -LIMIT_MS and (not following or _pace(rows, row, following[-1], run.ms_per_tick) > HURRIED):
                return True
        if not following or not _continues(rows, row, following[0], run.ms_per_tick):
            return False
        if abs(early) > LIMIT_MS:
            self._begin(rows, row, number, run.ms_per_tick, ahead)
        return True

    def _bridge(self, ahead: int, elapsed: int, ticks: int) -> int:
        """How many sequence numbers a break that was accepted really spans: a new numbering has lost nothing."""
        near = abs(elapsed - ahead * ticks) * self.runs[-1].ms_per_tick <= LIMIT_MS
        if 0 < ahead <= MAX_MISORDER or (ahead > 0 and near):
            return ahead
        self._sequence += ahead - 1
        self._first_sequence = self._sequence + 1
        self._arrived = 0
        return 1


def _is_break(ahead: int, elapsed_ms: float, early: float) -> bool:
    if -LIMIT_MS <= early <= LIMIT_MS and -MAX_MISORDER <= ahead <= MAX_DROPOUT:
        return False
    # A late or doubled packet from before a pause in the arrivals is none.
    return not (-MAX_MISORDER <= ahead <= 0 and -LIMIT_MS <= elapsed_ms <= 0)


def _is_old(ahead: int, elapsed: int, ticks: int, ms_per_tick: float) -> bool:
    """Whether a packet is from before, late or doubled: its numbering and its timestamp went back alike."""
    return -REMEMBERED <= ahead < 0 and abs(elapsed - ahead * ticks) * ms_per_tick <= LIMIT_MS


def _following(rows: Rows, row: int) -> Iterator[int]:
    """The next rows of the same source, as far as the preview reaches."""
    ssrc, last = rows.ssrcs[row], min(len(rows.ssrcs), row + 1 + PREVIEW)
    return (later for later in range(row + 1, last) if rows.ssrcs[later] == ssrc)


def _pace(rows: Rows, row: int, later: int, ms_per_tick: float) -> float:
    """Seconds of speech for each second of arrivals, between two rows."""
    spoken = (rows.timestamps[later] - rows.timestamps[row] + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
    return spoken * ms_per_tick / max(1, rows.arrivals[later] - rows.arrivals[row])


def _continues(rows: Rows, row: int, later: int, ms_per_tick: float) -> bool:
    """Whether a later row goes on from this one, in sequence and in time."""
    ahead = (rows.sequences[later] - rows.sequences[row] + 0x8000 & 0xFFFF) - 0x8000
    elapsed = (rows.timestamps[later] - rows.timestamps[row] + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
    # Arrivals go backwards where the spool is damaged.
    sound = rows.arrivals[later] - rows.arrivals[row] >= -LIMIT_MS
    return sound and 0 <= ahead <= MAX_MISORDER and 0 <= elapsed * ms_per_tick <= LONGEST_PAUSE_MS
