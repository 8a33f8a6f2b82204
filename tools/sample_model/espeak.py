"""espeak-ng through its C library, with the time at which every character starts.

The command line program gives sound only.  The library also reports word events, and in Mandarin every character is a
word: exact character times are what the encoder and the word timestamps are trained with.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.sample_model.grammar import spoken

LANGUAGE = "cmn-latn-pinyin"
"""espeak-ng 1.51 reads Chinese characters correctly only here: plain ``cmn`` spells out their pinyin in English."""
SYNTH_RATE = 22050

_WORD = 1
_SYNCHRONOUS, _UTF8 = 2, 1
_RATE, _PITCH = 1, 3

READINGS = {
    "银行": "银hang2",
    "协调": "协tiao2",
    "重复": "chong2复",
    "重新": "chong2新",
    "堵塞": "堵se4",
    "着急": "zhao2急",
    "地址": "di4址",
    "地铁": "di4铁",
    "处理": "chu3理",
    "尽快": "jin3快",
    "了解": "liao3解",
    "出不了": "出不liao3",
}
"""Words that the synthesiser misreads, with the reading given to it."""


class _Name(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Utterance:
    """Speech of one sentence: samples at ``rate`` Hz and, for each spoken character, its first and last sample."""

    text: str
    samples: NDArray[np.float32]
    rate: int
    spans: NDArray[np.int64]


class _Synthesiser:
    """The process-wide library with its single callback."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        if rate != SYNTH_RATE:
            raise RuntimeError(f"espeak-ng runs at {rate} Hz, expected {SYNTH_RATE}")
        self._audio: list[NDArray[np.int16]] = []
        self._starts: list[int] = []
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, wave: Any, count: int, events: Any) -> int:
        if wave and count:
            self._audio.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type:
            if events[index].type == _WORD and events[index].length > 0:
                self._starts.append(events[index].sample)
            index += 1
        return 0

    def speak(
        self, text: str, variant: str, words_per_minute: int, pitch: int
    ) -> tuple[NDArray[np.float32], list[int]]:
        voice = f"{LANGUAGE}+{variant}" if variant else LANGUAGE
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice}")
        self._audio.clear()
        self._starts.clear()
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples: NDArray[np.float32] = np.concatenate(self._audio).astype(np.float32) / np.float32(32768)
        return samples, list(self._starts)


@cache
def _synthesiser() -> _Synthesiser:
    return _Synthesiser()


_MISREAD = re.compile("|".join(READINGS))
_RUN_TOGETHER = re.compile(r"(?<=\d)(?=[a-z])")


def synthesise(text: str, variant: str, words_per_minute: int, pitch: int) -> Utterance:
    """Speak one sentence; ValueError when the character times cannot be told apart."""
    respelled = _RUN_TOGETHER.sub(" ", _MISREAD.sub(lambda match: READINGS[match.group()], text))
    samples, starts = _synthesiser().speak(respelled, variant, words_per_minute, pitch)
    heard = spoken(text)
    if len(starts) != len(heard):
        raise ValueError(f"{len(starts)} word events for {len(heard)} characters of {text!r}")
    return Utterance(text, samples, SYNTH_RATE, _spans(samples, starts))


def _spans(samples: NDArray[np.float32], starts: list[int]) -> NDArray[np.int64]:
    """First and last audible sample of each character: a pause after it does not belong to it."""
    audible = np.abs(samples) > 0.01 * float(np.abs(samples).max())
    spans = []
    for first, after in zip(starts, [*starts[1:], len(samples)], strict=True):
        sounding = np.flatnonzero(audible[first:after])
        last = int(sounding[-1]) + 1 if len(sounding) else after - first
        spans.append((first, first + last))
    return np.array(spans, dtype=np.int64).reshape(-1, 2)
