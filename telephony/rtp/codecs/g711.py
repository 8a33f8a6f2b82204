"""G.711, A-law and µ-law: a table of 256 samples, no state (ITU-T G.711)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.codecs.codec import SAMPLE_RATE, Codec, Octets, Samples
from telephony.rtp.codecs.resampling import Resampler, cut


@dataclass(frozen=True)
class G711(Codec):
    """One of the two laws, as tables both ways."""

    expanded: Samples = field(kw_only=True, repr=False, compare=False)
    compressed: Octets = field(kw_only=True, repr=False, compare=False)

    def decode(self, octets: Octets) -> Samples:
        """Octets of any shape to samples of that shape."""
        samples: Samples = self.expanded[octets]
        return samples

    def encode(self, samples: Samples) -> Octets:
        """Samples of any shape to octets of that shape."""
        octets: Octets = self.compressed[samples.view(np.uint16)]
        return octets

    @property
    def rows(self) -> Callable[[Octets], Samples]:
        return self.decode

    def decoder(self, rate: int) -> "TableDecoder":
        return TableDecoder(self, rate)

    def payloads(self, sound: Samples, packet_ms: int) -> list[bytes]:
        packet = SAMPLE_RATE * packet_ms // 1000
        whole = np.pad(sound, (0, -len(sound) % packet))
        return [octets.tobytes() for octets in self.encode(whole).reshape(-1, packet)]


class TableDecoder:
    """Looks samples up; only the resampler has state."""

    def __init__(self, law: G711, rate: int) -> None:
        self.undecodable = 0
        self._law, self._resampler = law, Resampler(SAMPLE_RATE, rate)

    @property
    def delay(self) -> int:
        return self._resampler.delay

    def samples(self, payload: bytes) -> int:
        return self._resampler.length(len(payload))

    def decode(self, payloads: Sequence[bytes]) -> list[Samples]:
        octets = np.frombuffer(b"".join(payloads), np.uint8)
        return cut(self._resampler.resample(self._law.decode(octets)), [self.samples(payload) for payload in payloads])

    def gap(self) -> None:
        self._resampler.reset()


def _mulaw_to_linear() -> Samples:
    """ITU-T G.711 table 2a/2b: eight segments of sixteen steps, inverted on the wire."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = ((mantissa << 3) + 0x84 << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_to_linear() -> Samples:
    """ITU-T G.711 table 1a/1b: even bits inverted on the wire."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, linear, linear + 0x100 << np.maximum(exponent, 1) - 1)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _segment(magnitude: NDArray[np.int32]) -> NDArray[np.int32]:
    """The segment of a 15-bit magnitude: the place of its highest bit above bit 7."""
    bits: NDArray[np.int32] = np.frexp(magnitude.astype(np.float64))[1]
    return np.maximum(bits - 8, 0)


def _linear_to_mulaw() -> Octets:
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(sample), 32635) + 0x84
    exponent = _segment(magnitude)
    code = exponent << 4 | (magnitude >> exponent + 3) & 15 | np.where(sample < 0, 0x80, 0)
    return (~code & 0xFF).astype(np.uint8)


def _linear_to_alaw() -> Octets:
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(sample < 0, ~sample, sample)
    exponent = _segment(magnitude)
    code = exponent << 4 | (magnitude >> np.maximum(exponent, 1) + 3) & 15
    codes: Octets = (code ^ np.where(sample < 0, 0x55, 0xD5)).astype(np.uint8)
    return codes


PCMU = G711("PCMU", SAMPLE_RATE, SAMPLE_RATE, 0, expanded=_mulaw_to_linear(), compressed=_linear_to_mulaw())
PCMA = G711("PCMA", SAMPLE_RATE, SAMPLE_RATE, 8, expanded=_alaw_to_linear(), compressed=_linear_to_alaw())
