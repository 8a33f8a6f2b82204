"""G.723.1 (RFC 3551 §4.5.3): frames of 30 ms, whose first two bits say how long they are."""

from dataclasses import dataclass

import numpy as np

from core.errors import Refused
from telephony.rtp.codecs.codec import SAMPLE_RATE, Samples
from telephony.rtp.codecs.libav import encode
from telephony.rtp.codecs.variable import Frame, VariableCodec

# Octets by the two lowest bits of the first octet: 6.3 and 5.3 kbit/s, a description of noise, nothing.
_OCTETS = (24, 20, 4, 1)
_SPEECH = (0, 1)
_FRAME_MS, _BITS = 30, 6300
# Frames of nothing are one octet: a packet of garbage must not be a minute.
_MOST_FRAMES = 8


@dataclass(frozen=True, kw_only=True)
class G7231(VariableCodec):
    """A frame that is cut short is passed over."""

    def frames(self, payload: bytes) -> tuple[Frame, ...]:
        found, at = [], 0
        while at < len(payload):
            kind = payload[at] & 3
            data = payload[at : at + _OCTETS[kind]]
            if len(data) == _OCTETS[kind]:
                found.append(Frame(data, kind in _SPEECH))
            at += _OCTETS[kind]
        return tuple(found) if len(found) <= _MOST_FRAMES else ()

    def payloads(self, sound: Samples, packet_ms: int) -> list[bytes]:
        if packet_ms % _FRAME_MS:
            raise Refused("the codec has no packets of this length", codec=self.rtpmap, found=f"{packet_ms} ms")
        together = packet_ms // _FRAME_MS
        whole = np.pad(sound, (0, -len(sound) % (together * self.frame_samples)))
        frames = encode(self.libav, self.native_rate, whole, b=_BITS)[: len(whole) // self.frame_samples]
        return [b"".join(frames[at : at + together]) for at in range(0, len(frames), together)]


G723 = G7231("G723", SAMPLE_RATE, SAMPLE_RATE, 4, libav="g723_1", frame_samples=240, lag=60)
