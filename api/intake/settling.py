"""Since when each file of the watched folder stands still, and when one that failed is tried again."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.intake.folder import Seen

# Seconds until a file that failed is tried again: the first time, and the most.
FIRST_RETRY, LONGEST_RETRY = 2.0, 300.0


@dataclass
class _Standing:
    seen: Seen
    since: float
    again_at: float = 0.0
    wait: float = FIRST_RETRY
    why: str = ""


class Settling:
    """Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._files: dict[str, _Standing] = {}

    def look(self, found: Iterable[Seen], at: float) -> None:
        """What lies there now; a file that has changed begins anew, and what is gone is forgotten."""
        known, self._files = self._files, {}
        for seen in found:
            before = known.get(seen.name)
            same = before is not None and before.seen == seen
            self._files[seen.name] = before if before is not None and same else _Standing(seen, at)

    def still_for(self, seen: Seen, at: float) -> float:
        """For how long it has stood as it was seen."""
        standing = self._files.get(seen.name)
        return at - standing.since if standing is not None and standing.seen == seen else 0.0

    def may_be_tried(self, seen: Seen, at: float) -> bool:
        """Whether it has not failed lately."""
        return at >= self._files[seen.name].again_at

    def failed(self, seen: Seen, why: str, at: float) -> None:
        """Try it later, and later still the next time."""
        standing = self._files[seen.name]
        standing.again_at, standing.why = at + standing.wait, why
        standing.wait = min(standing.wait * 2, LONGEST_RETRY)

    def settled(self, seen: Seen) -> None:
        """It was taken, or kept elsewhere."""
        self._files.pop(seen.name, None)

    def waits(self, seen: Seen, why: str) -> None:
        """It is looked at again the next time, and this is why it is not taken yet."""
        self._files[seen.name].why = why

    def reasons(self, at: float, longer_than: float) -> dict[str, int]:
        """How many files wait for each reason, of those that have stood still for so long."""
        found: dict[str, int] = {}
        for standing in self._files.values():
            if standing.why and at - standing.since >= longer_than:
                found[standing.why] = found.get(standing.why, 0) + 1
        return found
