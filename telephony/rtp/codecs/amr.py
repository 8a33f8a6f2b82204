"""AMR and AMR-WB (RFC 4867): frames of 20 ms in two packings, decoded by libavcodec.

Which packing is used stands in an fmtp line that calls do not keep.  A payload shows it: only one of the two readings
ends where the payload ends.  Interleaving and checksums, which nobody uses in calls, are not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from telephony.rtp.codecs.codec import SAMPLE_RATE, WIDE_RATE
from telephony.rtp.codecs.variable import Frame, VariableCodec

# RFC 4867 §5.1: no packet has more frames than this.
_MOST_FRAMES = 12
_LOST, _NO_DATA = 14, 15


@dataclass(frozen=True, kw_only=True)
class Amr(VariableCodec):
    """``sizes``: bits of a frame by its type; from ``noise`` on they are no speech."""

    sizes: Mapping[int, int] = field(compare=False)
    noise: int

    def frames(self, payload: bytes) -> tuple[Frame, ...]:
        """The frames of a payload in either packing; none when it fits neither."""
        return self._aligned(payload) or self._dense(payload)

    def _aligned(self, payload: bytes) -> tuple[Frame, ...]:
        """Octet-aligned (§4.4): a reserved nibble, a table of contents, whole octets a frame."""
        if len(payload) < 2 or payload[0] & 0x0F:
            return ()
        end = next((at for at in range(1, min(len(payload), _MOST_FRAMES + 1)) if not payload[at] & 0x80), 0)
        contents, at, found = payload[1 : end + 1], end + 1, []
        for entry in contents:
            frame_type = entry >> 3 & 15
            if entry & 3 or frame_type not in self.sizes:
                return ()
            octets = -(-self.sizes[frame_type] // 8)
            found.append(self._frame(frame_type, entry, payload[at : at + octets]))
            at += octets
        return tuple(found) if at == len(payload) else ()

    def _dense(self, payload: bytes) -> tuple[Frame, ...]:
        """Bandwidth-efficient (§4.3): everything bit after bit, filled up to an octet."""
        value, left, more = int.from_bytes(payload, "big"), 8 * len(payload) - 4, True
        contents: list[int] = []
        while more and left >= 6 and len(contents) < _MOST_FRAMES:
            left -= 6
            entry = value >> left & 0x3F
            contents.append(entry)
            more = bool(entry & 0x20)
        found = []
        for entry in contents:
            size = self.sizes.get(entry >> 1 & 15, -1)
            if more or not 0 <= size <= left:
                return ()
            left -= size
            bits = (value >> left & (1 << size) - 1) << -size % 8
            found.append(self._frame(entry >> 1 & 15, entry << 2, bits.to_bytes(-(-size // 8), "big")))
        return tuple(found) if left < 8 else ()

    def _frame(self, frame_type: int, entry: int, bits: bytes) -> Frame:
        # Without the quality bit the frame was damaged on the radio: what it says is not what was said.
        # The first octet is that of a frame in a file (§5.3).
        return Frame(bytes([entry & 0x7C]) + bits, frame_type < self.noise and bool(entry & 4))


# 3GPP TS 26.101 and 26.201: bits of each frame type.
_NARROW = dict(enumerate((95, 103, 118, 134, 148, 159, 204, 244, 39))) | {_NO_DATA: 0}
_WIDE = dict(enumerate((132, 177, 253, 285, 317, 365, 397, 461, 477, 40))) | {_LOST: 0, _NO_DATA: 0}
AMR = Amr("AMR", SAMPLE_RATE, SAMPLE_RATE, libav="amrnb", frame_samples=160, sizes=_NARROW, noise=8, lag=40)
AMR_WB = Amr("AMR-WB", WIDE_RATE, WIDE_RATE, libav="amrwb", frame_samples=320, sizes=_WIDE, noise=9, lag=95)
