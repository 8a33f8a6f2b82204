"""What is missing between the packets of one source, and which packets that came late have filled it."""

from dataclasses import dataclass, replace

# Holes of one source that are kept; what is beyond is counted only.  One packet in a hundred lost is 1,800 an hour.
MOST_HOLES = 20_000
# A packet that comes late fills one of the newest holes.
_LOOK_BACK = 64


@dataclass
class Hole:
    """From the end of one sound to the beginning of the next: for each the run (its index) and the RTP time in it, then
    the sequence numbers missing.  The packet behind it is row ``row``, and ``ticks`` long."""

    row: int
    start_run: int
    start: int
    end_run: int
    end: int
    missing: int
    ticks: int

    @property
    def lost(self) -> bool:
        """Whether packets went missing, and not only speech."""
        whole = self.start_run != self.end_run or 2 * (self.end - self.start) <= 3 * self.missing * self.ticks
        return self.missing > 0 and whole


class Holes:
    """The holes of one source, in the order of the timeline."""

    def __init__(self) -> None:
        self.kept: list[Hole] = []
        self.uncounted = 0

    def add(self, hole: Hole) -> None:
        if len(self.kept) < MOST_HOLES:
            self.kept.append(hole)
        else:
            self.uncounted += 1

    def fill(self, run: int, timestamp: int, ticks: int) -> None:
        """A packet that was thought missing has come after all."""
        for index in range(len(self.kept) - 1, max(-1, len(self.kept) - 1 - _LOOK_BACK), -1):
            hole = self.kept[index]
            if hole.start_run == hole.end_run == run and hole.start <= timestamp < hole.end:
                self.kept[index : index + 1] = _without(hole, timestamp, timestamp + ticks)
                return


def _without(hole: Hole, start: int, end: int) -> list[Hole]:
    """What is left of a hole; the missing numbers are shared out by length."""
    missing, before, after = max(0, hole.missing - 1), max(0, start - hole.start), max(0, hole.end - end)
    first = round(missing * before / max(1, before + after))
    parts = [replace(hole, end=start, missing=first), replace(hole, start=end, missing=missing - first)]
    return [part for part in parts if part.end > part.start]
