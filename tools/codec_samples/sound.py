"""The sound that is encoded: a beep, a sweep through the band, and a sentence."""

import io
import subprocess

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Sound = NDArray[np.int16]
RATE = 16000
SENTENCE = "问题解决了吗？"
_LEVEL = 10000


def original() -> Sound:
    """About three seconds at 16 kHz; between the parts, a tenth of a second of silence."""
    pause = np.zeros(RATE // 10)
    parts = (pause, pause, _beep(), pause, _sweep(), pause, _speech(), pause, pause)
    return np.rint(np.concatenate(parts) * _LEVEL).astype(np.int16)


def _beep() -> NDArray[np.float64]:
    return np.sin(2 * np.pi * 1000 * np.arange(RATE * 3 // 10) / RATE)


def _sweep() -> NDArray[np.float64]:
    """200 Hz to 7 kHz in half a second; telephone codecs hear its first half."""
    time = np.arange(RATE // 2) / RATE
    return 0.7 * np.sin(2 * np.pi * (200 * time + (7000 - 200) * time**2))


def _speech() -> NDArray[np.float64]:
    spoken = subprocess.run(
        ["espeak-ng", "-v", "cmn", "-s", "220", "--stdout", SENTENCE], check=True, capture_output=True
    ).stdout
    samples, rate = soundfile.read(io.BytesIO(spoken), dtype="float64")
    samples = soxr.resample(samples, rate, RATE)
    loud: NDArray[np.float64] = samples / np.abs(samples).max()
    return loud
