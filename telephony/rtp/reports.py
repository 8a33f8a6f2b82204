"""RTCP receiver reports (RFC 3550 §6.4.2) without a cost per packet.

A receiver that counts loss as the RFC's appendix does touches each packet.  Here only the packets of one drain are
looked at when a report is near: sequence numbers tell how many were sent, a counter of the port how many came.
"""

import itertools
import math
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from telephony.rtp.packet import (
    BYE,
    SENDER_REPORT,
    ReportBlock,
    RtcpReceiverReport,
    RtcpSenderReport,
    parse_compound,
    read_goodbye,
    source_description,
)

# Seconds between reports (§6.2), and what makes up for the timer's reconsideration (§6.3.1).
INTERVAL = 5.0
_COMPENSATION = math.e - 1.5
# Further back than packets are overtaken (§A.1 MAX_MISORDER): the sender began anew.
_MISORDER = 100
_CLOCKS = (8000, 16000, 32000, 44100, 48000, 90000)
_HEADER = struct.Struct(">BBHII")

# A packet (its first 12 octets at least) and when it arrived, in milliseconds of any steady clock.
Arrival = tuple[float, bytes | memoryview]


@dataclass
class _Source:
    """The sender that is heard now.  Sequence numbers are extended; ``received`` counts from ``base`` on."""

    ssrc: int
    base: int
    highest: int
    received: int = 0
    jitter: float = 0.0
    clock: int = 0
    # Of the last look: when, and the RTP timestamp then.
    seen: tuple[float, int] | None = None
    # Of the last report: what was expected and received by then.
    expected_before: int = 0
    received_before: int = 0

    def follow(self, arrivals: Sequence[tuple[float, int, int]]) -> None:
        """Sequence numbers and timestamps of one drain."""
        for _, sequence, _ in arrivals:
            ahead = (sequence - self.highest + 0x8000 & 0xFFFF) - 0x8000
            self.highest += max(0, ahead)
        moment, _, timestamp = arrivals[-1]
        if self.seen and moment > self.seen[0]:
            rate = (timestamp - self.seen[1] & 0xFFFF_FFFF) * 1000 / (moment - self.seen[0])
            self.clock = min(_CLOCKS, key=lambda clock: abs(clock - rate))
        self.seen = moment, timestamp
        for (before, _, earlier), (after, _, later) in itertools.pairwise(arrivals):
            step = (later - earlier + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
            apart = abs((after - before) * self.clock / 1000 - step) if self.clock else 0.0
            self.jitter += (apart - self.jitter) / 16

    def block(self, sender_report: tuple[int, float] | None, at: float) -> ReportBlock:
        expected = self.highest - self.base + 1
        fresh, came = expected - self.expected_before, self.received - self.received_before
        self.expected_before, self.received_before = expected, self.received
        fraction = max(0, fresh - came) * 256 // fresh if fresh > 0 else 0
        middle, delay = 0, 0
        if sender_report:
            middle = sender_report[0] >> 16 & 0xFFFF_FFFF
            delay = min(round((at - sender_report[1]) * 65536), 0xFFFF_FFFF)
        lost = expected - self.received
        return ReportBlock(
            self.ssrc, min(fraction, 255), lost, self.highest & 0xFFFF_FFFF, int(self.jitter), middle, delay
        )


class Reports:
    """The reports on one stream, as its receiver.  Times ``at`` are seconds of one steady clock."""

    def __init__(self, ssrc: int, cname: str, uniform: Callable[[], float], at: float) -> None:
        """``uniform`` gives numbers between 0 and 1, by which receivers that began together drift apart (§6.2)."""
        self._ssrc, self._cname, self._uniform = ssrc, cname, uniform
        self._source: _Source | None = None
        self._counted = 0
        self._sender_reports: tuple[int, int, float] | None = None
        self.goodbyes = 0
        # The share of packets that the last report said was lost.
        self.lost = 0.0
        # The first one after half the time (§6.2).
        self.due = at + self._interval() / 2
        # When the next ``look`` is wanted: at the first packets, and right before each report.
        self.due_look = at

    def _interval(self) -> float:
        return INTERVAL * (0.5 + self._uniform()) / _COMPENSATION

    def heard(self, compound: bytes, at: float) -> None:
        """Note what the sender's RTCP says; whatever cannot be read is passed over."""
        with suppress(ValueError):
            for packet in parse_compound(compound):
                if packet.packet_type == SENDER_REPORT:
                    report = RtcpSenderReport.parse(packet)
                    self._sender_reports = report.ssrc, report.ntp, at
                elif packet.packet_type == BYE:
                    self.goodbyes += len(read_goodbye(packet))

    def look(self, arrivals: Sequence[Arrival], received: int) -> None:
        """Follow the stream by the RTP packets of one drain; ``received`` is the port's count with these."""
        self.due_look = self.due
        rows = [(moment, *_HEADER.unpack_from(data)) for moment, data in arrivals if len(data) >= _HEADER.size]
        if not rows:
            return
        ssrc = rows[-1][5]
        told = [(moment, sequence, timestamp) for moment, _, _, sequence, timestamp, of in rows if of == ssrc]
        if self._source is None or self._source.ssrc != ssrc or _began_anew(self._source, told[-1][1]):
            first = told[0][1]
            self._source = _Source(ssrc, first, first)
            self._counted = received - len(told)
        self._source.follow(told)
        self._source.received += received - self._counted
        self._counted = received

    def report(self, at: float) -> bytes:
        """The compound that is due (RR and SDES); the next is due about five seconds later."""
        self.due = self.due_look = at + self._interval()
        source = self._source
        blocks: tuple[ReportBlock, ...] = ()
        if source and source.ssrc == self._ssrc:
            # Two with one name (§8.2): it is ours to give way.
            self._ssrc = ~self._ssrc & 0xFFFF_FFFF
        if source and source.received > source.received_before:
            known = self._sender_reports
            blocks = (source.block(known[1:] if known and known[0] == source.ssrc else None, at),)
            self.lost = blocks[0].fraction / 256
        return bytes(RtcpReceiverReport(self._ssrc, blocks)) + source_description(self._ssrc, self._cname)


def _began_anew(source: _Source, sequence: int) -> bool:
    return (sequence - source.highest + 0x8000 & 0xFFFF) - 0x8000 < -_MISORDER
