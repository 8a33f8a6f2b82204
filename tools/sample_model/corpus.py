"""The training corpus on disk: clean 8 kHz speech, its characters and their times."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from tools.sample_model.espeak import Utterance
from tools.sample_model.grammar import held_out_sentences, training_sentences
from tools.sample_model.speech import KNOWN_VOICES, TELEPHONE_RATE, Manner, speak

Sentences = Callable[[Random], Iterator[str]]


def utterances(sentences: Sentences, voices: tuple[str, ...], seed: int, count: int) -> list[Utterance]:
    """Spoken sentences of a generator; the same seed gives the same sound."""
    rng = Random(seed)
    return [speak(text, Manner.random(rng, voices)) for text in islice(sentences(rng), count)]


def _part(seed: int, count: int, target: Path) -> None:
    spoken = utterances(training_sentences, KNOWN_VOICES, seed, count)
    lengths = [len(item.samples) for item in spoken]
    np.save(
        target.with_suffix(".audio.npy"), np.concatenate([(item.samples * 32767).astype(np.int16) for item in spoken])
    )
    np.save(target.with_suffix(".spans.npy"), np.concatenate([item.spans for item in spoken]).astype(np.int32))
    facts = {
        "texts": [item.text for item in spoken],
        "lengths": lengths,
        "characters": [len(item.spans) for item in spoken],
    }
    target.with_suffix(".json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def build(directory: Path, seed: int, parts: int, part_size: int, processes: int) -> None:
    """Synthesise the training corpus; parts that exist are kept, so an interrupted run goes on."""
    directory.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes) as pool:
        waiting = [
            pool.submit(_part, seed * 1000 + index, part_size, directory / f"part{index:03d}")
            for index in range(parts)
            if not (directory / f"part{index:03d}.json").exists()
        ]
        for job in waiting:
            job.result()


@dataclass(frozen=True)
class Corpus:
    """Utterances in memory."""

    items: list[Utterance]

    @classmethod
    def load(cls, directory: Path) -> Corpus:
        items: list[Utterance] = []
        for facts in sorted(directory.glob("part*.json")):
            items += _load_part(facts)
        return cls(items)

    def hours(self) -> float:
        return sum(len(item.samples) for item in self.items) / TELEPHONE_RATE / 3600


def _load_part(facts: Path) -> list[Utterance]:
    known = json.loads(facts.read_text(encoding="utf-8"))
    audio: NDArray[np.int16] = np.load(facts.with_suffix(".audio.npy"))
    spans: NDArray[np.int32] = np.load(facts.with_suffix(".spans.npy"))
    ends = np.cumsum(known["lengths"])
    span_ends = np.cumsum(known["characters"])
    return [
        Utterance(text, audio[end - length : end].view(), TELEPHONE_RATE, spans[span_end - characters : span_end])  # type: ignore[arg-type]
        for text, length, end, characters, span_end in zip(
            known["texts"], known["lengths"], ends, known["characters"], span_ends, strict=True
        )
    ]


def held_out(voices: tuple[str, ...], seed: int, count: int) -> list[Utterance]:
    """Sentences never trained on, spoken by the given voices."""
    return utterances(held_out_sentences, voices, seed, count)
