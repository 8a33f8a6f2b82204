"""Training windows: utterances put together, sent through the telephone, labelled, stacked.

A batch depends only on the seed and its number, so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray
from scipy.signal import resample_poly  # type: ignore[import-untyped]

from tools.sample_model.corpus import Corpus
from tools.sample_model.espeak import Utterance
from tools.sample_model.grammar import PUNCTUATION, sentence
from tools.sample_model.model import WINDOW_FRAMES
from tools.sample_model.speech import TELEPHONE_RATE, other_sound, telephone
from tools.sample_model.tokens import Vocabulary

FRAME = TELEPHONE_RATE // 50
"""Samples in an encoder frame."""
DENSE_PADDING = 8
SAMPLED_PADDING = 40
LONGEST_WINDOW = 29.5
LATEST_FIRST_TIMESTAMP = 1.0
"""Decoders allow no later one at the start of a window."""
NO_TARGET = -100
BLANK = 0


@dataclass(frozen=True)
class Plan:
    """What a batch is made of: seconds of audio in all, and shares of the kinds of windows.

    ``slip_share`` of the characters that the decoder is told it wrote are others, so that after a mistake of its own it
    still knows where it is.
    """

    seconds: float = 60.0
    long_share: float = 0.15
    pair_share: float = 0.15
    other_share: float = 0.05
    prompt_share: float = 0.25
    timed_share: float = 0.5
    slip_share: float = 0.0
    full_windows: bool = False


@dataclass(frozen=True)
class Segment:
    """An utterance inside a window; ``spans`` in samples of the window."""

    text: str
    spans: NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    samples: NDArray[np.float32]
    segments: list[Segment]


@dataclass(frozen=True)
class Batch:
    """Arrays of a training step; ``spans`` are encoder frames to look at for each target, −1 where it does not matter."""

    mel: NDArray[np.float32]
    labels: NDArray[np.int64]
    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]
    spans: NDArray[np.int64]
    padding: NDArray[np.int64]


class BatchMaker:
    """Batches from a corpus, by seed and number."""

    def __init__(self, corpus: Corpus, seed: int, vocabulary: Vocabulary) -> None:
        self._items = sorted(corpus.items, key=lambda item: len(item.samples))
        self._lengths = [len(item.samples) / TELEPHONE_RATE for item in self._items]
        self._seed = seed
        self._vocabulary = vocabulary
        self._features = FeatureExtractor()

    def batch(self, number: int, plan: Plan) -> Batch:
        draw = Draw(self, Random(f"{self._seed}/{number}"), plan)
        windows = draw.windows()
        return self._stack(windows, draw)

    def utterances(self, rng: Random, seconds: float, count: int) -> list[Utterance]:
        """Neighbours in length around a random utterance of at most so many seconds."""
        limit = bisect.bisect(self._lengths, seconds)
        if count == 1:
            return [self._items[rng.randrange(limit)]]
        begin = rng.randrange(max(1, limit - count))
        return self._items[begin : begin + count]

    def length_of_random(self, rng: Random) -> float:
        return self._lengths[rng.randrange(len(self._lengths))]

    def log_mel(self, samples: NDArray[np.float32], rng: Random) -> NDArray[np.float32]:
        """faster-whisper's own features, with bands or a moment masked now and then."""
        wide = resample_poly(samples, 2, 1, window=("kaiser", rng.choice([5.0, 8.0, 11.0]))).astype(np.float32)
        mel: NDArray[np.float32] = self._features(wide)[:, :-1].astype(np.float32)
        if rng.random() < 0.4:
            width = rng.randint(1, 8)
            low = rng.randrange(80 - width)
            mel[low : low + width] = 0
        if rng.random() < 0.3:
            width = rng.randint(1, 8)
            begin = rng.randrange(max(1, mel.shape[1] - width))
            mel[:, begin : begin + width] = 0
        return mel

    def _stack(self, windows: list[Window], draw: Draw) -> Batch:
        mels = [self.log_mel(window.samples, draw.rng) for window in windows]
        frames = WINDOW_FRAMES
        if not draw.plan.full_windows:
            frames = min(WINDOW_FRAMES, (max(mel.shape[1] for mel in mels) + 1) // 2 + DENSE_PADDING)
        mel = np.zeros((len(mels), 80, 2 * frames), dtype=np.float32)
        for index, bands in enumerate(mels):
            used = min(bands.shape[1], 2 * frames)
            mel[index, :, :used] = bands[:, :used]
        labels = np.stack([self._labels(window, frames) for window in windows])
        rows = [draw.targets(window, self._vocabulary) for window in windows]
        width = max(len(row) for row in rows)
        filled = np.full(
            (len(rows), width, 4), (self._vocabulary.special("endoftext"), NO_TARGET, -1, -1), dtype=np.int64
        )
        for index, values in enumerate(rows):
            filled[index, : len(values)] = values
        return Batch(mel, labels, filled[..., 0], filled[..., 1], filled[..., 2:], _sampled_padding(frames, draw.rng))

    def _labels(self, window: Window, frames: int) -> NDArray[np.int64]:
        """The character that sounds in each frame, BLANK between."""
        labels = np.full(frames, BLANK, dtype=np.int64)
        for segment in window.segments:
            heard = [char for char in segment.text if char not in PUNCTUATION]
            for char, (begin, end) in zip(heard, segment.spans, strict=True):
                labels[begin // FRAME : max(begin // FRAME + 1, end // FRAME)] = self._vocabulary.number[char]
        return labels


def _sampled_padding(frames: int, rng: Random) -> NDArray[np.int64]:
    """Positions of the padded rest of the window, evenly spread at random; none if the rest is short."""
    if WINDOW_FRAMES - frames <= SAMPLED_PADDING:
        return np.arange(frames, WINDOW_FRAMES)
    edges = np.linspace(frames, WINDOW_FRAMES, SAMPLED_PADDING + 1)
    return np.array([min(WINDOW_FRAMES - 1, int(rng.uniform(low, high))) for low, high in pairwise(edges)])


class Draw:
    """One batch's random choices."""

    def __init__(self, maker: BatchMaker, rng: Random, plan: Plan) -> None:
        self.maker = maker
        self.rng = rng
        self.plan = plan
        self.noise = np.random.default_rng(rng.getrandbits(64))
        self.prompted = rng.random() < plan.prompt_share

    def windows(self) -> list[Window]:
        kind = self.rng.random()
        if kind < self.plan.long_share:
            length = self.rng.uniform(14, LONGEST_WINDOW)
            return [self._window(length, None) for _ in range(max(1, round(self.plan.seconds / length)))]
        if kind < self.plan.long_share + self.plan.pair_share:
            length = self.rng.uniform(6, 14)
            return [self._window(length, None) for _ in range(max(1, round(self.plan.seconds / length)))]
        length = self.maker.length_of_random(self.rng)
        chosen = self.maker.utterances(self.rng, length, min(64, max(2, round(self.plan.seconds / (length + 0.4)))))
        return [self._window(length + 0.5, item) for item in chosen]

    def _window(self, seconds: float, only: Utterance | None) -> Window:
        if self.rng.random() < self.plan.other_share:
            return Window(other_sound(self.noise, int(seconds * TELEPHONE_RATE * self.rng.uniform(0.3, 1))), [])
        parts: list[NDArray[np.float32]] = []
        segments: list[Segment] = []
        position = 0
        for item in [only] if only else self._filling(seconds):
            pause = int(
                TELEPHONE_RATE
                * self.rng.choice([0.05, self.rng.uniform(0, 0.5), self.rng.uniform(0, 0.5 if only else 2)])
            )
            samples = np.multiply(item.samples, 10 ** self.rng.uniform(-0.2, 0.2) / 32768, dtype=np.float32)
            segments.append(Segment(item.text, item.spans.astype(np.int64) + position + pause))
            parts += [np.zeros(pause, dtype=np.float32), samples]
            position += pause + len(samples)
        parts.append(np.zeros(int(TELEPHONE_RATE * self.rng.uniform(0, 0.5)), dtype=np.float32))
        joined = np.concatenate(parts)[: 30 * TELEPHONE_RATE]
        return Window(telephone(joined, self.noise), segments)

    def _filling(self, seconds: float) -> list[Utterance]:
        """Utterances that fit into so many seconds together with pauses of up to two seconds."""
        chosen: list[Utterance] = []
        left = seconds
        while left > 1.5:
            item = self.maker.utterances(self.rng, left, 1)[0]
            left -= len(item.samples) / TELEPHONE_RATE + 1.0
            if left < -0.9 and chosen:
                break
            chosen.append(item)
        return chosen

    def targets(self, window: Window, vocabulary: Vocabulary) -> list[tuple[int, int, int, int]]:
        """Rows of (input token, target, first and last frame to look at)."""
        begin = vocabulary.special("startoftranscript")
        task = [begin, vocabulary.special("zh"), vocabulary.special("transcribe")]
        timed = self.rng.random() < self.plan.timed_share
        body = self._timed(window, vocabulary) if timed else self._untimed(window, vocabulary)
        prompt = self._prompt(vocabulary)
        written = [self._slip(token, vocabulary) for token, _, _ in body]
        tokens = prompt + task + ([] if timed else [vocabulary.special("notimestamps")]) + written
        silent = not window.segments
        opening = vocabulary.special("nospeech") if silent else vocabulary.special("zh")
        targets = [NO_TARGET] * len(prompt) + [opening, NO_TARGET] + ([] if timed else [NO_TARGET])
        spans = [(-1, -1)] * len(targets)
        end = window.segments[-1].spans[-1, 1] // FRAME if window.segments else -1
        targets += [token for token, _, _ in body] + [vocabulary.special("endoftext")]
        spans += [(first, last) for _, first, last in body] + [(end, end + 5) if window.segments else (-1, -1)]
        return [
            (token, target, first, last) for token, target, (first, last) in zip(tokens, targets, spans, strict=True)
        ]

    def _slip(self, token: int, vocabulary: Vocabulary) -> int:
        """Now and then another character than the right one."""
        if self.plan.slip_share and token < len(vocabulary.text) and self.rng.random() < self.plan.slip_share:
            return self.rng.randrange(2, len(vocabulary.text) - 1)
        return token

    def _prompt(self, vocabulary: Vocabulary) -> list[int]:
        """Text before the window, sometimes with characters that the model does not know."""
        if not self.prompted or self.rng.random() < 0.2:
            return []
        text = "".join(sentence(self.rng) for _ in range(self.rng.choice([1, 1, 2, 4])))
        known = [1 if self.rng.random() < 0.05 else token for token in vocabulary.encode(" " + text)]
        return [vocabulary.special("startofprev"), *known]

    def _untimed(self, window: Window, vocabulary: Vocabulary) -> list[tuple[int, int, int]]:
        return [row for segment in window.segments for row in _character_rows(segment, vocabulary)]

    def _timed(self, window: Window, vocabulary: Vocabulary) -> list[tuple[int, int, int]]:
        if not window.segments:
            return [(vocabulary.timestamp(0.0), -1, -1)]
        rows: list[tuple[int, int, int]] = []
        for segment in window.segments:
            begin, end = int(segment.spans[0, 0]), int(segment.spans[-1, 1])
            seconds = begin / TELEPHONE_RATE
            first = vocabulary.timestamp(seconds if rows else min(LATEST_FIRST_TIMESTAMP, seconds))
            rows.append((first, max(0, begin // FRAME - 1), begin // FRAME + 2))
            rows += _character_rows(segment, vocabulary)
            rows.append((vocabulary.timestamp(end / TELEPHONE_RATE), max(0, end // FRAME - 2), end // FRAME + 2))
        return rows


def _character_rows(segment: Segment, vocabulary: Vocabulary) -> list[tuple[int, int, int]]:
    """Tokens of a sentence with the frames where they sound; punctuation looks at the pause after its character."""
    rows: list[tuple[int, int, int]] = []
    following = [*segment.spans[1:, 0], segment.spans[-1, 1] + 4 * FRAME]
    heard = -1
    for char in segment.text:
        if char in PUNCTUATION:
            begin, end = segment.spans[heard, 1] // FRAME, following[heard] // FRAME
        else:
            heard += 1
            begin, end = segment.spans[heard] // FRAME
        rows.append((vocabulary.number[char], int(begin), int(max(end, begin + 2))))
    return rows
