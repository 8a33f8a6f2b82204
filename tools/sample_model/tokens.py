"""Token numbers: characters first, then Whisper's special tokens and timestamps.

Three rules of the readers of such a model are easy to miss.  CTranslate2 takes a model without the empty-string token in
its usual place for an English-only one; faster-whisper starts every prompt with a space; and the special tokens must keep
Whisper's order, timestamps last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tools.sample_model.grammar import characters

UNKNOWN = "□"
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|zh|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
TIMESTAMPS = 1501
TIMESTAMP_SECONDS = 0.02


@dataclass(frozen=True)
class Vocabulary:
    """All tokens of the model in the order of their numbers."""

    text: tuple[str, ...]

    @classmethod
    def of_grammar(cls) -> Vocabulary:
        return cls((" ", UNKNOWN, *characters(), ""))

    @cached_property
    def tokens(self) -> list[str]:
        times = [f"<|{index * TIMESTAMP_SECONDS:.2f}|>" for index in range(TIMESTAMPS)]
        return [*self.text, *SPECIAL, *times]

    @cached_property
    def number(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    def special(self, name: str) -> int:
        """Number of ``<|name|>``."""
        return self.number[f"<|{name}|>"]

    def timestamp(self, seconds: float) -> int:
        """Number of the timestamp token nearest to a time inside the window."""
        return self.special("notimestamps") + 1 + min(TIMESTAMPS - 1, max(0, round(seconds / TIMESTAMP_SECONDS)))

    def encode(self, text: str) -> list[int]:
        return [self.number.get(char, 1) for char in text]
