"""A source on the timeline: its pieces, its first and last sound, and the gaps between."""

from bisect import bisect_right
from dataclasses import dataclass

from telephony.rtp.clocks import Piece
from telephony.rtp.timeline import Source

LOST, SUPPRESSED, PAUSED = "lost", "suppressed", "paused"
SHORTEST_GAP_MS = 1.0


@dataclass(frozen=True)
class Gap:
    """Nothing is heard from ``start`` to ``end``; ``missing`` packets were numbered and never came."""

    start: float
    end: float
    kind: str
    missing: int = 0


@dataclass(frozen=True)
class Placed:
    """Moments are milliseconds since the spool began."""

    source: Source
    pieces: tuple[Piece, ...]

    def piece(self, row: int) -> Piece:
        """The piece that a row of the spool belongs to."""
        return self.pieces[max(0, bisect_right(self.pieces, row, key=lambda piece: piece.row) - 1)]

    @property
    def first(self) -> float:
        """When its first sound was spoken."""
        runs = self.source.runs
        return min(piece.moment(runs[piece.run].lowest) for piece in self._firsts())

    @property
    def end(self) -> float:
        """When its last sound ended."""
        runs = self.source.runs
        return max(piece.moment(runs[piece.run].highest) for piece in self._lasts())

    def _firsts(self) -> tuple[Piece, ...]:
        return tuple({piece.run: piece for piece in reversed(self.pieces)}.values())

    def _lasts(self) -> tuple[Piece, ...]:
        return tuple({piece.run: piece for piece in self.pieces}.values())

    def gaps(self) -> list[Gap]:
        """What is missing between its sounds, in order."""
        lasts = {piece.run: piece for piece in self.pieces}
        found = []
        for hole in self.source.holes.kept:
            behind = self.piece(hole.row)
            # The piece of the packet before: rows of other sources may lie between, pieces of this one do not.
            before = lasts[hole.start_run] if hole.start_run != hole.end_run else self.piece(hole.row - 1)
            start, end = before.moment(hole.start), behind.moment(hole.end)
            if end - start >= SHORTEST_GAP_MS:
                found.append(Gap(start, end, LOST if hole.lost else SUPPRESSED, hole.missing))
        return found
