"""faster-whisper as a ``Transcriber``: the only importer of faster_whisper (and of the Silero model inside it).

All windows of both channels are decoded together in batches at temperature 0, so that the same audio and settings give
the same text.  Where the text falls into a loop, the window is decoded once more with repetition forbidden: unlike the
usual fallback to higher temperatures, which draws random numbers, that too gives the same text every time.
"""

import logging
import math
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper
import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from core.errors import HuiyinError, NoEngine
from core.settings import Settings
from transcription.audio import ENGINE_RATE, Channel, Samples, read_sound
from transcription.dialogue import dialogue
from transcription.engine import Transcript, Word
from transcription.guards import Heard, find_loop, guard
from transcription.model_files import SAMPLE, hash_model, local_directory
from transcription.options import Options, choose_options, choose_threads, join_hotwords
from transcription.voice import Span, Window, pack

log = logging.getLogger(__name__)

SAMPLE_LIMITS = "synthetic callback vocabulary only; set HUIYIN_ASR_MODEL for real calls"

# What makes the second attempt at a window different, when the first one fell into a loop.
AGAINST_LOOPS: Mapping[str, Any] = {"no_repeat_ngram_size": 4, "repetition_penalty": 1.15}
# Word times come from attention, and the last character or two often slip into the padding behind the sound.  A phrase
# that begins there was not heard.
TAIL_SECONDS = 0.15
FEWEST_CHARACTERS_OUTSIDE = 4
FRAMES_PER_SECOND = 100
# The engine holds the features of everything it is given at once, a megabyte for each window: a call of two hours
# goes through in parts.
BATCHES_AT_ONCE = 8


@dataclass(frozen=True)
class Piece:
    """A window and its sound."""

    window: Window
    sound: Samples


def load_transcriber(settings: Settings) -> "WhisperTranscriber":
    """Load the model that the settings name; seconds of time, and memory that stays.

    Raises ``NoEngine`` when it cannot be found, fetched or run on the device asked for.
    """
    directory = _directory(settings.asr_model)
    digest = hash_model(directory)
    device, compute_type = choose_device(settings.asr_device)
    threads = choose_threads(settings)
    try:
        model = faster_whisper.WhisperModel(
            str(directory), device=device, compute_type=compute_type, cpu_threads=threads
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise _cannot_load(settings.asr_model, error, device=device, compute_type=compute_type) from error
    facts = {
        "name": "faster-whisper",
        "version": faster_whisper.__version__,
        "ctranslate2": ctranslate2.__version__,
        "model": settings.asr_model,
        "model_sha256": digest,
        "device": device,
        "compute_type": compute_type,
        "threads": str(threads),
    }
    if settings.asr_model == SAMPLE:
        facts["limits"] = SAMPLE_LIMITS
        log.warning("the embedded speech model is in use: %s", SAMPLE_LIMITS)
    log.info("speech model loaded", extra={"facts": facts})
    return WhisperTranscriber(model, facts, choose_options(settings, model.hf_tokenizer.get_vocab_size()))


def choose_device(wanted: str) -> tuple[str, str]:
    """Device and compute type: float16 on a GPU that CTranslate2 sees, int8 on the processor."""
    device = wanted if wanted != "auto" else ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
    if device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise NoEngine(
            "no GPU can be seen", setting="HUIYIN_ASR_DEVICE", expected="a CUDA device", remedy="set it to cpu or auto"
        )
    best = "float16" if device == "cuda" else "int8"
    return device, best if best in ctranslate2.get_supported_compute_types(device) else "default"


def _directory(model: str) -> Path:
    local = local_directory(model)
    if local is not None:
        return local
    try:
        return Path(faster_whisper.download_model(model))
    except (ValueError, OSError, RuntimeError) as error:
        raise _cannot_load(model, error) from error


def _cannot_load(model: str, error: Exception, **facts: object) -> NoEngine:
    return NoEngine(
        "the speech model cannot be loaded",
        setting="HUIYIN_ASR_MODEL",
        model=model,
        found=f"{type(error).__name__}: {error}",
        remedy="name `sample`, a converted model's directory, or a model that the model hub in reach offers",
        **facts,
    )


class WhisperTranscriber:
    """A loaded model.  Calls are served one after another, from whatever thread."""

    def __init__(self, model: Any, facts: Mapping[str, str], options: Options) -> None:
        self.model, self.facts, self.options = model, facts, options
        self._pipeline = faster_whisper.BatchedInferencePipeline(model)
        self._one_at_a_time = threading.Lock()

    def transcribe(self, audio: Path, *, hotwords: Sequence[str] = ()) -> Transcript:
        """Turn a recording into a dialogue; see ``transcription.engine.Transcriber``."""
        began = time.monotonic()
        sound = read_sound(audio)
        words = join_hotwords(hotwords, self.options.hotwords) if self.options.takes_hotwords else ""
        with self._one_at_a_time:
            try:
                pieces = [piece for channel in sound.channels for piece in self.pieces(channel)]
                heard, language = self._decode_twice(pieces, words)
            except (RuntimeError, ValueError, IndexError, MemoryError) as error:
                raise HuiyinError(
                    "the speech engine failed",
                    file=audio.name,
                    seconds=round(sound.duration, 1),
                    model=self.facts["model"],
                    found=f"{type(error).__name__}: {error}",
                ) from error
        kept, dropped = guard(heard, self.options.thresholds, self.options.prompt)
        channels = {channel.party: channel for channel in sound.channels}
        return Transcript(
            turns=dialogue(kept, lambda party, start, end: channels[party].loudness(start, end)),
            dropped=dropped,
            duration=round(sound.duration, 3),
            language=language,
            engine=self.facts,
            settings={**asdict(self.options), "hotwords": words},
            speech_seconds=_speech_seconds(channels, pieces),
            elapsed_seconds=round(time.monotonic() - began, 3),
        )

    def pieces(self, channel: Channel) -> list[Piece]:
        """The windows of speech in one channel."""
        if channel.silent:
            return []
        limit, begin = self.options.window_seconds, channel.sounding.start
        found = get_speech_timestamps(
            channel.samples[channel.sounding], VadOptions(**asdict(self.options.voice), max_speech_duration_s=limit)
        )
        spans = [Span(begin + span["start"], begin + span["end"]) for span in found]
        return [
            Piece(window, window.cut(channel.samples))
            for window in pack(channel.party, spans, limit, share=self.options.share_windows)
        ]

    def _decode_twice(self, pieces: Sequence[Piece], hotwords: str) -> tuple[list[Heard], str]:
        heard, language = self._decode(pieces, hotwords)
        limit = self.options.thresholds.compression_ratio
        again = [
            index
            for index, result in enumerate(heard)
            if find_loop(result.text) or result.scores.get("compression_ratio", 0.0) > limit
        ]
        if again:
            second, _ = self._decode([pieces[index] for index in again], hotwords, **AGAINST_LOOPS)
            for index, result in zip(again, second, strict=True):
                heard[index] = Heard(**{**vars(result), "scores": {**result.scores, "decoded_again": 1.0}})
        return heard, language

    def _decode(self, pieces: Sequence[Piece], hotwords: str, **more: Any) -> tuple[list[Heard], str]:
        """What the engine hears in each piece, in their order, and the language."""
        heard: list[Heard] = []
        language = self.options.language
        at_once = self.options.batch * BATCHES_AT_ONCE
        for first in range(0, len(pieces), at_once):
            found, language = self._decode_some(pieces[first : first + at_once], hotwords, language, **more)
            heard += found
        return heard, language

    def _decode_some(
        self, pieces: Sequence[Piece], hotwords: str, language: str, **more: Any
    ) -> tuple[list[Heard], str]:
        options = self.options
        edges = [0, *accumulate(len(piece.sound) for piece in pieces)]
        segments, info = self._pipeline.transcribe(
            np.concatenate([piece.sound for piece in pieces]),
            clip_timestamps=[
                {"start": start / ENGINE_RATE, "end": end / ENGINE_RATE} for start, end in pairwise(edges)
            ],
            language=language or None,
            beam_size=options.beam,
            batch_size=options.batch,
            temperature=0.0,
            initial_prompt=options.prompt or None,
            hotwords=hotwords or None,
            word_timestamps=True,
            **more,
        )
        found: list[list[Any]] = [[] for _ in pieces]
        for segment in segments:
            # `seek` is the clip's beginning in hundredths, rounded down; no clip is as short as two of them.
            sample = (segment.seek + 1.5) * ENGINE_RATE / FRAMES_PER_SECOND
            found[bisect_right(edges, sample) - 1].append(segment)
        return [heard_in(piece.window, mine) for piece, mine in zip(pieces, found, strict=True)], info.language


def heard_in(window: Window, segments: Sequence[Any]) -> Heard:
    """The engine's segments for one window, with their words at their place in the recording."""
    words: list[Word] = []
    outside: list[Word] = []
    for segment in segments:
        begin = segment.seek / FRAMES_PER_SECOND
        for word in segment.words or ():
            start, end = word.start - begin, word.end - begin
            target = outside if start > window.seconds + TAIL_SECONDS else words
            target.append(_word(window, start, end, word.word, word.probability))
        if not segment.words and segment.text.strip():
            words.append(Word(window.start, window.end, segment.text, round(math.exp(segment.avg_logprob), 4)))
    if words and sum(len(word.text) for word in outside) < FEWEST_CHARACTERS_OUTSIDE:
        words, outside = words + outside, []
    return Heard(
        party=window.party,
        start=window.start,
        end=window.end,
        speech=window.seconds,
        words=tuple(words),
        scores=_scores(segments),
        outside=tuple(outside),
    )


def _word(window: Window, start: float, end: float, text: str, probability: float) -> Word:
    placed = window.place(float(start), float(end))
    return Word(round(placed[0], 3), round(placed[1], 3), text, round(float(probability), 4))


def _scores(segments: Sequence[Any]) -> dict[str, float]:
    if not segments:
        return {}
    return {
        "avg_logprob": round(float(min(segment.avg_logprob for segment in segments)), 4),
        "no_speech_prob": round(float(max(segment.no_speech_prob for segment in segments)), 4),
        "compression_ratio": round(float(max(segment.compression_ratio for segment in segments)), 4),
        "temperature": 0.0,
    }


def _speech_seconds(channels: Mapping[str, Channel], pieces: Sequence[Piece]) -> dict[str, float]:
    return {
        party: round(sum(piece.window.seconds for piece in pieces if piece.window.party == party), 2)
        for party in channels
    }
