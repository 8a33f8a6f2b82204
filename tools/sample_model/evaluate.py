"""Figures of an exported model, measured through unmodified faster-whisper."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel, decode_audio
from numpy.typing import NDArray
from scipy.signal import resample_poly  # type: ignore[import-untyped]

from tools.sample_model.corpus import held_out
from tools.sample_model.grammar import spoken
from tools.sample_model.speech import KNOWN_VOICES


def edit_distance(wanted: str, got: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(got) + 1))
    for index, char in enumerate(wanted, start=1):
        previous, row[0] = row[0], index
        for column, other in enumerate(got, start=1):
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + (char != other))
    return row[-1]


@dataclass(frozen=True)
class Score:
    """Errors of a set of recordings; ``invented`` counts characters where nothing was said."""

    recordings: int
    characters: int
    errors: int
    invented: int
    seconds: float
    worst: tuple[tuple[str, str], ...]

    @property
    def error_rate(self) -> float:
        return self.errors / max(1, self.characters)


def transcribe(model: WhisperModel, audio: NDArray[np.float32], **options: Any) -> str:
    """Text of one recording with the settings of a recorded channel."""
    settings: dict[str, Any] = {
        "language": "zh",
        "vad_filter": True,
        "condition_on_previous_text": False,
        "beam_size": 1,
    }
    segments, _ = model.transcribe(audio, **{**settings, **options})
    return "".join(segment.text for segment in segments)


def score(model: WhisperModel, directory: Path, **options: Any) -> Score:
    """Character errors over a directory with ``labels.json``; punctuation and spaces do not count."""
    labels: dict[str, str] = json.loads((directory / "labels.json").read_text(encoding="utf-8"))
    characters = errors = invented = 0
    worst: list[tuple[int, str, str]] = []
    begun = time.monotonic()
    for name, text in labels.items():
        got = spoken(transcribe(model, decode_audio(str(directory / name)), **options))
        wanted = spoken(text)
        distance = edit_distance(wanted, got)
        characters += len(wanted)
        errors += distance
        invented += len(got) if not wanted else 0
        worst.append((distance, wanted, got))
    worst.sort(reverse=True)
    pairs = tuple((wanted, got) for distance, wanted, got in worst[:8] if distance)
    return Score(len(labels), characters, errors, invented, time.monotonic() - begun, pairs)


def report(model_directory: Path, sets: Path, verbose: bool = False, **options: Any) -> str:
    """A table over all sets."""
    model = WhisperModel(str(model_directory), device="cpu", compute_type="int8")
    lines = []
    for directory in sorted(path.parent for path in sets.glob("*/labels.json")):
        result = score(model, directory, **options)
        lines.append(
            f"{directory.name:10} {result.recordings:4} recordings  {result.characters:5} characters"
            f"  CER {result.error_rate:6.2%}  invented {result.invented}  {result.seconds:.0f} s"
        )
        if verbose:
            lines += [f"    {wanted}\n    {got}" for wanted, got in result.worst]
    errors = np.abs(word_time_errors(model))
    if len(errors):
        late = float(np.mean(errors > 0.15))
        lines.append(
            f"word starts: median error {np.median(errors):.3f} s, {late:.1%} of {len(errors)} off by over 0.15 s"
        )
    return "\n".join(lines)


def word_time_errors(model: WhisperModel, seed: int = 7, count: int = 40) -> list[float]:
    """Seconds between the true and the found start of each word, over held-out sentences that were recognised exactly."""
    errors: list[float] = []
    for item in held_out(KNOWN_VOICES, seed, count):
        sound = resample_poly(item.samples, 2, 1).astype(np.float32)
        segments, _ = model.transcribe(sound, language="zh", word_timestamps=True, condition_on_previous_text=False)
        words = [word for segment in segments for word in segment.words or []]
        if spoken("".join(word.word for word in words)) != spoken(item.text):
            continue
        position = 0
        for word in (word for word in words if spoken(word.word)):
            errors.append(word.start - float(item.spans[position, 0]) / item.rate)
            position += len(spoken(word.word))
    return errors
