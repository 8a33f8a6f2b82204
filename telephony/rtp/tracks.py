"""The streams of a call beside each other: their spools, what was odd about each, and whose clock is whose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from telephony.call import CallFacts, Stream
from telephony.rtp.codecs import by_payload_type
from telephony.rtp.events import event_clocks
from telephony.rtp.survey import Survey, survey
from telephony.rtp.wallclock import longer_way

# Ways that differ by less are not worth moving anything for.
LEAST_SHIFT_MS = 1.0


@dataclass(frozen=True)
class Track:
    """A stream, its survey (``None``: its spool cannot be read), by how much it is moved on the timeline because its
    way to us was longer, and what was odd about it."""

    stream: Stream
    survey: Survey | None
    shift_ms: float = 0.0
    flags: tuple[str, ...] = ()

    @property
    def first_ms(self) -> float | None:
        """When its first sound was spoken, in milliseconds since the Unix epoch."""
        if self.survey is None or self.survey.first is None:
            return None
        return self.survey.began_ms + self.survey.first + self.shift_ms

    @property
    def end_ms(self) -> float | None:
        """When its last sound ended."""
        if self.survey is None or self.survey.first is None:
            return None
        return self.survey.began_ms + self.survey.end + self.shift_ms


def open_tracks(directory: Path, facts: CallFacts) -> list[Track]:
    """Every spool of the call, those included that a crash left out of the facts, on one timeline."""
    return aligned([_open(directory, stream) for stream in (*facts.streams, *_unlisted(directory, facts))])


def _unlisted(directory: Path, facts: CallFacts) -> Iterator[Stream]:
    """Spools that a crash left out of the facts: evidence all the same."""
    listed = {stream.file for stream in facts.streams}
    for index, file in enumerate(sorted(directory.glob("*.rtpdump"))):
        if file.name not in listed:
            yield Stream(file.stem, len(listed) + index, "unknown", file.name, 0)


def _open(directory: Path, stream: Stream) -> Track:
    try:
        return Track(stream, _survey(directory, stream))
    except FileNotFoundError:
        return Track(stream, None, flags=("spool missing",))
    except (OSError, ValueError):
        return Track(stream, None, flags=("spool unreadable",))


def _survey(directory: Path, stream: Stream) -> Survey:
    agreed = stream.payload_types
    return survey(directory / stream.file, by_payload_type(agreed), event_clocks(agreed))


def aligned(tracks: Sequence[Track]) -> list[Track]:
    """Move each stream by what its way was longer than the shortest, where sender reports of one clock tell."""
    reporting = [track for track in tracks if track.survey and track.survey.said]
    if len(reporting) < 2 or reporting[0].survey is None or reporting[0].survey.said is None:
        return list(tracks)
    reference = reporting[0].survey.said
    longer = {
        track.stream.file: by
        for track in reporting
        if track.survey and track.survey.said and (by := longer_way(track.survey.said, reference)) is not None
    }
    shortest = min(longer.values(), default=0.0)
    moved = []
    for track in tracks:
        by = longer.get(track.stream.file, shortest) - shortest
        moved.append(replace(track, shift_ms=-by) if by >= LEAST_SHIFT_MS else track)
    return moved
