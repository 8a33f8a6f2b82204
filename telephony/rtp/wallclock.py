"""RTCP sender reports (RFC 3550 §6.4.1): what the senders' own clocks say, where they can be believed.

A report pairs an NTP time with an RTP timestamp.  Within one source it tells a clock that stood from a route that
changed; between two streams whose reports come from one clock it tells how much longer the way of one is.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from telephony.rtp.packet import SENDER_REPORT, SOURCE_DESCRIPTION, RtcpSenderReport, parse_compound, read_cnames

# A clock before the year 2000 was never set: NTP zero, seconds since start-up, 1970.
EARLIEST_UNIX_MS = 946_684_800_000.0
# Between two reports, the sender's clock and ours may part by this and by this share.
JUMP_MS, STEEPEST = 500.0, 2e-3
# One in so many may be wrong before none is believed.
WRONG_SHARE = 0.2
# Ways differ by less than a second where both streams name one sender, by less than 150 ms (ITU-T G.114) elsewhere:
# two clocks that agree so well are one, or both are set.
SAME_NAME_MS, OTHER_NAME_MS = 1000.0, 150.0
# How far reports of one stream may scatter about a line.
SCATTER_MS = 20.0


@dataclass(frozen=True)
class Report:
    """One sender report: the run it speaks of, how many rows came before it, when it arrived (milliseconds since the
    spool began), the sender's Unix time and the run's media time at that (milliseconds)."""

    run: int
    row: int
    arrival: float
    unix_ms: float
    media: float

    @property
    def lead(self) -> float:
        """Wall clock less media time: it changes when the RTP clock stands or jumps, whatever the network does."""
        return self.unix_ms - self.media


def read_control(data: bytes) -> tuple[list[RtcpSenderReport], Mapping[int, str]]:
    """The sender reports and CNAMEs of a compound, as far as it is sound."""
    reports, names = list[RtcpSenderReport](), dict[int, str]()
    with suppress(ValueError):
        for packet in parse_compound(data):
            if packet.packet_type == SENDER_REPORT:
                reports.append(RtcpSenderReport.parse(packet))
            elif packet.packet_type == SOURCE_DESCRIPTION:
                names.update(read_cnames(packet))
    return reports, names


def believable(reports: Sequence[Report]) -> bool:
    """Whether the reports of one source keep step with our clock, at whatever time of day."""
    if not reports or min(report.unix_ms for report in reports) < EARLIEST_UNIX_MS:
        return False
    theirs = np.diff([report.unix_ms for report in reports])
    ours = np.diff([report.arrival for report in reports])
    wrong = np.abs(theirs - ours) > JUMP_MS + STEEPEST * np.abs(ours)
    return float(wrong.mean() if len(wrong) else 0.0) <= WRONG_SHARE


@dataclass(frozen=True)
class Said:
    """What the reports of one stream say: its sender's name, and pairs of our time and theirs (Unix milliseconds)."""

    name: str
    ours: Sequence[float]
    theirs: Sequence[float]


def longer_way(one: Said, other: Said) -> float | None:
    """By how many milliseconds ``one`` is later on our timeline than ``other``, or ``None`` when their reports cannot
    be compared: two clocks, too few, or too far scattered."""
    same = bool(one.name) and one.name == other.name
    if min(len(one.ours), len(other.ours)) < (1 if same else 2):
        return None
    middle = (float(np.mean(one.theirs)) + float(np.mean(other.theirs))) / 2
    first, second = _delay(one, middle), _delay(other, middle)
    if first is None or second is None or abs(first - second) > (SAME_NAME_MS if same else OTHER_NAME_MS):
        return None
    return first - second


def _delay(said: Said, moment: float) -> float | None:
    """Our time less theirs at a moment of theirs: the middle of the reports, and their slope if there are many."""
    theirs, delays = np.array(said.theirs), np.array(said.ours) - np.array(said.theirs)
    slope, centre = 0.0, float(np.mean(theirs))
    if len(theirs) >= 8:
        half = len(theirs) // 2
        apart = theirs[half : 2 * half] - theirs[:half]
        slope = float(np.median((delays[half : 2 * half] - delays[:half]) / np.maximum(apart, 1.0)))
    flat = delays - slope * (theirs - centre)
    level = float(np.median(flat))
    if float(np.median(np.abs(flat - level))) > SCATTER_MS:
        return None
    return level + slope * (moment - centre)
