"""From a closed spool directory to a stereo FLAC file: agent left, citizen right, both on one timeline."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import SEEK_SET
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from telephony.call import CallFacts, Stream
from telephony.rtp.codecs import SAMPLE_RATE, Samples, by_payload_type
from telephony.rtp.playout import MOST_SAMPLES, Playout, position_of

AGENT, CITIZEN = "agent", "citizen"
# Ten seconds at a time.
STRETCH = 10 * SAMPLE_RATE


@dataclass(frozen=True)
class Assembly:
    """What was made.  ``started_at`` is the moment of the first sample; ``streams`` are counts for each stream:
    received, lost, duplicated, late, reordered, jitter_ms, silence_ms and more; ``flags`` say what was odd."""

    duration_ms: int
    started_at: datetime
    streams: tuple[Mapping[str, Any], ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class _Track:
    """A stream, how it plays (``None``: its spool cannot be read), and what was odd about it."""

    stream: Stream
    playout: Playout | None
    flags: tuple[str, ...] = ()

    @property
    def first(self) -> int | None:
        return self.playout.first if self.playout else None


def assemble(directory: Path, facts: CallFacts, target: Path) -> Assembly:
    """Write ``target`` (8 kHz, 16 bits) from the spools in ``directory``, atomically and durably.

    Blocking.  A stream that is missing, empty or damaged is silence and a flag, never an error; raises ``OSError``
    when ``target`` cannot be written.
    """
    tracks = [_open(directory, stream) for stream in (*facts.streams, *_unlisted(directory, facts))]
    heard = [track.playout for track in tracks if track.playout and track.first is not None]
    start = min((playout.first for playout in heard if playout.first is not None), default=None)
    if start is None:
        start, stretches = position_of(facts.started_at), _silence(facts)
    else:
        stretches = _stretches(tracks, start)
    length = _write(target, stretches)
    flags = [flag for track in tracks for flag in _flags(track)] + _missing_parties(tracks)
    return Assembly(
        length * 1000 // SAMPLE_RATE,
        datetime.fromtimestamp(start // SAMPLE_RATE, UTC) + timedelta(seconds=start % SAMPLE_RATE / SAMPLE_RATE),
        tuple(_statistics(track, start) for track in tracks),
        tuple(dict.fromkeys(flags)),
    )


def _unlisted(directory: Path, facts: CallFacts) -> Iterator[Stream]:
    """Spools that a crash left out of the facts: evidence all the same."""
    listed = {stream.file for stream in facts.streams}
    for index, file in enumerate(sorted(directory.glob("*.rtpdump"))):
        if file.name not in listed:
            yield Stream(file.stem, len(listed) + index, "unknown", file.name, 0)


def _open(directory: Path, stream: Stream) -> _Track:
    try:
        return _Track(stream, Playout(directory / stream.file, by_payload_type(stream.payload_types)))
    except FileNotFoundError:
        return _Track(stream, None, ("spool missing",))
    except (OSError, ValueError):
        return _Track(stream, None, ("spool unreadable",))


def _channel(tracks: Sequence[_Track], role: str) -> list[Playout]:
    """Who is heard in the channel of ``role``: its party, and everybody who is neither agent nor citizen."""
    other = CITIZEN if role == AGENT else AGENT
    return [
        track.playout for track in tracks if track.playout and track.first is not None and track.stream.role != other
    ]


def _stretches(tracks: Sequence[_Track], start: int) -> Iterator[Samples]:
    left, right = _channel(tracks, AGENT), _channel(tracks, CITIZEN)
    playouts = list(dict.fromkeys((*left, *right)))
    stop = start
    while not all(playout.done(stop) for playout in playouts):
        start, stop = stop, stop + STRETCH
        played = {playout: playout.samples(start, stop) for playout in playouts}
        if all(playout.done(stop) for playout in playouts):
            stop = max(playout.end for playout in playouts)
        channels = [_mix([played[playout] for playout in channel])[: stop - start] for channel in (left, right)]
        yield np.column_stack(channels)


def _mix(voices: Sequence[Samples]) -> Samples:
    """One channel; a single voice is left as it is, several are added and saturated."""
    if not voices:
        return np.zeros(STRETCH, np.int16)
    if len(voices) == 1:
        return voices[0]
    return np.clip(np.sum(voices, axis=0, dtype=np.int32), -32768, 32767).astype(np.int16)


def _silence(facts: CallFacts) -> Iterator[Samples]:
    """A call without any sound is as long as its signalling."""
    ended_at = facts.ended_at or facts.started_at
    left = min(max(1, position_of(ended_at) - position_of(facts.started_at)), MOST_SAMPLES)
    while left > 0:
        yield np.zeros((min(left, STRETCH), 2), np.int16)
        left -= STRETCH


class _Output:
    """The file that libsndfile writes to.  It swallows errors of its callbacks, so the first one is kept here."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error:
            return 0
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            return 0

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _write(target: Path, stretches: Iterator[Samples]) -> int:
    """Returns the number of samples in each channel."""
    temporary = target.with_name(target.name + ".new")
    try:
        with temporary.open("w+b") as file:
            length = _encode(_Output(file), stretches)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)
    return length


def _encode(output: _Output, stretches: Iterator[Samples]) -> int:
    length = 0
    with soundfile.SoundFile(output, "w", SAMPLE_RATE, 2, "PCM_16", format="FLAC") as flac:
        for stretch in stretches:
            flac.write(stretch)
            length += len(stretch)
            if output.error:
                raise output.error
    if output.error:
        raise output.error
    return length


def _sync_directory(directory: Path) -> None:
    """A rename is durable once its directory is."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flags(track: _Track) -> Iterator[str]:
    label, counts = track.stream.label, track.playout.statistics() if track.playout else {}
    for flag in track.flags:
        yield f"{label}: {flag}"
    if track.stream.role not in (AGENT, CITIZEN):
        yield f"{label}: party unknown"
    if track.playout and track.first is None:
        yield f"{label}: no audio"
    if counts.get("unread_bytes"):
        yield f"{label}: spool cut short"
    if counts.get("sources", 0) > 1:
        yield f"{label}: several sources"
    if counts.get("anchored_again"):
        yield f"{label}: clock restarted"
    if track.stream.received.get("unspooled_packets") or track.stream.received.get("unspooled_bytes"):
        yield f"{label}: spool incomplete"
    if track.stream.received.get("foreign_sources"):
        yield f"{label}: foreign senders"


def _missing_parties(tracks: Sequence[_Track]) -> list[str]:
    """A party that never sent is silence, and said to be."""
    if any(track.first is not None and track.stream.role not in (AGENT, CITIZEN) for track in tracks):
        return []
    heard = {track.stream.role for track in tracks if track.first is not None}
    return [f"{role} silent" for role in (AGENT, CITIZEN) if role not in heard]


def _statistics(track: _Track, start: int) -> Mapping[str, Any]:
    stream, counts = track.stream, track.playout.statistics() if track.playout else {"received": 0}
    first = None if track.first is None else (track.first - start) * 1000 // SAMPLE_RATE
    return {"label": stream.label, "role": stream.role, "file": stream.file, "start_ms": first, **counts}
