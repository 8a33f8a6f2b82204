"""Codecs whose payload is a row of frames of one size, decoded by libavcodec: G.722, G.726, G.729, GSM.

A frame is the shortest whole thing: for G.726 the octets in which its codewords come out even.  Frames of several
packets are decoded at once, which is what makes it fast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import Refused
from telephony.rtp.codecs.codec import SAMPLE_RATE, WIDE_RATE, Codec, Samples
from telephony.rtp.codecs.libav import LibavDecoder, encode
from telephony.rtp.codecs.resampling import Resampler, cut


@dataclass(frozen=True, kw_only=True)
class FrameCodec(Codec):
    """``frame_octets`` give ``frame_samples`` at ``native_rate``.

    ``silence_octets``: length of a frame of comfort noise at a payload's end, which is a frame of silence.
    ``lag`` is how many samples at ``native_rate`` encoder and decoder together hold the sound back.
    """

    libav: str
    frame_octets: int
    frame_samples: int
    options: Mapping[str, int] = field(default_factory=dict, compare=False)
    silence_octets: int = 0
    lag: int = 0
    encodes: bool = False

    def frames(self, payload: bytes) -> int:
        """How many whole frames of sound are in a payload."""
        return len(payload) // self.frame_octets

    def silence(self, payload: bytes) -> bool:
        """Whether a frame of comfort noise ends the payload (RFC 3551 §4.5.6)."""
        return 0 < self.silence_octets == len(payload) % self.frame_octets

    def decoder(self, rate: int) -> "FrameDecoder":
        return FrameDecoder(self, rate)

    def payloads(self, sound: Samples, packet_ms: int) -> list[bytes]:
        if not self.encodes:
            return super().payloads(sound, packet_ms)
        samples = self.native_rate * packet_ms // 1000
        octets = samples // self.frame_samples * self.frame_octets
        if samples % self.frame_samples:
            raise Refused("the codec has no packets of this length", codec=self.rtpmap, found=f"{packet_ms} ms")
        whole = np.pad(sound, (0, -len(sound) % samples))
        stream = b"".join(encode(self.libav, self.native_rate, whole, **self.options))
        return [stream[at : at + octets] for at in range(0, len(whole) // samples * octets, octets)]


class FrameDecoder:
    """Trailing octets that are no whole frame are passed over."""

    def __init__(self, codec: FrameCodec, rate: int) -> None:
        self.undecodable = 0
        self._codec = codec
        self._libav = LibavDecoder(codec.libav, codec.native_rate, **codec.options)
        self._resampler = Resampler(codec.native_rate, rate)

    @property
    def delay(self) -> int:
        return self._resampler.length(self._codec.lag) + self._resampler.delay

    def samples(self, payload: bytes) -> int:
        return self._resampler.length(self._native(payload))

    def _native(self, payload: bytes) -> int:
        return (self._codec.frames(payload) + self._codec.silence(payload)) * self._codec.frame_samples

    def decode(self, payloads: Sequence[bytes]) -> list[Samples]:
        try:
            sound = self._sound(payloads)
        except ValueError:
            sound = np.concatenate([self._sound_or_silence(payload) for payload in payloads])
        return cut(self._resampler.resample(sound), [self.samples(payload) for payload in payloads])

    def _sound(self, payloads: Sequence[bytes]) -> Samples:
        codec = self._codec
        counts = [codec.frames(payload) for payload in payloads]
        stream = b"".join(
            payload[: count * codec.frame_octets] for payload, count in zip(payloads, counts, strict=True)
        )
        sound = self._libav.decode(stream, sum(counts) * codec.frame_samples)
        if not any(codec.silence(payload) for payload in payloads):
            return sound
        pieces = cut(sound, [count * codec.frame_samples for count in counts])
        padded = zip(pieces, payloads, strict=True)
        return np.concatenate([np.pad(piece, (0, self._native(payload) - len(piece))) for piece, payload in padded])

    def _sound_or_silence(self, payload: bytes) -> Samples:
        try:
            return self._sound([payload])
        except ValueError:
            self.undecodable += 1
            return np.zeros(self._native(payload), np.int16)

    def gap(self) -> None:
        """An adaptive decoder goes on from where it was, which is nearer to the encoder than its beginning; also for
        G.729, whose erased frames leave libavcodec's decoder further off than frames that never were."""
        self._resampler.reset()


# RFC 3551 §4.5.2: its RTP clock counts 8,000 a second, its sound has 16,000.
G722 = FrameCodec(
    "G722", SAMPLE_RATE, WIDE_RATE, 9, libav="g722", frame_octets=1, frame_samples=2, lag=22, encodes=True
)
# RFC 3551 §4.5.6: 10 ms a frame; two octets of annex B are a frame of comfort noise.
G729 = FrameCodec(
    "G729",
    SAMPLE_RATE,
    SAMPLE_RATE,
    18,
    libav="g729",
    frame_octets=10,
    frame_samples=80,
    silence_octets=2,
    lag=40,
)
GSM = FrameCodec("GSM", SAMPLE_RATE, SAMPLE_RATE, 3, libav="gsm", frame_octets=33, frame_samples=160)


def _g726(encoding: str, libav: str) -> tuple[FrameCodec, ...]:
    """2, 3, 4 and 5 bits a sample.  RFC 3551 §4.5.4 fills octets from the least significant bit, ITU-T I.366.2 (AAL2)
    from the most significant."""
    sizes = {2: (1, 4), 3: (3, 8), 4: (1, 2), 5: (5, 8)}
    return tuple(
        FrameCodec(
            f"{encoding}-{8 * bits}",
            SAMPLE_RATE,
            SAMPLE_RATE,
            libav=libav,
            frame_octets=octets,
            frame_samples=samples,
            # The decoder's name for it and the encoder's.
            options={"bits_per_coded_sample": bits, "code_size": bits},
            encodes=True,
        )
        for bits, (octets, samples) in sizes.items()
    )


FRAME_CODECS = (G722, G729, GSM, *_g726("G726", "g726le"), *_g726("AAL2-G726", "g726"))
