"""Character error rate (CER): how much of the true text an engine got wrong, on anyone's labelled audio.

Both texts are compared without punctuation and white space, in half width and simplified characters (NFKC), so that
only what was heard counts.  Numbers are compared as written: 「12」 is not 「十二」.
"""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import HuiyinError, NotFound
from transcription.engine import Transcriber, Transcript
from transcription.simplify import simplify

LABELS = "labels.json"
AUDIO_SUFFIXES = frozenset((".flac", ".wav", ".ogg", ".mp3"))


@dataclass(frozen=True)
class FileScore:
    """One file: its true text and the text heard, both as written, and the characters counted."""

    file: str
    truth: str
    heard: str
    characters: int
    errors: int
    audio_seconds: float
    work_seconds: float

    @property
    def cer(self) -> float | None:
        """Errors for each true character; None where there is no true character (noise)."""
        return self.errors / self.characters if self.characters else None


@dataclass(frozen=True)
class Evaluation:
    """All files of a set."""

    files: tuple[FileScore, ...]

    @property
    def characters(self) -> int:
        return sum(file.characters for file in self.files)

    @property
    def errors(self) -> int:
        return sum(file.errors for file in self.files)

    @property
    def cer(self) -> float | None:
        """Errors of the whole set for each true character, so that long files weigh more."""
        return self.errors / self.characters if self.characters else None

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for each second of audio."""
        audio = sum(file.audio_seconds for file in self.files)
        return sum(file.work_seconds for file in self.files) / audio if audio else 0.0


def evaluate_set(
    transcriber: Transcriber,
    directory: Path,
    *,
    limit: int | None = None,
    on_file: Callable[[FileScore], None] | None = None,
) -> Evaluation:
    """Transcribe the labelled audio of a directory (the first ``limit`` files by name) and count the errors.

    Labels stand in ``labels.json`` (``{"file.flac": "text"}``) or in a ``.txt`` beside each audio file.
    Raises ``NotFound`` when there are none.
    """
    scores = []
    for file, truth in sorted(read_labels(directory).items())[:limit]:
        score = score_file(file, truth, transcriber.transcribe(directory / file))
        if on_file:
            on_file(score)
        scores.append(score)
    return Evaluation(tuple(scores))


def score_file(file: str, truth: str, transcript: Transcript) -> FileScore:
    """Compare one transcript, all turns in the order of time, with the true text."""
    heard = "".join(turn.text for turn in transcript.turns)
    plain = normalise(truth)
    return FileScore(
        file,
        truth,
        heard,
        len(plain),
        distance(plain, normalise(heard)),
        transcript.duration,
        transcript.elapsed_seconds,
    )


def read_labels(directory: Path) -> dict[str, str]:
    """True text for each audio file, by its path below the directory."""
    listed = directory / LABELS
    if listed.is_file():
        return _read_list(listed)
    found = {
        audio.relative_to(directory).as_posix(): audio.with_suffix(".txt").read_text(encoding="utf-8-sig")
        for audio in sorted(directory.rglob("*"))
        if audio.suffix.lower() in AUDIO_SUFFIXES and audio.with_suffix(".txt").is_file()
    }
    if not found:
        raise NotFound("no labelled audio", directory=directory, expected=f"{LABELS}, or a .txt beside each audio file")
    return found


def _read_list(file: Path) -> dict[str, str]:
    try:
        labels = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise HuiyinError("the labels cannot be read", file=file, expected="JSON", found=error) from error
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise HuiyinError("the labels cannot be read", file=file, expected='{"audio file": "true text", …}')
    return labels


def normalise(text: str) -> str:
    """Only what is heard: NFKC (half width), simplified, lower case, without punctuation, symbols and white space."""
    return "".join(char for char in simplify(unicodedata.normalize("NFKC", text)).lower() if char.isalnum())


def character_error_rate(truth: str, heard: str) -> float:
    """Errors for each true character; ``ValueError`` when nothing true was said."""
    plain = normalise(truth)
    if not plain:
        raise ValueError("the true text holds no character")
    return distance(plain, normalise(heard)) / len(plain)


def distance(first: str, second: str) -> int:
    """Levenshtein distance, a column of the matrix at a time in the bits of one integer.

    G. Myers, "A fast bit-vector algorithm for approximate string matching", 1999, as H. Hyyrö put it in 2003.
    """
    if not first:
        return len(second)
    where: dict[str, int] = {}
    for index, char in enumerate(first):
        where[char] = where.get(char, 0) | 1 << index
    full = (1 << len(first)) - 1
    last = 1 << (len(first) - 1)
    plus, minus, score = full, 0, len(first)
    for char in second:
        match = where.get(char, 0)
        diagonal = (((match & plus) + plus) ^ plus) | match | minus
        rise = minus | (full & ~(diagonal | plus))
        fall = diagonal & plus
        score += bool(rise & last) - bool(fall & last)
        rise, fall = rise << 1 | 1, fall << 1
        plus = full & (fall | ~(diagonal | rise))
        minus = rise & diagonal & full
    return score
