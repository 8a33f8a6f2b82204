"""From the levels of a source's runs (``timeline``) to the moments when its packets were spoken.

Each piece of a run lies where the lower envelope of its levels says: at the shortest delay seen, less what this was
longer than the shortest of the whole stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from telephony.rtp.envelope import STEP_OF_ROUTE_MS, Envelope, slope_of
from telephony.rtp.timeline import STEP_MS, Run
from telephony.rtp.wallclock import Report

# How far before and behind a step levels are compared.
AROUND_MS = 10_000.0
# What a sender report's clock must have moved by to confirm a step.
MOVED_MS = 20.0
# A run of few packets may not have met its shortest delay: it adjoins what it continues when it is so near.
FEW_PACKETS, NEAR_MS = 50, 100.0


@dataclass(frozen=True)
class Piece:
    """From row ``row`` on, RTP time ``timestamp`` was spoken at ``anchor`` (milliseconds since the spool began), and a
    tick is ``ms_per_tick * scale`` long."""

    row: int
    run: int
    timestamp: int
    anchor: float
    ms_per_tick: float
    scale: float = 1.0

    def moment(self, timestamp: int) -> float:
        """When the sound of an extended timestamp was spoken, in milliseconds since the spool began."""
        return self.anchor + (timestamp - self.timestamp) * self.ms_per_tick * self.scale


@dataclass(frozen=True)
class _Segment:
    """Bins of one run between two steps that split it."""

    run: Run
    index: int
    row: int
    envelope: Envelope


def fit(sources: Sequence[tuple[Sequence[Run], Sequence[Report]]]) -> list[tuple[Piece, ...]]:
    """The pieces of each source of a stream, in order.  With each source come its sender reports, if believed."""
    cut = [
        [segment for index, run in enumerate(runs) for segment in _segments(run, index, reports)]
        for runs, reports in sources
    ]
    slopes = [slope_of([each.envelope for each in segments if not each.run.hurried]) for segments in cut]
    flat = [[_flat(segment, slope) for segment in segments] for segments, slope in zip(cut, slopes, strict=True)]
    longer = iter(_longer_ways([envelope for envelopes in flat for envelope in envelopes]))
    found, not_before = list[tuple[Piece, ...]](), -np.inf
    for (runs, _), segments, envelopes, slope in zip(sources, cut, flat, slopes, strict=True):
        pieces: list[Piece] = []
        for segment, envelope in zip(segments, envelopes, strict=True):
            run, anchor = segment.run, envelope.lowest - next(longer)
            if not pieces:
                anchor = max(anchor, not_before)
            elif pieces[-1].run != segment.index:
                anchor = _behind(anchor, pieces[-1].moment(runs[pieces[-1].run].highest), run)
            scale = 1.0 if run.hurried else 1.0 + slope
            pieces.append(Piece(segment.row, segment.index, run.timestamp, anchor, run.ms_per_tick, scale))
        found.append(tuple(pieces))
        # After a source that was sent faster than real time, arrivals say nothing: the next one follows on.
        not_before = pieces[-1].moment(runs[-1].highest) if pieces and runs[-1].hurried else -np.inf
    return found


def _flat(segment: _Segment, slope: float) -> Envelope:
    """Without the slope.  Of a hurried run arrivals say nothing but where it began."""
    if segment.run.hurried:
        return Envelope(np.array([segment.run.first_level]), np.zeros(1), np.ones(1, np.int64))
    return segment.envelope.flat(slope)


def _longer_ways(envelopes: Sequence[Envelope]) -> list[float]:
    """By how much the shortest delay of each piece is longer than the shortest of all.

    A clock that begins anew leaves the way as it was: what is between levels and their lowest on one side of it is so
    on the other.
    """
    longer, found = 0.0, list[float]()
    for number, envelope in enumerate(envelopes):
        if number:
            change = envelopes[number - 1].excess_last - envelope.excess_first
            longer += change if STEP_OF_ROUTE_MS < abs(change) < STEP_MS else 0.0
        found.append(longer)
    return [each - min(found) for each in found]


def _behind(anchor: float, end: float, run: Run) -> float:
    """One source never speaks twice at once; a short run that goes on in sequence adjoins the one before."""
    near = run.continues and run.packets < FEW_PACKETS and anchor - end <= NEAR_MS
    return end if near else max(anchor, end)


def _segments(run: Run, index: int, reports: Sequence[Report]) -> Iterator[_Segment]:
    """Cut a run where its level stepped for good."""
    if not run.packets:
        return
    counts = np.array([*run.counts, run.packets], np.int64)
    whole = Envelope(np.array(run.levels), np.array(run.media), counts[1:] - counts[:-1])
    cuts = [0]
    if not run.hurried:
        for at in np.flatnonzero(np.array(run.steps)):
            if at and _is_split(run, int(at), cuts[-1], whole, [each for each in reports if each.run == index]):
                cuts.append(int(at))
    for first, last in zip(cuts, [*cuts[1:], len(whole.levels)], strict=True):
        row = run.rows[first] if first else run.row
        yield _Segment(
            run,
            index,
            row,
            Envelope(whole.levels[first:last], whole.media[first:last], whole.packets[first:last]),
        )


def _is_split(run: Run, at: int, start: int, whole: Envelope, reports: Sequence[Report]) -> bool:
    """Whether the sender's clock stood or jumped before bin ``at``; ``start`` is the first bin of the present piece."""
    levels, media = whole.levels, whole.media
    before = levels[start:at][media[start:at] >= media[at] - AROUND_MS]
    after = levels[at:][: int(np.searchsorted(media[at:], media[at] + AROUND_MS)) or 1]
    step = float(after.min() - before.min()) if len(before) else 0.0
    if abs(step) < MOVED_MS:
        return False
    earlier = [report.lead for report in reports if report.row < run.rows[at]]
    later = [report.lead for report in reports if report.row > run.rows[at]]
    if earlier and later:
        return abs(later[0] - earlier[-1]) > MOVED_MS
    return abs(step) >= run.steps[at]
