"""When each of many things is due next: a heap, so that one change among thousands costs O(log n)."""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Agenda(Generic[Key]):
    """One moment for each key.  A moment that was moved stays in the heap as a ghost until it is passed or swept."""

    def __init__(self) -> None:
        self._moments: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._moments)

    def set(self, key: Key, moment: float | None) -> None:
        """Move a key's moment; None takes it off."""
        if moment is None:
            self._moments.pop(key, None)
        else:
            number = next(self._numbers)
            self._moments[key] = moment, number
            heappush(self._heap, (moment, number, key))
        if len(self._heap) > 64 + 2 * len(self._moments):
            self._heap = [(*place, key) for key, place in self._moments.items()]
            heapify(self._heap)

    def next(self) -> float | None:
        """The earliest moment."""
        while self._heap:
            moment, number, key = self._heap[0]
            if self._moments.get(key) == (moment, number):
                return moment
            heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[Key]:
        """Takes off, one by one, the keys whose moment has come; what is set meanwhile to a past moment comes too."""
        while (moment := self.next()) is not None and moment <= now:
            _, _, key = heappop(self._heap)
            del self._moments[key]
            yield key
