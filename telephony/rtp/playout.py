"""One spool as a run of samples: headers, timeline and codec together, a stretch at a time.

Memory depends on the stretch, never on the length of the call.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from telephony.rtp.codecs import SAMPLE_RATE, Codec, Samples
from telephony.rtp.headers import Integers, Rows, read_headers
from telephony.rtp.spool import SpoolReader
from telephony.rtp.timeline import LIMIT, PREVIEW, SAMPLES_PER_MS, Source

# Sources that one stream may have; further ones are strays.  A transfer makes a few, a spray of packets thousands.
MOST_SOURCES = 32
# Longest call: what lies further from the first packet is a stray.
MOST_SAMPLES = 24 * 3600 * SAMPLE_RATE
# Source, payload type, payload size.
_Alike = tuple[int, int, int]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Chunk:
    """Decoded packets of one source and one length: where each begins, and its samples, one packet a row."""

    source: int
    positions: Integers
    samples: Samples


def position_of(moment: datetime) -> int:
    """A moment on the timeline, in samples since the Unix epoch."""
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * SAMPLE_RATE + since.microseconds * SAMPLE_RATE // 1_000_000


class Playout:
    """Plays one spool.  Ask for stretches in order; ``statistics`` are whole when ``done`` answered true.

    Raises ``ValueError`` when the file is no rtpdump, ``OSError`` when it cannot be read.
    """

    def __init__(self, file: Path, codecs: Mapping[int, Codec]) -> None:
        self._reader = SpoolReader(file)
        self._blocks = self._reader.blocks(preview=PREVIEW)
        self._clock, self._codecs = position_of(self._reader.header.started_at), codecs
        self._sources: dict[int, Source] = {}
        self._newest: Source | None = None
        self._chunks: list[_Chunk] = []
        self._overhang = np.zeros(0, np.int16)
        self._read_all = False
        self._origin: int | None = None
        self._horizon = 0
        self._encodings: set[str] = set()
        self._undecoded: Counter[int] = Counter()
        self._received = self._late = self._strays = self._invalid = self._rtcp = self._heard = 0
        self.first = self._find_first()

    def _find_first(self) -> int | None:
        """The position of the first sound, ``None`` when there is none at all."""
        while not self._chunks and not self._read_all:
            self._read_block()
        return min((int(chunk.positions.min()) for chunk in self._chunks), default=None)

    @property
    def end(self) -> int:
        """The position behind the last sound read so far."""
        return self._horizon

    def done(self, stop: int) -> bool:
        """Whether nothing is left to hear from ``stop`` on."""
        return self._read_all and not self._chunks and self._horizon <= stop

    def samples(self, start: int, stop: int) -> Samples:
        """The stretch from ``start`` to ``stop``; gaps are zeros, sources that overlap are added."""
        # What comes more than LIMIT later than its place is late.
        while not self._read_all and self._horizon < stop + LIMIT:
            self._read_block()
        chunks, self._chunks = self._chunks, []
        buffers: dict[int, Samples] = {}
        room = stop - start + max((chunk.samples.shape[1] for chunk in chunks), default=0)
        for chunk in chunks:
            due = chunk.positions < stop
            if not due.all():
                self._chunks.append(_Chunk(chunk.source, chunk.positions[~due], chunk.samples[~due]))
            if due.any():
                buffer = buffers.setdefault(chunk.source, np.zeros(room, np.int16))
                self._lay(buffer, chunk.positions[due] - start, chunk.samples[due])
        played = _add(list(buffers.values()), self._overhang, max(room, len(self._overhang)))
        self._overhang = played[stop - start :].copy()
        return played[: stop - start]

    def _lay(self, buffer: Samples, positions: Integers, samples: Samples) -> None:
        """Copy packets to their places, each run of adjoining packets at once."""
        late = positions < 0
        if late.any():
            self._late += int(late.sum())
            positions, samples = positions[~late], samples[~late]
        length = samples.shape[1]
        starts = np.flatnonzero(np.diff(positions, prepend=-length - 1) != length)
        for begin, end in zip(starts, [*starts[1:], len(positions)], strict=True):
            at = positions[begin]
            buffer[at : at + (end - begin) * length] = samples[begin:end].reshape(-1)
        self._heard += samples.size

    def _read_block(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            self._read_all = True
            return
        rows = read_headers(block)
        self._received += rows.settled
        self._rtcp += rows.rtcp
        self._invalid += rows.invalid
        self._decode(rows, self._place(rows))

    def _place(self, rows: Rows) -> Mapping[_Alike, tuple[list[int], list[int]]]:
        """The rows that sound and their positions, by source, payload type and payload size."""
        groups: defaultdict[_Alike, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        sizes, sources = rows.sizes.tolist(), self._sources
        for row in range(rows.settled):
            ssrc, payload_type, size = rows.ssrcs[row], rows.payload_types[row], sizes[row]
            source = sources.get(ssrc) or self._new_source(rows, row)
            if source is None:
                self._strays += 1
                continue
            sounds = size > 0 and payload_type in self._codecs
            if not sounds:
                self._undecoded[payload_type] += 1
            position = source.place(rows, row, size if sounds else 0)
            if position is None:
                continue
            self._origin = position if self._origin is None else self._origin
            if abs(position - self._origin) > MOST_SAMPLES:
                self._strays += 1
                continue
            found, positions = groups[ssrc, payload_type, size]
            found.append(row)
            positions.append(position)
        return groups

    def _new_source(self, rows: Rows, row: int) -> Source | None:
        if len(self._sources) == MOST_SOURCES:
            return None
        # After a source that was sent faster than real time, arrivals say nothing: the next one follows on.
        before = self._newest
        self._newest = Source(rows, row, self._clock, before.end if before and before.hurried else 0)
        self._sources[rows.ssrcs[row]] = self._newest
        return self._newest

    def _decode(self, rows: Rows, groups: Mapping[_Alike, tuple[list[int], list[int]]]) -> None:
        for (ssrc, payload_type, size), (found, positions) in groups.items():
            codec = self._codecs[payload_type]
            self._encodings.add(codec.encoding)
            # Codecs with state are not played yet: what SDP agrees on has rows.
            assert codec.rows
            samples = codec.rows(rows.data[rows.starts[found, None] + np.arange(size)])
            self._chunks.append(_Chunk(ssrc, np.array(positions, np.int64), samples))
            self._horizon = max(self._horizon, max(positions) + samples.shape[1])

    def statistics(self) -> dict[str, Any]:
        """Counts over the whole spool, as plain JSON values; times in milliseconds."""
        sources = self._sources.values()
        in_order = sum(source.in_order for source in sources)
        span = self._horizon - self.first if self.first is not None else 0
        return {
            "received": self._received,
            "lost": sum(source.lost for source in sources),
            "duplicated": sum(source.duplicated for source in sources),
            "reordered": sum(source.reordered for source in sources),
            "late": self._late,
            "strays": self._strays + sum(source.strays for source in sources),
            "invalid": self._invalid,
            "undecoded": {str(payload_type): count for payload_type, count in sorted(self._undecoded.items())},
            "rtcp": self._rtcp,
            "jitter_ms": round(sum(source.jitter for source in sources) / max(1, in_order) / SAMPLES_PER_MS, 2),
            "silence_ms": max(0, span - self._heard) // SAMPLES_PER_MS,
            "duration_ms": span // SAMPLES_PER_MS,
            "sources": len(sources),
            "anchored_again": sum(source.anchored_again for source in sources),
            "codecs": sorted(self._encodings),
            "unread_bytes": self._reader.unread,
        }


def _add(buffers: list[Samples], overhang: Samples, room: int) -> Samples:
    """The sum of the sources and of what hung over from the stretch before, saturated."""
    if len(buffers) < 2 and not overhang.any():
        return buffers[0] if buffers else np.zeros(room, np.int16)
    total = np.zeros(room, np.int32)
    total[: len(overhang)] = overhang
    for buffer in buffers:
        total[: len(buffer)] += buffer
    return np.clip(total, -32768, 32767).astype(np.int16)
