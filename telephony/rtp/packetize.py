"""From a sound file to the packets that a gateway would fork: codecs, packet times, keys pressed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from core.errors import Refused
from telephony.rtp.codecs import SAMPLE_RATE, SENDABLE, WIDE_RATE, Codec, Samples, find
from telephony.rtp.codecs.resampling import Resampler
from telephony.rtp.events import KEYS, EventReport

# The first payload types without a fixed meaning; one for sound, one for keys.
DYNAMIC, KEY_TYPE = 96, 101
_KEY_MS, _KEY_UPDATE_MS, _KEY_VOLUME = 100, 20, 10


@dataclass(frozen=True)
class Part:
    """From ``at`` seconds on the sound is in this codec.  ``payload_type``: by default the static one, or 96."""

    at: float
    codec: str
    payload_type: int | None = None


@dataclass(frozen=True)
class Key:
    """``digit`` (``0``-``9``, ``*``, ``#``, ``A``-``D``) is pressed at ``at`` seconds for a tenth of one."""

    at: float
    digit: str


@dataclass(frozen=True)
class Planned:
    """A packet: when it leaves, in milliseconds of speech, and its timestamp, counted from the first one."""

    at_ms: int
    timestamp: int
    payload_type: int
    payload: bytes
    clock_rate: int
    marker: bool = False

    def timestamp_at(self, milliseconds: int) -> int:
        """What the clock stands at, at another moment."""
        return self.timestamp + (milliseconds - self.at_ms) * self.clock_rate // 1000


def sendable(name: str) -> Codec:
    """The codec of a name; raises ``Refused`` when there is none, or no encoder for it."""
    codec = find(name)
    if codec is None:
        raise Refused("no such codec", found=name, expected=SENDABLE)
    codec.payloads(np.zeros(0, np.int16), 60)
    return codec


def offered_type(codec: Codec) -> int:
    """The payload type under which a codec is offered."""
    return DYNAMIC if codec.payload_type is None else codec.payload_type


def packetize(sound: Samples, rate: int, parts: Sequence[Part], packet_ms: int, keys: Sequence[Key]) -> list[Planned]:
    """The whole sound, in the order of sending.  A key takes the place of the sound while it is pressed."""
    planned = list(_with_sound(sound, rate, parts, packet_ms))
    for key in keys:
        planned = list(_with_key(planned, key))
    return planned


def _with_sound(sound: Samples, rate: int, parts: Sequence[Part], packet_ms: int) -> Iterator[Planned]:
    packet = rate * packet_ms // 1000
    bounds = [round(part.at * 1000 / packet_ms) * packet for part in parts[1:]]
    at_ms = timestamp = 0
    for part, piece in zip(parts, np.split(sound, bounds), strict=True):
        codec = sendable(part.codec)
        payload_type = offered_type(codec) if part.payload_type is None else part.payload_type
        for payload in codec.payloads(_at_rate(piece, rate, codec.file_rate), packet_ms):
            yield Planned(at_ms, timestamp, payload_type, payload, codec.clock_rate, at_ms == 0)
            at_ms += packet_ms
            timestamp += codec.clock_rate * packet_ms // 1000


def _at_rate(sound: Samples, rate: int, wanted: int) -> Samples:
    """At another rate, with nothing moved."""
    resampler = Resampler(rate, wanted)
    longer = np.pad(sound, (0, resampler.delay * rate // wanted))
    return resampler.resample(longer)[resampler.delay :]


def _with_key(planned: Sequence[Planned], key: Key) -> Iterator[Planned]:
    """RFC 4733 §2.5.1: an update every 20 ms, its end three times, all with the timestamp of the beginning and by
    the clock of the sound around it."""
    begin, end = round(key.at * 1000), round(key.at * 1000) + _KEY_MS
    during = [packet for packet in planned if begin <= packet.at_ms < end]
    if not during:
        raise Refused("a key is pressed outside of the sound", digit=key.digit, found=f"{key.at} s")
    first = during[0]
    yield from (packet for packet in planned if packet.at_ms < first.at_ms)
    yield from _reports(key, first)
    yield from (packet for packet in planned if packet.at_ms >= end)


def _reports(key: Key, first: Planned) -> Iterator[Planned]:
    if key.digit not in KEYS or len(key.digit) != 1:
        raise Refused("no such key", found=key.digit, expected=KEYS)
    code, begin = KEYS.index(key.digit), replace(first, payload_type=KEY_TYPE)
    for after in (*range(_KEY_UPDATE_MS, _KEY_MS, _KEY_UPDATE_MS), *[_KEY_MS] * 3):
        report = EventReport(code, after == _KEY_MS, _KEY_VOLUME, after * first.clock_rate // 1000)
        at_ms = first.at_ms + after - _KEY_UPDATE_MS
        yield replace(begin, at_ms=at_ms, payload=bytes(report), marker=after == _KEY_UPDATE_MS)


def read_sound(audio: Path, lead_in: float, lead_out: float) -> tuple[Samples, int]:
    """A mono file's samples, with seconds of silence around them, and their rate."""
    try:
        samples, rate = soundfile.read(audio, dtype="int16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise Refused("cannot read a sound file", file=audio, found=error) from error
    if samples.ndim != 1 or rate not in (SAMPLE_RATE, WIDE_RATE):
        expected = "8000 or 16000 Hz mono"
        raise Refused(
            "a sound file to send is of another kind", file=audio, found=f"{rate} Hz {samples.shape}", expected=expected
        )
    return np.pad(samples, (round(lead_in * rate), round(lead_out * rate))), rate
