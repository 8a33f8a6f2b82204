"""L16: samples as they are, in network byte order (RFC 3551 §4.5.11), mono."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from telephony.rtp.codecs.codec import SAMPLE_RATE, WIDE_RATE, Codec, Samples
from telephony.rtp.codecs.resampling import Resampler, cut


@dataclass(frozen=True)
class Linear(Codec):
    """No state but the resampler's."""

    def decoder(self, rate: int) -> "LinearDecoder":
        return LinearDecoder(self.native_rate, rate)

    def payloads(self, sound: Samples, packet_ms: int) -> list[bytes]:
        packet = self.native_rate * packet_ms // 1000
        whole = np.pad(sound, (0, -len(sound) % packet)).astype(">i2")
        return [samples.tobytes() for samples in whole.reshape(-1, packet)]


class LinearDecoder:
    """An odd octet, and samples short of one in the file, are passed over."""

    def __init__(self, native_rate: int, rate: int) -> None:
        self.undecodable = 0
        self._resampler = Resampler(native_rate, rate)
        # Octets that become whole samples of the file.
        self._group = 2 * max(1, native_rate // rate)

    @property
    def delay(self) -> int:
        return self._resampler.delay

    def samples(self, payload: bytes) -> int:
        return self._resampler.length(self._whole(payload) // 2)

    def _whole(self, payload: bytes) -> int:
        return len(payload) - len(payload) % self._group

    def decode(self, payloads: Sequence[bytes]) -> list[Samples]:
        stream = b"".join(payload[: self._whole(payload)] for payload in payloads)
        sound = np.frombuffer(stream, ">i2").astype(np.int16)
        return cut(self._resampler.resample(sound), [self.samples(payload) for payload in payloads])

    def gap(self) -> None:
        self._resampler.reset()


LINEAR_CODECS = tuple(Linear("L16", rate, rate) for rate in (SAMPLE_RATE, WIDE_RATE))
