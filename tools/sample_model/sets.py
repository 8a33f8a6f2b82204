"""Held-out evaluation sets as small FLAC files with a ``labels.json``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tools.sample_model.corpus import held_out
from tools.sample_model.espeak import Utterance
from tools.sample_model.speech import (
    HELD_OUT_VOICES,
    KNOWN_VOICES,
    TELEPHONE_RATE,
    a_law,
    busy_tone,
    line_noise,
    music,
    ringback,
    telephone,
)

SEED = 20261101
NOISES = ("silence", "line", "ringback", "busy", "music")


def write_flac(path: Path, samples: NDArray[np.float32]) -> None:
    """8 kHz mono 16-bit."""
    soundfile.write(str(path), samples, TELEPHONE_RATE, subtype="PCM_16", format="FLAC")


def _write_labels(directory: Path, labels: dict[str, str]) -> None:
    text = json.dumps(labels, ensure_ascii=False, indent=0, sort_keys=True)
    (directory / "labels.json").write_text(text + "\n", encoding="utf-8")


def _speech_set(directory: Path, spoken: list[Utterance], seed: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    labels: dict[str, str] = {}
    for index, item in enumerate(spoken):
        name = f"{index:03d}.flac"
        around = [np.zeros(int(TELEPHONE_RATE * rng.uniform(0.2, 0.6)), dtype=np.float32) for _ in range(2)]
        write_flac(directory / name, telephone(np.concatenate([around[0], item.samples, around[1]]), rng))
        labels[name] = item.text
    _write_labels(directory, labels)


def _noise(kind: str, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    if kind == "silence":
        return np.zeros(count, dtype=np.float32)
    level = 10 ** rng.uniform(-4, -2)
    if kind == "line":
        return line_noise(rng, count, 10 ** rng.uniform(-3.5, -1.7))
    if kind == "music":
        return music(rng, count) + line_noise(rng, count, level)
    tone = ringback(count, rng.uniform(0, 5)) if kind == "ringback" else busy_tone(count, rng.uniform(0, 0.7))
    return tone + line_noise(rng, count, level)


def _noise_set(directory: Path, seed: int, each: int = 4) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    labels: dict[str, str] = {}
    for kind in NOISES:
        for index in range(each):
            name = f"{kind}{index}.flac"
            sound = _noise(kind, rng, int(TELEPHONE_RATE * rng.uniform(10, 20)))
            write_flac(directory / name, a_law(np.clip(sound, -0.999, 0.999).astype(np.float32)))
            labels[name] = ""
    _write_labels(directory, labels)


def write_sets(target: Path, each: int = 140) -> None:
    """``sentences`` (held-out sentences, known voices), ``voices`` (held-out both) and ``noise``."""
    _speech_set(target / "sentences", held_out(KNOWN_VOICES, SEED, each), SEED)
    _speech_set(target / "voices", held_out(HELD_OUT_VOICES, SEED + 1, each), SEED + 1)
    _noise_set(target / "noise", SEED + 2)
