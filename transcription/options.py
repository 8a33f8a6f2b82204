"""What decides the text, chosen from the settings, the machine and the kind of model."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import SettingsError
from core.settings import Settings
from transcription.guards import Thresholds

# Simplified and punctuated, so that the engine writes so too; no sentence that anyone could say in a call, because a
# sentence equal to it is taken for the engine's own.
PROMPT = "以下是政务服务热线回访通话的录音，文字为简体中文，带标点符号。"

# Every Whisper of OpenAI's lineage knows more than 51,000 tokens.  A model with fewer was trained on a vocabulary of
# its own: a prompt or hot words would be unknown characters to it, and it has mostly heard one sentence at a time (the
# embedded model makes twice as many errors where sentences share a window).
FEWEST_TOKENS_OF_REAL_MODEL = 20_000
REAL_WINDOW_SECONDS = 29.0
SMALL_WINDOW_SECONDS = 10.0

# Hot words share the 224 tokens of the prompt; a Chinese character takes one or two.
MOST_HOTWORD_CHARACTERS = 120


@dataclass(frozen=True)
class VoiceOptions:
    """Silero voice activity detection: probability, milliseconds."""

    threshold: float = 0.5
    min_speech_duration_ms: int = 100
    min_silence_duration_ms: int = 400
    speech_pad_ms: int = 200


@dataclass(frozen=True)
class Options:
    """Kept in every transcript as its ``settings``.  ``language`` is empty where the engine shall detect it."""

    language: str = "zh"
    beam: int = 5
    batch: int = 8
    window_seconds: float = REAL_WINDOW_SECONDS
    share_windows: bool = True
    prompt: str = PROMPT
    takes_hotwords: bool = True
    hotwords: tuple[str, ...] = ()
    voice: VoiceOptions = field(default_factory=VoiceOptions)
    thresholds: Thresholds = field(default_factory=Thresholds)


def choose_options(settings: Settings, tokens: int) -> Options:
    """Options for a model with a vocabulary of ``tokens``."""
    real = tokens >= FEWEST_TOKENS_OF_REAL_MODEL
    return Options(
        language="" if settings.asr_language == "auto" else settings.asr_language,
        beam=settings.asr_beam,
        batch=settings.asr_batch,
        window_seconds=REAL_WINDOW_SECONDS if real else SMALL_WINDOW_SECONDS,
        share_windows=real,
        prompt=PROMPT if real else "",
        takes_hotwords=real,
        hotwords=read_hotwords(settings.asr_hotwords) if real and settings.asr_hotwords else (),
    )


def read_hotwords(file: Path) -> tuple[str, ...]:
    """One word a line, in UTF-8; empty lines and lines that begin with ``#`` are skipped."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"HUIYIN_ASR_HOTWORDS: cannot read {file}: {error}") from error
    return tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def join_hotwords(for_this_call: Sequence[str], always: Iterable[str]) -> str:
    """Hot words as the engine takes them, each once, those of the call first, as many as the prompt has room for."""
    chosen: list[str] = []
    room = MOST_HOTWORD_CHARACTERS
    for word in dict.fromkeys(word.strip() for word in (*for_this_call, *always)):
        if word and len(word) < room:
            chosen.append(word)
            room -= len(word) + 1
    return "、".join(chosen)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_threads(settings: Settings) -> int:
    """CPU threads of one engine: workers times threads never exceeds the cores unless the setting says so."""
    return settings.asr_threads or max(1, cores() // settings.workers)
