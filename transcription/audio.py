"""From a recording to what the engine hears: one 16 kHz channel for each party.

The level is evened out only in this copy; the sealed audio is never touched and never "enhanced".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from core.errors import HuiyinError

ENGINE_RATE = 16000
PARTIES = {1: ("unknown",), 2: ("agent", "citizen")}

LEVEL_SECONDS = 0.1
SILENCE_DB = -120.0
# The loudest tenth of a second of a channel that carries nothing: G.711's own noise floor lies near -72 dBFS.
NOTHING_DB = -60.0
# Where ordinary telephone speech lies, and how far a quiet channel may be raised (more would raise crosstalk too).
SPEECH_DB = -22.0
MOST_GAIN_DB = 20.0

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Channel:
    """One party's sound.  ``samples`` at 16 kHz, levelled; ``levels`` in dBFS for each 100 ms of the original.

    ``sounding``: which samples lie between the digital silence before its first packet and that after its last one.
    """

    party: str
    samples: Samples
    levels: Samples
    sounding: slice

    @property
    def silent(self) -> bool:
        """Whether there is nothing in it that could be speech."""
        return float(self.levels.max(initial=SILENCE_DB)) < NOTHING_DB

    def loudness(self, start: float, end: float) -> float:
        """Mean power in dBFS between two moments (seconds) of the original."""
        first = int(start / LEVEL_SECONDS)
        found = self.levels[first : max(first + 1, int(np.ceil(end / LEVEL_SECONDS)))]
        return float(10 * np.log10(np.mean(10 ** (found.astype(np.float64) / 10)))) if len(found) else SILENCE_DB


@dataclass(frozen=True)
class Sound:
    """A whole recording.  ``duration`` in seconds."""

    channels: tuple[Channel, ...]
    duration: float


def read_sound(path: Path) -> Sound:
    """Decode a file that libsndfile knows.

    Raises ``HuiyinError`` when it cannot be read, or has neither one channel nor two.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise HuiyinError("the audio cannot be read", file=path.name, expected="FLAC or WAV", found=error) from error
    if samples.shape[1] not in PARTIES:
        raise HuiyinError(
            "the audio has an unexpected number of channels", file=path.name, expected="1 or 2", found=samples.shape[1]
        )
    parties = PARTIES[samples.shape[1]]
    return Sound(
        tuple(prepare(party, samples[:, index], rate) for index, party in enumerate(parties)), len(samples) / rate
    )


def prepare(party: str, samples: Samples, rate: int) -> Channel:
    """One channel as the engine wants it.

    What is heard must not depend on the millisecond at which the other party's stream began: level and filter see the
    sound of this one alone.
    """
    places = np.flatnonzero(samples)
    first, last = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
    sound = samples[first:last]
    gain = gain_for(levels_of(sound, rate), float(np.abs(sound).max(initial=0)))
    if len(sound) and rate != ENGINE_RATE:
        sound = soxr.resample(sound, rate, ENGINE_RATE)
    begin = round(first * ENGINE_RATE / rate)
    made = np.zeros(max(round(len(samples) * ENGINE_RATE / rate), begin + len(sound)), dtype=np.float32)
    made[begin : begin + len(sound)] = sound * np.float32(gain)
    return Channel(party, made, levels_of(samples, rate), slice(begin, begin + len(sound)))


def levels_of(samples: Samples, rate: int) -> Samples:
    """Power in dBFS of each whole or begun tenth of a second."""
    size = max(1, round(rate * LEVEL_SECONDS))
    padded = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    power = np.einsum("ij,ij->i", padded, padded, dtype=np.float64) / size
    decibels: Samples = np.maximum(10 * np.log10(np.maximum(power, 1e-30)), SILENCE_DB).astype(np.float32)
    return decibels


def gain_for(levels: Sequence[float] | Samples, peak: float) -> float:
    """The factor that brings a quiet channel near the usual level of speech; never lowers, never clips."""
    audible = np.asarray(levels)[np.asarray(levels) > NOTHING_DB]
    if not len(audible) or peak <= 0:
        return 1.0
    missing = SPEECH_DB - float(np.percentile(audible, 90))
    gain = 10.0 ** (min(max(missing, 0.0), MOST_GAIN_DB) / 20)
    return float(max(1.0, min(gain, 0.99 / peak)))
