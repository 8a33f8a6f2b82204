"""The lower envelope of a run's levels (``timeline``): where it lies, and how it leans.

A steady slope is the sender's clock against ours: crystals differ by up to 100 ppm and hold still within a call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# What is a clock at all; and how much must come together before it is worth touching a sample.
STEEPEST, LEAST_DRIFT_MS = 1e-3, 4.0
SHORTEST_FIT_MS, SHORTEST_LAG_MS, FINEST_MS = 30_000.0, 20_000.0, 1000.0
LAGS, FEWEST_SLOPES = 20, 8
# A step of the levels that bends a line, and more than jitter leaves of a minimum; minima on either side of it.
STEP_OF_ROUTE_MS, SIDE = 15.0, 6
# How much of either end of a piece tells how long the way was there, in time and packets.
END_MS, END_PACKETS = 3000.0, 25
# A single level so far below all others is a broken timestamp.
ISOLATED_MS = 40.0


@dataclass(frozen=True)
class Envelope:
    """The lowest level of each second, its media time, and how many packets it is the lowest of."""

    levels: Floats
    media: Floats
    packets: NDArray[np.int64]

    @property
    def lowest(self) -> float:
        """The lower end of the levels."""
        if len(self.levels) < 3:
            return float(self.levels.min())
        lowest, second = np.partition(self.levels, 1)[:2]
        return float(second if second - lowest > ISOLATED_MS else lowest)

    @property
    def span(self) -> float:
        """Milliseconds of media time."""
        return float(self.media[-1] - self.media[0])

    @property
    def excess_first(self) -> float:
        """How far above the lowest level the first ones are."""
        return self._excess(np.arange(len(self.levels)))

    @property
    def excess_last(self) -> float:
        """How far above the lowest level the last ones are."""
        return self._excess(np.arange(len(self.levels))[::-1])

    def _excess(self, order: NDArray[np.int64]) -> float:
        enough = int(np.searchsorted(np.cumsum(self.packets[order]), END_PACKETS)) + 1
        near = int(np.count_nonzero(np.abs(self.media - self.media[order[0]]) <= END_MS))
        return float(self.levels[order[: max(enough, near)]].min()) - self.lowest

    def flat(self, slope: float) -> "Envelope":
        """Without its slope."""
        return replace(self, levels=self.levels - slope * self.media)


def slope_of(envelopes: Sequence[Envelope]) -> float:
    """How much longer than its timestamps say the source's time is, as a share (0.0001: 100 ppm).

    First the median slope between minima a twentieth of the source apart, which a handful of steps does not bend; then
    a straight line through what remains, broken where it steps.
    """
    span = max((envelope.span for envelope in envelopes), default=0.0)
    if span < SHORTEST_FIT_MS:
        return 0.0
    lag = max(SHORTEST_LAG_MS, span / LAGS)
    minima = [_minima(envelope, max(FINEST_MS, lag / 10)) for envelope in envelopes]
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


def _minima(envelope: Envelope, width: float) -> tuple[Floats, Floats]:
    """The lowest level of each ``width`` milliseconds, and its media time."""
    group = np.floor(envelope.media / width)
    order = np.lexsort((envelope.levels, group))
    _, first = np.unique(group[order], return_index=True)
    return envelope.media[order][first], envelope.levels[order][first]


def _slopes(media: Floats, levels: Floats, lag: float) -> Floats:
    """The slopes between minima that are ``lag`` apart."""
    later = np.searchsorted(media, media + lag)
    there = np.flatnonzero(later < len(media))
    slopes: Floats = (levels[later[there]] - levels[there]) / (media[later[there]] - media[there])
    return slopes


def _unbroken(media: Floats, levels: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Stretches of levels without a step between them: the medians on either side of it differ."""
    half = SIDE
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
