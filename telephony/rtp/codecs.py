"""Codecs that an RTP payload may be in.

A codec turns whole arrays: ``decode`` takes the octets of many packets (``uint8``, any shape, one packet a row) and
gives ``int16`` samples, one packet a row.  A further codec is one more ``register`` call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Samples = NDArray[np.int16]

SAMPLE_RATE = 8000


@dataclass(frozen=True)
class Codec:
    """``encoding`` and ``clock_rate`` as in an SDP rtpmap; ``payload_type`` is the static one (RFC 3551 §6)."""

    encoding: str
    payload_type: int
    decode: Callable[[Octets], Samples]
    encode: Callable[[Samples], Octets]
    clock_rate: int = SAMPLE_RATE

    @property
    def rtpmap(self) -> str:
        """``PCMA/8000``."""
        return f"{self.encoding}/{self.clock_rate}"


_codecs: dict[str, Codec] = {}


def register(codec: Codec) -> Codec:
    """Make a codec known; a later one of the same rtpmap replaces the earlier."""
    _codecs[codec.rtpmap.upper()] = codec
    return codec


def find(rtpmap: str) -> Codec | None:
    """The codec of an rtpmap (``pcma/8000``, ``PCMA/8000/1``) or of a bare encoding name, or ``None``."""
    name, _, rest = rtpmap.upper().partition("/")
    return _codecs.get(f"{name}/{rest.partition('/')[0] or SAMPLE_RATE}")


def by_payload_type(agreed: Mapping[str, str]) -> dict[int, Codec]:
    """Codecs by payload type: what SDP agreed (``{"8": "PCMA/8000"}``), over the static types of RFC 3551."""
    known = {codec.payload_type: codec for codec in _codecs.values()}
    for payload_type, rtpmap in agreed.items():
        known.pop(int(payload_type), None)
        if codec := find(rtpmap):
            known[int(payload_type)] = codec
    return known


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


def _g711(encoding: str, payload_type: int, expand: Samples, compress: Octets) -> Codec:
    def decode(octets: Octets) -> Samples:
        samples: Samples = expand[octets]
        return samples

    def encode(samples: Samples) -> Octets:
        octets: Octets = compress[samples.view(np.uint16)]
        return octets

    return register(Codec(encoding, payload_type, decode, encode))


PCMU = _g711("PCMU", 0, _mulaw_to_linear(), _linear_to_mulaw())
PCMA = _g711("PCMA", 8, _alaw_to_linear(), _linear_to_alaw())
