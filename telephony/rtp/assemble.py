"""From a closed spool directory to a stereo FLAC file: agent left, citizen right, both on one timeline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from telephony.call import AGENT, CITIZEN, MIXED, CallFacts
from telephony.rtp.codecs import SAMPLE_RATE, Samples
from telephony.rtp.counts import Span, flags, missing_parties, statistics
from telephony.rtp.flac import write_flac
from telephony.rtp.playout import Playout, position_of
from telephony.rtp.survey import MOST_MS
from telephony.rtp.tracks import open_tracks

STRETCH_SECONDS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Assembly:
    """What was made.  ``started_at`` is the moment of the first sample; ``streams`` are counts and gaps of each stream
    (``counts.statistics``); ``flags`` say what was odd; ``sample_rate`` is 16,000 where a stream is wideband."""

    duration_ms: int
    started_at: datetime
    streams: tuple[Mapping[str, Any], ...]
    flags: tuple[str, ...]
    sample_rate: int


@dataclass(frozen=True)
class _Voice:
    """Who is heard where: a track that has sound, and its playout."""

    role: str
    playout: Playout


def assemble(directory: Path, facts: CallFacts, target: Path) -> Assembly:
    """Write ``target`` (8 or 16 kHz, 16 bits) from the spools in ``directory``, atomically and durably.

    Blocking.  A stream that is missing, empty or damaged is silence and a flag, never an error; raises ``OSError``
    when ``target`` cannot be written or a spool vanishes.
    """
    tracks = open_tracks(directory, facts)
    rate = max((track.survey.rate for track in tracks if track.survey), default=SAMPLE_RATE)
    playouts = [Playout(track.survey, rate, track.shift_ms) if track.survey else None for track in tracks]
    voices = [
        _Voice(track.stream.role, playout)
        for track, playout in zip(tracks, playouts, strict=True)
        if playout and playout.first is not None
    ]
    pauses = _pauses(facts)
    start, stop = _span(voices, facts, pauses, rate)
    length = write_flac(target, _stretches(voices, start, stop, rate * STRETCH_SECONDS), rate)
    counts = [
        statistics(track, playout, start * 1000 / rate, pauses) for track, playout in zip(tracks, playouts, strict=True)
    ]
    odd = [flag for track, count in zip(tracks, counts, strict=True) for flag in flags(track, count)]
    return Assembly(
        length * 1000 // rate,
        _EPOCH + timedelta(microseconds=start * 1_000_000 // rate),
        tuple(counts),
        tuple(dict.fromkeys([*odd, *missing_parties(tracks)])),
        rate,
    )


def _pauses(facts: CallFacts) -> list[Span]:
    """When nothing was recorded on purpose, in Unix milliseconds, within the call."""
    began, ended = _unix_ms(facts.started_at), _unix_ms(facts.ended_at or facts.started_at)
    spans = [
        (max(began, _unix_ms(pause.started_at)), min(ended, _unix_ms(pause.ended_at)) if pause.ended_at else ended)
        for pause in facts.pauses
    ]
    return [(since, until) for since, until in spans if since < until]


def _unix_ms(moment: datetime) -> float:
    return (moment - _EPOCH) / timedelta(milliseconds=1)


def _span(voices: Sequence[_Voice], facts: CallFacts, pauses: Sequence[Span], rate: int) -> tuple[int, int]:
    """From the first sound to the last, or further where the call began or ended with a pause.  A call without any
    sound is as long as its signalling."""
    edges = [position for voice in voices for position in (voice.playout.first or 0, voice.playout.end)]
    if not edges:
        edges = [position_of(facts.started_at, rate), position_of(facts.ended_at or facts.started_at, rate)]
    edges += [round(moment * rate / 1000) for span in pauses for moment in span]
    start = min(edges)
    return start, start + min(max(1, max(edges) - start), round(MOST_MS * rate / 1000))


def _stretches(voices: Sequence[_Voice], start: int, stop: int, stretch: int) -> Iterator[Samples]:
    left, right = _channel(voices, AGENT), _channel(voices, CITIZEN)
    for begin in range(start, stop, stretch):
        end = min(begin + stretch, stop)
        played = {voice.playout: voice.playout.samples(begin, end) for voice in voices}
        yield np.column_stack(
            [_mix([played[playout] for playout in channel], end - begin) for channel in (left, right)]
        )


def _channel(voices: Sequence[_Voice], role: str) -> list[Playout]:
    """Who is heard in the channel of ``role``: its party, and everybody who is neither agent nor citizen.  A stream in
    which both speak repeats the party that has one of its own, and is left out there."""
    alone = any(voice.role == role for voice in voices)
    left_out = (CITIZEN if role == AGENT else AGENT, *((MIXED,) if alone else ()))
    return [voice.playout for voice in voices if voice.role not in left_out]


def _mix(voices: Sequence[Samples], length: int) -> Samples:
    """One channel; a single voice is left as it is, several are added and saturated."""
    if not voices:
        return np.zeros(length, np.int16)
    if len(voices) == 1:
        return voices[0]
    return np.clip(np.sum(voices, axis=0, dtype=np.int32), -32768, 32767).astype(np.int16)
