"""From one sample rate to another by a whole factor, packet after packet, with a constant and known delay.

A windowed sinc (Kaiser, 60 dB) split into its phases.  The delay is 1.875 ms: a sharper filter would move words.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.codecs.codec import Samples

_Taps = NDArray[np.float32]
_DELAY_MS = 1.875
_KAISER_BETA = 5.65


class Resampler:
    """Sound of one source; ``delay`` is in samples at ``target``.  One rate is a multiple of the other."""

    def __init__(self, source: int, target: int) -> None:
        if source % target and target % source:
            raise ValueError("one sample rate must be a multiple of the other")
        self._up, self._down = max(1, target // source), max(1, source // target)
        self.delay = 0 if source == target else round(_DELAY_MS * target / 1000)
        # On the way down the newest sample of a group is as early as its first one's place allows.
        half = self.delay if self._up > 1 else self.delay * self._down + self._down - 1
        self._phases = _phases(half, max(self._up, self._down)) if source != target else ()
        self.reset()

    def reset(self) -> None:
        """What follows has nothing to do with what was before."""
        history = len(self._phases[0]) - 1 if self._phases else 0
        self._history = np.zeros(history * self._down, np.float32)

    def length(self, samples: int) -> int:
        """How many samples become of ``samples``."""
        return samples * self._up // self._down

    def resample(self, samples: Samples) -> Samples:
        """As many as ``length`` says; ``samples`` must be a multiple of the factor when the rate goes down."""
        if not self._phases or not len(samples):
            return samples
        sound = np.concatenate((self._history, samples.astype(np.float32)))
        self._history = sound[len(sound) - len(self._history) :]
        if self._down > 1:
            columns = sound.reshape(-1, self._down)
            parts = [np.convolve(columns[:, -1 - at], taps, "valid") for at, taps in enumerate(self._phases)]
            made = np.sum(parts, axis=0, dtype=np.float32)
        else:
            made = np.stack([np.convolve(sound, taps, "valid") for taps in self._phases], axis=1).reshape(-1) * self._up
        rounded: Samples = np.clip(np.rint(made), -32768, 32767).astype(np.int16)
        return rounded


@cache
def _phases(half: int, factor: int) -> tuple[_Taps, ...]:
    """A filter of ``half`` taps on either side, at the higher rate; every ``factor``-th tap is a phase."""
    places = np.arange(-half, half + 1)
    # The band ends where the lower rate's does; half of the transition is above it.
    taps = np.sinc(places / factor * 0.94) * np.kaiser(2 * half + 1, _KAISER_BETA)
    padded = np.pad(taps / taps.sum(), (0, -len(taps) % factor))
    phases: list[_Taps] = [padded.astype(np.float32)[phase::factor] for phase in range(factor)]
    return tuple(phases)


def cut(sound: Samples, lengths: Sequence[int]) -> list[Samples]:
    """One run of sound as pieces of the given lengths."""
    return np.split(sound, np.cumsum(lengths[:-1])) if lengths else []
