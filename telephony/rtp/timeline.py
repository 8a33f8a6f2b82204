"""Where each packet of a source lies on the call's timeline.

The timeline counts samples (8,000 a second) since the Unix epoch.  A source is one SSRC.  Its first packet lies where
it arrived; every later one lies by its RTP timestamp, so that jitter, bursts and hurried sending move nothing.  Arrival
times are asked again only when timestamp and arrival part by more than ``LIMIT`` at once:

========================== =============================== =======================================================
timestamp against arrival  what follows                    what it is, and what is done
========================== =============================== =======================================================
ahead                      source was hurried all along    a pause in speech, sent faster: the timestamp is right
ahead or behind            does not continue from here     a stray packet: dropped
ahead or behind            continues from here             the sender began a new clock: anchored at arrival again
behind, small step         hurried                         a network stall and its burst: the timestamp is right
behind, small step         paced                           a hold in which the clock stood: anchored at arrival again
========================== =============================== =======================================================

Sequence numbers tell loss, duplicates and order (RFC 3550 appendix A.1 has the two limits).
"""

from collections.abc import Iterator

from telephony.rtp.codecs import SAMPLE_RATE
from telephony.rtp.headers import Rows

# Two seconds: beyond any jitter buffer, below any hold.
LIMIT = 2 * SAMPLE_RATE
MAX_DROPOUT, MAX_MISORDER = 3000, 100
# How far what follows is looked at, in packets.
PREVIEW = 50
# A pause that a hurried source (faster than ``HURRIED`` times real time) may make.
LONGEST_PAUSE = 600 * SAMPLE_RATE
HURRIED = 1.5
SAMPLES_PER_MS = SAMPLE_RATE // 1000
_WINDOW = (1 << MAX_MISORDER + 1) - 1


class Source:
    """One SSRC.  Feed it every packet in the order of arrival; it answers with the packet's position.

    ``clock`` is the position at which the spool began.
    """

    def __init__(self, rows: Rows, row: int, clock: int, not_before: int = 0) -> None:
        self.ssrc, self._clock = rows.ssrcs[row], clock
        # The newest packet in order: extended sequence number and timestamp, arrival as a position.
        self._sequence, self._timestamp = rows.sequences[row] - 1, rows.timestamps[row]
        self._arrival = self._anchor_arrival = clock + rows.arrivals[row] * SAMPLES_PER_MS
        self._anchor_timestamp = self._timestamp
        self._first_sequence = rows.sequences[row]
        # position = extended timestamp + shift
        self._shift = max(self._arrival, not_before) - self._timestamp
        # Bit n: the packet n before the newest has arrived.
        self._arrived = 0
        self.end = self._arrival
        self.lost = self.duplicated = self.reordered = self.strays = self.anchored_again = 0
        self.in_order, self.jitter = 0, 0

    @property
    def hurried(self) -> bool:
        """Whether it was sent faster than real time since its last anchor."""
        spoken = self._timestamp - self._anchor_timestamp
        return spoken > 10 * 160 and spoken > HURRIED * (self._arrival - self._anchor_arrival)

    def place(self, rows: Rows, row: int, samples: int) -> int | None:
        """The position of a packet of ``samples`` samples, or ``None`` when it is not to be heard.

        Events and comfort noise have 0 samples: they count in the numbering, and keep no time.
        """
        ahead = (rows.sequences[row] - self._sequence + 0x8000 & 0xFFFF) - 0x8000
        elapsed = (rows.timestamps[row] - self._timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        arrival = self._clock + rows.arrivals[row] * SAMPLES_PER_MS
        early = elapsed - (arrival - self._arrival)
        if not samples:
            if -MAX_MISORDER <= ahead <= MAX_DROPOUT:
                self._count(ahead)
            return None
        if self._is_break(ahead, elapsed, early):
            if not self._accept_break(rows, row, ahead, elapsed, arrival):
                self.strays += 1
                return None
            ahead = self._bridge(ahead, elapsed, samples)
        if not self._count(ahead):
            return None
        timestamp = self._timestamp + elapsed
        if ahead > 0:
            if ahead == 1:
                self.in_order += 1
                self.jitter += abs(early)
            self._timestamp, self._arrival = timestamp, arrival
        position = timestamp + self._shift
        if position + samples > self.end:
            self.end = position + samples
        return position

    @staticmethod
    def _is_break(ahead: int, elapsed: int, early: int) -> bool:
        if -LIMIT <= early <= LIMIT and -MAX_MISORDER <= ahead <= MAX_DROPOUT:
            return False
        # A late or doubled packet from before a pause in the arrivals is none.
        return not (-MAX_MISORDER <= ahead <= 0 and -LIMIT <= elapsed <= 0)

    def _count(self, ahead: int) -> bool:
        """Keep the books of sequence numbers; ``False`` for a duplicate."""
        if ahead == 1:
            self._arrived = (self._arrived << 1 | 1) & _WINDOW
            self._sequence += 1
        elif ahead > 0:
            self._arrived = (self._arrived << min(ahead, MAX_MISORDER + 1) | 1) & _WINDOW
            self._sequence += ahead
            self.lost += ahead - 1
        elif ahead < -MAX_MISORDER:
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

    def _accept_break(self, rows: Rows, row: int, ahead: int, elapsed: int, arrival: int) -> bool:
        """Decide by the table above; ``False`` for a stray.  Anchors again where the table says so."""
        early = elapsed - (arrival - self._arrival)
        following = list(_following(rows, row))
        if 0 <= elapsed <= LONGEST_PAUSE and 0 < ahead <= MAX_DROPOUT:
            if early > LIMIT and self.hurried:
                return True
            if early < -LIMIT and (not following or _pace(rows, row, following[-1]) > HURRIED):
                return True
        if not following or not _continues(rows, row, following[0]):
            return False
        if abs(early) > LIMIT:
            # Never over what was heard already: a hurried source is further than its arrivals.
            self._shift = max(arrival, self.end) - (self._timestamp + elapsed)
            self._anchor_arrival, self._anchor_timestamp = arrival, self._timestamp + elapsed
            self.anchored_again += 1
        return True

    def _bridge(self, ahead: int, elapsed: int, samples: int) -> int:
        """How many sequence numbers a break that was accepted really spans: a new numbering has lost nothing."""
        if 0 < ahead <= MAX_MISORDER or (ahead > 0 and abs(elapsed - ahead * samples) <= LIMIT):
            return ahead
        self._sequence += ahead - 1
        self._first_sequence = self._sequence + 1
        self._arrived = 0
        return 1


def _following(rows: Rows, row: int) -> Iterator[int]:
    """The next rows of the same source, as far as the preview reaches."""
    ssrc, last = rows.ssrcs[row], min(len(rows.ssrcs), row + 1 + PREVIEW)
    return (later for later in range(row + 1, last) if rows.ssrcs[later] == ssrc)


def _pace(rows: Rows, row: int, later: int) -> float:
    """Seconds of speech for each second of arrivals, between two rows."""
    spoken = (rows.timestamps[later] - rows.timestamps[row] + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
    return spoken / max(1, (rows.arrivals[later] - rows.arrivals[row]) * SAMPLES_PER_MS)


def _continues(rows: Rows, row: int, later: int) -> bool:
    """Whether a later row goes on from this one, in sequence and in time."""
    ahead = (rows.sequences[later] - rows.sequences[row] + 0x8000 & 0xFFFF) - 0x8000
    elapsed = (rows.timestamps[later] - rows.timestamps[row] + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
    return 0 <= ahead <= MAX_MISORDER and 0 <= elapsed <= LONGEST_PAUSE
