"""Opus (RFC 6716) in RTP (RFC 7587): one packet a payload, 2.5 to 120 ms, mono or stereo, played as mono.

RTP counts 48,000 a second whatever the encoder was given.  Its decoder goes on by itself after a loss; a lost packet's
copy in the next one (in-band FEC) is not asked for, because libavcodec has no way to ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import Refused
from telephony.rtp.codecs.codec import WIDE_RATE, Codec, Samples
from telephony.rtp.codecs.libav import LibavDecoder, encode
from telephony.rtp.codecs.resampling import Resampler, cut

OPUS_RATE = 48000
# RFC 6716 §3.2.5: no packet is longer.
_LONGEST = OPUS_RATE * 120 // 1000
# A payload with nothing behind its headers says that there is nothing to say (DTX): the decoder would make it up.
_HEADERS = 2
# What libopus and its like look ahead, 6.5 ms.
_LAG = 312
# RFC 6716 §3.1, table 2: samples of a frame, by the configuration's low bits.
_SILK, _HYBRID, _CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)
_PACKETS_MS = (10, 20, 40, 60)


def length(payload: bytes) -> int:
    """Samples at 48 kHz in a packet, told from its first two octets; 0 when it is none."""
    if not payload:
        return 0
    frame, code = _frame(payload[0] >> 3), payload[0] & 3
    frames = (1, 2, 2, payload[1] & 63 if len(payload) > 1 else 0)[code]
    return frames * frame if frames * frame <= _LONGEST else 0


def _frame(configuration: int) -> int:
    if configuration < 12:
        return _SILK[configuration & 3]
    return _HYBRID[configuration & 1] if configuration < 16 else _CELT[configuration & 3]


@dataclass(frozen=True)
class Opus(Codec):
    """``opus/48000/2``."""

    @property
    def rtpmap(self) -> str:
        """RFC 7587 §7: always two channels, whatever is sent."""
        return f"{self.encoding}/{self.clock_rate}/2"

    def decoder(self, rate: int) -> "OpusDecoder":
        return OpusDecoder(rate)

    def payloads(self, sound: Samples, packet_ms: int) -> list[bytes]:
        if packet_ms not in _PACKETS_MS:
            raise Refused("the codec has no packets of this length", codec=self.rtpmap, found=f"{packet_ms} ms")
        packet = WIDE_RATE * packet_ms // 1000
        whole = np.pad(sound, (0, -len(sound) % packet))
        packets = encode("libopus", WIDE_RATE, whole, frame_duration=packet_ms, application="voip")
        return packets[: len(whole) // packet]


class OpusDecoder:
    """The decoder makes mono of stereo itself."""

    def __init__(self, rate: int) -> None:
        self.undecodable = 0
        self._libav, self._resampler = LibavDecoder("libopus", OPUS_RATE), Resampler(OPUS_RATE, rate)

    @property
    def delay(self) -> int:
        return self._resampler.length(_LAG) + self._resampler.delay

    def samples(self, payload: bytes) -> int:
        return self._resampler.length(length(payload))

    def decode(self, payloads: Sequence[bytes]) -> list[Samples]:
        sound = np.concatenate([np.zeros(0, np.int16), *map(self._sound, payloads)])
        return cut(self._resampler.resample(sound), [self.samples(payload) for payload in payloads])

    def _sound(self, payload: bytes) -> Samples:
        expected = length(payload)
        if not expected or len(payload) <= _HEADERS:
            return np.zeros(expected, np.int16)
        try:
            return self._libav.decode(payload, expected)
        except ValueError:
            self.undecodable += 1
            return np.zeros(expected, np.int16)

    def gap(self) -> None:
        self._resampler.reset()


OPUS = Opus("opus", OPUS_RATE, OPUS_RATE)
