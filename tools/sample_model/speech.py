"""Synthetic telephone speech: voices, G.711, and the accidents of a telephone line."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly  # type: ignore[import-untyped]

from tools.sample_model.espeak import SYNTH_RATE, Utterance, synthesise

TELEPHONE_RATE = 8000

KNOWN_VOICES = (
    "", "m1", "m2", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f5", "Alex", "Alicia", "Annie", "Andy", "Denis", "Gene",
    "Gene2", "Lee", "Mario", "Mike", "Nguyen", "adam", "aunty", "belinda", "benjamin", "boris", "david", "ed", "edward",
    "grandma", "grandpa", "gustave", "max", "norbert", "paul", "quincy", "robert", "sandro", "steph", "travis", "victor", "zac",
)  # fmt: skip
HELD_OUT_VOICES = ("m3", "Michael", "f4", "linda")
"""Two male and two female voices that are never trained on."""


@dataclass(frozen=True)
class Manner:
    """How a sentence is spoken; ``stretch`` changes speed and pitch together, like another vocal tract."""

    variant: str
    words_per_minute: int
    pitch: int
    stretch: int

    @classmethod
    def random(cls, rng: Random, voices: tuple[str, ...]) -> Manner:
        return cls(rng.choice(voices), rng.randint(130, 205), rng.randint(25, 75), rng.randint(-22, 22))


def speak(text: str, manner: Manner) -> Utterance:
    """Speech at 8 kHz with a peak of 0.5, cut to the sounding part."""
    spoken = synthesise(text, manner.variant, manner.words_per_minute, manner.pitch)
    down = 441 + manner.stretch
    samples = resample_poly(spoken.samples, 160, down).astype(np.float32)
    ratio = 160 / down
    spans = (spoken.spans * ratio).astype(np.int64)
    begin = max(0, int(spans[0, 0]) - 160)
    end = min(len(samples), int(spans[-1, 1]) + 240)
    cut = samples[begin:end]
    cut = cut * (0.5 / max(1e-6, float(np.abs(cut).max())))
    return Utterance(text, cut, TELEPHONE_RATE, spans - begin)


def a_law(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """ITU-T G.711 A-law there and back."""
    magnitude = np.minimum(np.abs(samples) * 4096, 4095)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))) - 4, 1)
    step = 2.0**exponent
    out: NDArray[np.float32] = (np.sign(samples) * (np.floor(magnitude / step) + 0.5) * step / 4096).astype(np.float32)
    return out


def mu_law(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """ITU-T G.711 µ-law there and back."""
    magnitude = np.minimum(np.abs(samples) * 8192, 8158) + 33
    step = 2.0 ** (np.floor(np.log2(magnitude)) - 4)
    level = (np.floor(magnitude / step) + 0.5) * step - 33
    out: NDArray[np.float32] = (np.sign(samples) * level / 8192).astype(np.float32)
    return out


def line_noise(rng: np.random.Generator, count: int, level: float) -> NDArray[np.float32]:
    """White, coloured or humming noise of the given root mean square."""
    noise = rng.standard_normal(count, dtype=np.float32)
    kind = rng.random()
    if kind < 0.4:
        noise[1:] = noise[1:] + 0.9 * noise[:-1]
    elif kind < 0.6:
        hum = np.sin(2 * np.pi * rng.choice([50.0, 100.0, 150.0]) * np.arange(count) / TELEPHONE_RATE)
        noise = 0.3 * noise + (1.4 * hum).astype(np.float32)
    return noise * np.float32(level)


def _lose_packets(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Silence in place of a few 20 ms packets, as a jitter buffer leaves it."""
    for _ in range(int(rng.integers(1, 3))):
        begin = int(rng.integers(0, max(1, len(samples) - 160)))
        samples[begin : begin + 160] = 0
    return samples


def telephone(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A clean 8 kHz signal as the recorder gets it: other level, noise, sometimes clipping and losses, G.711."""
    out = samples * np.float32(10 ** rng.uniform(-1.2, 0.35))
    if rng.random() < 0.8:
        speech = float(np.sqrt(np.mean(np.square(out)))) + 1e-4
        out = out + line_noise(rng, len(out), min(speech, 0.1) * 10 ** -rng.uniform(1.0, 3.0))
    if rng.random() < 0.1:
        out = _lose_packets(out.copy(), rng)
    out = np.clip(out, -0.999, 0.999).astype(np.float32)
    return mu_law(out) if rng.random() < 0.2 else a_law(out)


def ringback(count: int, phase: float = 0.0) -> NDArray[np.float32]:
    """China's ringback tone: 450 Hz, 1 s on, 4 s off (GB/T 3380)."""
    time = np.arange(count) / TELEPHONE_RATE
    return (0.2 * np.sin(2 * np.pi * 450 * time) * ((time + phase) % 5 < 1)).astype(np.float32)


def busy_tone(count: int, phase: float = 0.0) -> NDArray[np.float32]:
    """China's busy tone: 450 Hz, 0.35 s on, 0.35 s off (GB/T 3380)."""
    time = np.arange(count) / TELEPHONE_RATE
    return (0.2 * np.sin(2 * np.pi * 450 * time) * ((time + phase) % 0.7 < 0.35)).astype(np.float32)


def music(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """A plucked melody with a few harmonics and a bass, as queues play it."""
    out = np.zeros(count, dtype=np.float32)
    scale = np.array([262, 294, 330, 392, 440, 523, 587, 659, 784]) * rng.uniform(0.7, 1.3)
    beat = int(TELEPHONE_RATE * rng.uniform(0.15, 0.6))
    richness = rng.uniform(0.2, 0.7)
    for begin in range(0, count, beat):
        length = min(count - begin, beat * int(rng.integers(1, 4)))
        time = np.arange(length) / TELEPHONE_RATE
        for note in rng.choice(scale, size=int(rng.integers(1, 4))):
            tone = sum(richness**k * np.sin(2 * np.pi * note * (k + 1) * time) for k in range(4))
            out[begin : begin + length] += (tone * np.exp(-time * rng.uniform(1, 6))).astype(np.float32)
    return out * np.float32(0.2 / max(1e-3, float(np.abs(out).max())))


def other_sound(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Anything that is not speech and must give no text."""
    kind = rng.random()
    if kind < 0.2:
        sound = ringback(count, rng.uniform(0, 5))
    elif kind < 0.4:
        sound = busy_tone(count, rng.uniform(0, 0.7))
    elif kind < 0.65:
        sound = music(rng, count)
    elif kind < 0.75:
        time = np.arange(count) / TELEPHONE_RATE
        sound = (0.2 * np.sin(2 * np.pi * rng.uniform(200, 1800) * time) * (time % rng.uniform(0.3, 3) < 0.3)).astype(
            np.float32
        )
    elif kind < 0.85:
        sound = np.zeros(count, dtype=np.float32)
        clicks = rng.integers(0, count, size=int(rng.integers(1, 20)))
        sound[clicks] = rng.uniform(-0.5, 0.5, size=len(clicks))
    else:
        sound = np.zeros(count, dtype=np.float32)
    sound = sound * np.float32(10 ** rng.uniform(-1.0, 0.4))
    if rng.random() < 0.8:
        sound = sound + line_noise(rng, count, 10 ** rng.uniform(-4.5, -1.6))
    return a_law(np.clip(sound, -0.999, 0.999))


assert SYNTH_RATE == 22050  # ``speak`` resamples 22050 Hz by 160/441
