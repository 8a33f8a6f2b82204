"""Codecs whose frames differ in length, some of them without speech: AMR and G.723.1, decoded by libavcodec."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from telephony.rtp.codecs.codec import Codec, Samples
from telephony.rtp.codecs.libav import LibavDecoder
from telephony.rtp.codecs.resampling import Resampler, cut


@dataclass(frozen=True)
class Frame:
    """``data`` as libavcodec takes it; without ``speech`` (noise, nothing, damaged) it is silence."""

    data: bytes
    speech: bool


@dataclass(frozen=True, kw_only=True)
class VariableCodec(Codec):
    """Every frame is ``frame_samples`` long; ``lag`` is how many of them coder and decoder hold the sound back."""

    libav: str
    frame_samples: int
    lag: int

    @abstractmethod
    def frames(self, payload: bytes) -> tuple[Frame, ...]:
        """The frames of a payload; none when it cannot be read."""

    def decoder(self, rate: int) -> "VariableDecoder":
        return VariableDecoder(self, rate)


class VariableDecoder:
    """Speech of several frames is decoded at once."""

    def __init__(self, codec: VariableCodec, rate: int) -> None:
        self.undecodable = 0
        self._codec = codec
        self._libav, self._resampler = LibavDecoder(codec.libav, codec.native_rate), Resampler(codec.native_rate, rate)

    @property
    def delay(self) -> int:
        return self._resampler.length(self._codec.lag) + self._resampler.delay

    def samples(self, payload: bytes) -> int:
        return self._length(self._codec.frames(payload))

    def _length(self, frames: Sequence[Frame]) -> int:
        return self._resampler.length(len(frames) * self._codec.frame_samples)

    def decode(self, payloads: Sequence[bytes]) -> list[Samples]:
        frames = [self._codec.frames(payload) for payload in payloads]
        sound = np.concatenate([np.zeros(0, np.int16), *map(self._sound, frames)])
        return cut(self._resampler.resample(sound), [self._length(found) for found in frames])

    def _sound(self, frames: Sequence[Frame]) -> Samples:
        samples = self._codec.frame_samples
        sound = np.zeros((len(frames), samples), np.int16)
        speech = [at for at, frame in enumerate(frames) if frame.speech]
        stream = b"".join(frames[at].data for at in speech)
        try:
            sound[speech] = self._libav.decode(stream, len(speech) * samples).reshape(-1, samples)
        except ValueError:
            self.undecodable += 1
        return sound.reshape(-1)

    def gap(self) -> None:
        self._resampler.reset()
