"""The vocabulary of transcripts, and what a speech engine must offer.  Times are seconds from the recording's start."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

FORMAT = "huiyin-transcript/1"


@dataclass(frozen=True)
class Word:
    """A word (in Chinese often one character) with its time and the engine's probability (0 to 1)."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True)
class Turn:
    """One party speaking without the other taking over.  ``text`` is simplified Chinese; ``raw_text`` is what the
    engine wrote before conversion.  ``overlaps`` tells that the other party speaks at the same time, ``echo`` that the
    same words stand louder on the other channel."""

    party: str
    start: float
    end: float
    text: str
    confidence: float
    words: tuple[Word, ...] = ()
    raw_text: str = ""
    overlaps: bool = False
    echo: bool = False
    # average log probability, no-speech probability, compression ratio, temperature
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Dropped:
    """Text that a guard took out, kept with its reason: nothing disappears silently."""

    party: str
    start: float
    end: float
    text: str
    reason: str


@dataclass(frozen=True)
class Transcript:
    """The dialogue of one recording, with everything needed to say how it came about."""

    turns: tuple[Turn, ...]
    dropped: tuple[Dropped, ...]
    duration: float
    language: str
    # name, version, model, model_sha256, device, compute_type
    engine: Mapping[str, str]
    settings: Mapping[str, Any]
    # seconds of speech found by channel, and seconds that the work took
    speech_seconds: Mapping[str, float] = field(default_factory=dict)
    elapsed_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The transcript object's content (plain JSON values), with its format named."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Transcript":
        """Read what ``to_json`` wrote; ``ValueError`` for another format."""
        if plain.get("format") != FORMAT:
            raise ValueError(f"not a transcript of format {FORMAT}")
        fields = {name: value for name, value in plain.items() if name != "format"}
        fields["turns"] = tuple(
            Turn(**{**turn, "words": tuple(Word(**word) for word in turn["words"])}) for turn in plain["turns"]
        )
        fields["dropped"] = tuple(Dropped(**dropped) for dropped in plain["dropped"])
        return cls(**fields)


class Transcriber(Protocol):
    """A loaded speech engine.  Loading takes seconds and memory: make one for each worker process and keep it."""

    def transcribe(self, audio: Path, *, hotwords: Sequence[str] = ()) -> Transcript:
        """Turn a stereo file (left agent, right citizen; mono counts as one party ``unknown``) into a dialogue.

        Blocking: call it from a thread of the process that owns the model.  Raises ``core.errors.HuiyinError`` when
        the audio cannot be read or the engine fails; the recording is never touched.
        """
        ...
