"""Speech in a channel, laid into windows for the engine, and the way back to the recording's time.

Whisper pads every window to 30 s, so that many short windows cost as much as long ones: neighbouring spans of one party
are laid end to end, without the other party's turns between them, until a window is full.  Each span carries a
little of its own silence on both sides, which keeps the sentences apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from transcription.audio import ENGINE_RATE, Samples


@dataclass(frozen=True)
class Span:
    """Speech found in one channel, from and to a sample of the 16 kHz copy."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / ENGINE_RATE


@dataclass(frozen=True)
class Window:
    """Spans of one party that the engine hears as one piece of sound."""

    party: str
    spans: tuple[Span, ...]

    @property
    def samples(self) -> int:
        return sum(span.end - span.start for span in self.spans)

    @property
    def seconds(self) -> float:
        return self.samples / ENGINE_RATE

    @property
    def start(self) -> float:
        """Where it begins in the recording, in seconds."""
        return self.spans[0].start / ENGINE_RATE

    @property
    def end(self) -> float:
        """Where it ends in the recording, in seconds."""
        return self.spans[-1].end / ENGINE_RATE

    def cut(self, channel: Samples) -> Samples:
        """The window's sound out of its channel."""
        return np.concatenate([channel[span.start : span.end] for span in self.spans])

    def place(self, start: float, end: float) -> tuple[float, float]:
        """Seconds in the window as seconds in the recording, clamped inside the span in which the middle lies."""
        middle, before = (start + end) / 2, 0.0
        for span in self.spans:
            if middle < before + span.seconds or span is self.spans[-1]:
                break
            before += span.seconds
        first, last = span.start / ENGINE_RATE, span.end / ENGINE_RATE
        placed = min(max(first + start - before, first), last)
        return placed, max(placed, min(first + end - before, last))


def pack(party: str, spans: Iterable[Span], limit: float, *, share: bool = True) -> list[Window]:
    """Lay the spans of one party into windows of at most ``limit`` seconds, in order; one each unless they share.

    A span that alone is longer is cut.
    """
    most = int(limit * ENGINE_RATE)
    windows: list[list[Span]] = []
    for span in (piece for whole in spans for piece in _pieces(whole, most)):
        filled = sum(held.end - held.start for held in windows[-1]) if windows else most
        if share and filled + span.end - span.start <= most:
            windows[-1].append(span)
        else:
            windows.append([span])
    return [Window(party, tuple(held)) for held in windows]


def _pieces(span: Span, most: int) -> Sequence[Span]:
    count = max(1, -(-(span.end - span.start) // most))
    edges = np.linspace(span.start, span.end, count + 1, dtype=int).tolist()
    return [Span(first, last) for first, last in pairwise(edges) if last > first]
