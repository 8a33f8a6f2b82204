"""What is in a stream beside sound: keys that were pressed (RFC 4733) and descriptions of background noise (RFC 3389).

A key is many packets: its beginning, one update every 20 to 50 ms, and three times its end, all with the timestamp of
the beginning.  What makes packets one key:

======================== ============================================= =============================================
same event, beginning    in these packets                              what it is
======================== ============================================= =============================================
at the same timestamp    any duration, ended or not                    an update, an end, or one of them again
within the known length  any                                           a sender that moves the timestamp on
at its known end         the mark of a beginning is missing, not ended the next segment of a long event (§2.5.1.3)
anything else            any                                           another key
======================== ============================================= =============================================

Noise descriptions are not played: where a gateway sent no sound, evidence has silence.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from telephony.rtp.codecs import STATIC_PAYLOADS

_FORMAT = struct.Struct(">BBH")
KEYS = "0123456789*#ABCD"
FLASH = 16
# Beyond this a sender is broken; a caller presses a few dozen keys.
MOST_EVENTS = 4096
# Updates come at least this often (§2.5.1.2): what begins later is no segment of what went before.
_UPDATES_MS = 50
# What a report's 16 bits can say: a longer event goes on in segments of this length.
_LONGEST = 0xFFFF
# How many keys back a packet that was overtaken may belong to.
_OVERTAKEN = 4
# A number that RFC 3551 keeps reserved because it once was comfort noise; gateways still use it.
_OLD_COMFORT_NOISE = {"19": "CN/8000"}


@dataclass(frozen=True)
class EventReport:
    """One report of an event (RFC 4733 §2.3); ``volume`` in dBm0 below zero, ``duration`` in timestamp units."""

    event: int
    ended: bool
    volume: int
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> "tuple[EventReport, ...]":
        """One or several that follow each other (§2.5.1.5); raises ``ValueError``."""
        if not payload or len(payload) % _FORMAT.size:
            raise ValueError("telephone event is not a multiple of four octets")
        return tuple(
            cls(event, bool(second & 0x80), second & 0x3F, duration)
            for event, second, duration in _FORMAT.iter_unpack(payload)
        )

    def __bytes__(self) -> bytes:
        return _FORMAT.pack(self.event, (0x80 if self.ended else 0) | self.volume, self.duration)


@dataclass(frozen=True)
class Event:
    """A key, from ``timestamp`` on for ``duration``, both in units of ``clock_rate``.

    ``timestamp`` goes on counting where the packets' 32 bits begin again.  ``ended``: whether its end was seen;
    without it, it lasted at least that long.  ``volume`` in dBm0 below zero.
    """

    code: int
    timestamp: int
    duration: int
    volume: int
    ended: bool
    clock_rate: int

    @property
    def digit(self) -> str:
        """``0``-``9``, ``*``, ``#``, ``A``-``D``; ``flash``; the code in brackets for tones and signals."""
        if self.code < len(KEYS):
            return KEYS[self.code]
        return "flash" if self.code == FLASH else f"[{self.code}]"

    @property
    def end(self) -> int:
        return self.timestamp + self.duration

    def milliseconds(self, units: int) -> int:
        """Units of the stream's clock as time."""
        return units * 1000 // self.clock_rate

    @property
    def duration_ms(self) -> int:
        return self.milliseconds(self.duration)


class Events:
    """The events of one source.  Feed it packets in any order; duplicates change nothing."""

    def __init__(self, clock_rate: int = 8000) -> None:
        self.clock_rate = clock_rate
        # Payloads that are no reports, and reports beyond MOST_EVENTS.
        self.malformed = self.dropped = 0
        self._events: list[Event] = []
        self._newest: int | None = None

    def feed(self, timestamp: int, payload: bytes, marker: bool) -> None:
        """``timestamp`` as in the packet, 32 bits or more; ``marker`` is set on the first packet of a key."""
        try:
            reports = EventReport.parse(payload)
        except ValueError:
            self.malformed += 1
            return
        begin = self._unwrap(timestamp)
        for report in reports:
            self._take(begin, report, marker)
            begin += report.duration

    def events(self) -> tuple[Event, ...]:
        """All so far, in the order in which they began."""
        return tuple(sorted(self._events, key=lambda event: event.timestamp))

    def _unwrap(self, timestamp: int) -> int:
        before = timestamp if self._newest is None else self._newest
        extended = before + (timestamp - before + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        self._newest = max(before, extended)
        return extended

    def _take(self, begin: int, report: EventReport, marker: bool) -> None:
        recent = range(len(self._events) - 1, max(-1, len(self._events) - 1 - _OVERTAKEN), -1)
        same = next((at for at in recent if self._belongs(self._events[at], begin, report, marker)), None)
        if same is not None:
            known = self._events[same]
            length = max(known.duration, begin + report.duration - known.timestamp)
            self._events[same] = replace(known, duration=length, ended=known.ended or report.ended)
        elif len(self._events) < MOST_EVENTS:
            found = Event(report.event, begin, report.duration, report.volume, report.ended, self.clock_rate)
            self._events.append(found)
        else:
            self.dropped += 1

    def _belongs(self, known: Event, begin: int, report: EventReport, marker: bool) -> bool:
        if known.code != report.event:
            return False
        if begin == known.timestamp or known.timestamp < begin < known.end:
            return True
        since, behind = begin - known.timestamp, begin - known.end
        # The last update of a segment may be lost; where the next begins is known all the same.
        segment = since % _LONGEST == 0 and 0 < behind <= _LONGEST
        return not known.ended and not marker and (segment or 0 <= behind <= _UPDATES_MS * self.clock_rate // 1000)


def event_clocks(agreed: Mapping[str, str]) -> dict[int, int]:
    """Payload types of telephone events, by what SDP agreed (``{"101": "telephone-event/8000"}``), and their clocks."""
    return {number: clock for number, name, clock in _named(agreed) if name == "TELEPHONE-EVENT"}


def noise_types(agreed: Mapping[str, str]) -> frozenset[int]:
    """Payload types of comfort noise (RFC 3389), the static one among them."""
    rtpmaps = {**_OLD_COMFORT_NOISE, **STATIC_PAYLOADS, **agreed}
    return frozenset(number for number, name, _ in _named(rtpmaps) if name == "CN")


def _named(rtpmaps: Mapping[str, str]) -> Iterator[tuple[int, str, int]]:
    for number, rtpmap in rtpmaps.items():
        name, _, rest = rtpmap.upper().partition("/")
        clock = rest.partition("/")[0] or "8000"
        if clock.isdecimal() and int(clock):
            yield int(number), name, int(clock)
