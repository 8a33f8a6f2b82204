"""What goes wrong with a peer is told once a minute, so that a flood fills no log."""

from collections.abc import Callable

NOTE_SECONDS = 60.0
_MOST_NOTED = 1000

# An address, what is wrong, and how often it happened since this was last told.
Tell = Callable[[str, str, int], None]


class Notes:
    """Tells of each address and reason once a minute; of more than a thousand in a minute it tells nothing."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def add(self, host: str, why: str, now: float) -> None:
        """``now`` in monotonic seconds."""
        told_at, untold = self._told.get((host, why), (float("-inf"), 0))
        if now - told_at < NOTE_SECONDS:
            self._told[host, why] = told_at, untold + 1
            return
        if len(self._told) >= _MOST_NOTED:
            self._told = {one: note for one, note in self._told.items() if now - note[0] < NOTE_SECONDS}
        if len(self._told) < _MOST_NOTED:
            self._told[host, why] = now, 0
            self._tell(host, why, untold + 1)
