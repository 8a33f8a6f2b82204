"""From the levels of a source's runs (``timeline``) to the moments when its packets were spoken.

Each piece of a run lies where the lower envelope of its levels says: at the shortest delay seen.  A steady slope of the
envelope is the sender's clock against ours (crystals differ by up to 100 ppm and hold still within a call); it is the
median slope between minima some way apart, so that neither jitter nor a handful of route changes bends it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.timeline import STEP_MS, Run
from telephony.rtp.wallclock import Report

Floats = NDArray[np.float64]
# What is a clock at all; and how much must come together before it is worth touching a sample.
STEEPEST, LEAST_DRIFT_MS = 1e-3, 4.0
SHORTEST_FIT_MS, SHORTEST_LAG_MS, FINEST_MS = 30_000.0, 20_000.0, 1000.0
LAGS, FEWEST_SLOPES = 20, 8
# How much of either end of a piece tells how long the way was there.
END_MS = 3000.0
# A step of the levels that bends a line, and more than jitter leaves of a minimum.
STEP_OF_ROUTE_MS = 15.0
# How far before and behind a step levels are compared.
AROUND_MS = 10_000.0
# What a sender report's clock must have moved by to confirm a step.
MOVED_MS = 20.0
# A run of few packets may not have met its shortest delay: it adjoins what it continues when it is so near.
FEW_PACKETS, NEAR_MS = 50, 100.0
# A single level so far below all others is a broken timestamp.
ISOLATED_MS = 40.0


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
    levels: Floats
    media: Floats


def fit(sources: Sequence[tuple[Sequence[Run], Sequence[Report]]]) -> list[tuple[Piece, ...]]:
    """The pieces of each source of a stream, in order.  With each source come its sender reports, if believed."""
    cut = [
        [segment for index, run in enumerate(runs) for segment in _segments(run, index, reports)]
        for runs, reports in sources
    ]
    flattened = [_flatten(segments) for segments in cut]
    longer = iter(_longer_ways([(media, flat) for source in flattened for media, flat, _ in source]))
    found, not_before = list[tuple[Piece, ...]](), -np.inf
    for (runs, _), segments, flats in zip(sources, cut, flattened, strict=True):
        pieces: list[Piece] = []
        for segment, (_, flat, slope) in zip(segments, flats, strict=True):
            anchor = _lowest(flat) - next(longer)
            if not pieces:
                anchor = max(anchor, not_before)
            elif pieces[-1].run != segment.index:
                anchor = _behind(anchor, pieces[-1].moment(runs[pieces[-1].run].highest), segment.run)
            run = segment.run
            pieces.append(Piece(segment.row, segment.index, run.timestamp, anchor, run.ms_per_tick, 1.0 + slope))
        found.append(tuple(pieces))
        # After a source that was sent faster than real time, arrivals say nothing: the next one follows on.
        not_before = pieces[-1].moment(runs[-1].highest) if pieces and runs[-1].hurried else -np.inf
    return found


def _flatten(segments: Sequence[_Segment]) -> list[tuple[Floats, Floats, float]]:
    """Media times, levels without their slope, and the slope.  A hurried run has one level: where it began."""
    slope = _slope([segment for segment in segments if not segment.run.hurried])
    return [
        (segment.media[:1], np.array([segment.run.first_level]), 0.0)
        if segment.run.hurried
        else (segment.media, segment.levels - slope * segment.media, slope)
        for segment in segments
    ]


def _longer_ways(flats: Sequence[tuple[Floats, Floats]]) -> list[float]:
    """By how much the shortest delay of each piece is longer than the shortest of all.

    A clock that begins anew leaves the way as it was: what is between levels and their lowest on one side of it is so
    on the other.
    """
    longer, found = 0.0, list[float]()
    for number, flat in enumerate(flats):
        if number:
            change = _at_end(*flats[number - 1]) - _at_end(*flat, first=True)
            longer += change if STEP_OF_ROUTE_MS < abs(change) < STEP_MS else 0.0
        found.append(longer)
    return [each - min(found) for each in found]


def _at_end(media: Floats, flat: Floats, *, first: bool = False) -> float:
    """How far above the lowest level those at one end of a piece are."""
    near = media <= media[0] + END_MS if first else media >= media[-1] - END_MS
    return float(flat[near].min()) - _lowest(flat)


def _behind(anchor: float, end: float, run: Run) -> float:
    """One source never speaks twice at once; a short run that goes on in sequence adjoins the one before."""
    near = run.continues and run.packets < FEW_PACKETS and anchor - end <= NEAR_MS
    return end if near else max(anchor, end)


def _segments(run: Run, index: int, reports: Sequence[Report]) -> Iterator[_Segment]:
    """Cut a run where its level stepped for good."""
    if not run.packets:
        return
    levels, media = np.array(run.levels), np.array(run.media)
    cuts = [0]
    if not run.hurried:
        for at in np.flatnonzero(np.array(run.steps)):
            if at and _is_split(run, int(at), cuts[-1], levels, media, [each for each in reports if each.run == index]):
                cuts.append(int(at))
    for first, last in zip(cuts, [*cuts[1:], len(levels)], strict=True):
        yield _Segment(run, index, run.rows[first] if first else run.row, levels[first:last], media[first:last])


def _is_split(run: Run, at: int, start: int, levels: Floats, media: Floats, reports: Sequence[Report]) -> bool:
    """Whether the sender's clock stood or jumped before bin ``at``; ``start`` is the first bin of the present piece."""
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


def _slope(segments: Sequence[_Segment]) -> float:
    """How much longer than its timestamps say the source's time is, as a share (0.0001: 100 ppm).

    First the median slope between minima a twentieth of the source apart, which a handful of steps does not bend; then
    a straight line through what remains, broken where it steps.
    """
    span = max((float(segment.media[-1] - segment.media[0]) for segment in segments), default=0.0)
    if span < SHORTEST_FIT_MS:
        return 0.0
    lag = max(SHORTEST_LAG_MS, span / LAGS)
    minima = [_minima(segment, max(FINEST_MS, lag / 10)) for segment in segments]
    slopes = np.concatenate([_slopes(media, levels, lag) for media, levels in minima])
    if len(slopes) < FEWEST_SLOPES:
        return 0.0
    slope = float(np.median(slopes))
    pieces = [piece for media, levels in minima for piece in _unbroken(media, levels - slope * media)]
    leaning = sum(float((media - media.mean()) @ (levels - levels.mean())) for media, levels in pieces)
    length = sum(float(np.square(media - media.mean()).sum()) for media, _ in pieces)
    spread = sum(float(np.square(levels - levels.mean()).sum()) for _, levels in pieces)
    slope += leaning / max(1.0, length)
    doubt = np.sqrt(spread / max(1, sum(len(media) for media, _ in pieces)) / max(1.0, length))
    return slope if max(LEAST_DRIFT_MS / span, 2 * doubt) <= abs(slope) <= STEEPEST else 0.0


def _minima(segment: _Segment, width: float) -> tuple[Floats, Floats]:
    """The lowest level of each ``width`` milliseconds, and its media time."""
    group = np.floor(segment.media / width)
    order = np.lexsort((segment.levels, group))
    _, first = np.unique(group[order], return_index=True)
    return segment.media[order][first], segment.levels[order][first]


def _slopes(media: Floats, levels: Floats, lag: float) -> Floats:
    """The slopes between minima that are ``lag`` apart."""
    later = np.searchsorted(media, media + lag)
    there = np.flatnonzero(later < len(media))
    slopes: Floats = (levels[later[there]] - levels[there]) / (media[later[there]] - media[there])
    return slopes


def _unbroken(media: Floats, levels: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Stretches of levels without a step between them: the medians on either side of it differ."""
    half = 6
    cuts = [0]
    if len(levels) >= 2 * half:
        medians = np.median(np.lib.stride_tricks.sliding_window_view(levels, half), axis=1)
        steps = np.abs(medians[half:] - medians[:-half])
        for at in np.argsort(-steps):
            if steps[at] < STEP_OF_ROUTE_MS:
                break
            if min(abs(at + half - cut) for cut in cuts) >= half:
                cuts.append(int(at) + half)
    cuts.sort()
    for first, last in zip(cuts, [*cuts[1:], len(levels)], strict=True):
        yield media[first:last], levels[first:last]


def _lowest(levels: Floats) -> float:
    """The lower end of the levels; one that is alone far below is a broken timestamp."""
    if len(levels) < 3:
        return float(levels.min())
    lowest, second = np.partition(levels, 1)[:2]
    return float(second if second - lowest > ISOLATED_MS else lowest)
