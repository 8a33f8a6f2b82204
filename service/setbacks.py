"""Calls that failed to seal: why, how often, and when each is tried again.

The note lies in the call's own directory, so that it survives a restart and anyone can read it.  Removing it
(``huiyin spool retry``) or another version of the program lets the call be tried at once.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from archive.layout import software_version
from core.clock import Clock

NOTE_FILE = "setback.json"
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=2), timedelta(minutes=10)
# From here on a person should look.
STUCK_AFTER = 3


@dataclass(frozen=True)
class Setback:
    """Why a call was not sealed.  ``error`` names no person and no number."""

    tries: int
    at: datetime
    error: str
    software: str

    @property
    def again_at(self) -> datetime:
        """When it is tried again: later each time."""
        return self.at + min(FIRST_RETRY * 2.0 ** min(self.tries - 1, 20), LONGEST_RETRY)

    @classmethod
    def load(cls, directory: Path) -> "Setback | None":
        """What was noted of a call; ``None`` when nothing was, or nothing that can be read."""
        try:
            plain = json.loads((directory / NOTE_FILE).read_text(encoding="utf-8"))
            at = datetime.fromisoformat(plain["at"])
            return cls(int(plain["tries"]), at, str(plain["error"]), str(plain["software"])) if at.tzinfo else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, directory: Path) -> bool:
        """Note it; ``False`` when the disk does not take it."""
        temporary = directory / (NOTE_FILE + ".new")
        try:
            temporary.write_text(json.dumps(asdict(self), default=datetime.isoformat), encoding="utf-8")
            temporary.replace(directory / NOTE_FILE)
        except OSError:
            return False
        return True


class Setbacks:
    """All of them, as the sealer knows them."""

    def __init__(self, clock: Clock, software: Callable[[], str] = software_version) -> None:
        self._clock, self._software = clock, software()
        self._known: dict[str, Setback] = {}
        # Those whose note is on the disk: its removal means that they may be tried.
        self._noted: set[str] = set()

    def ready(self, directory: Path) -> bool:
        """Whether a call may be tried now."""
        name = directory.name
        if name not in self._known:
            found = Setback.load(directory)
            if found is None or found.software != self._software:
                return True
            self._known[name] = found
            self._noted.add(name)
        elif name in self._noted and not (directory / NOTE_FILE).exists():
            self.clear(name)
            return True
        return self._known[name].again_at <= self._clock()

    def add(self, directory: Path, error: str) -> Setback:
        """Note one more failure."""
        known = self._known.get(directory.name) or Setback.load(directory)
        tries = known.tries if known and known.software == self._software else 0
        setback = self._known[directory.name] = Setback(tries + 1, self._clock(), error, self._software)
        self._noted.discard(directory.name)
        if setback.save(directory):
            self._noted.add(directory.name)
        return setback

    def clear(self, name: str) -> None:
        """A call is sealed, or may be tried afresh."""
        self._known.pop(name, None)
        self._noted.discard(name)

    @property
    def stuck(self) -> dict[str, Setback]:
        """Calls that failed again and again."""
        return {name: setback for name, setback in self._known.items() if setback.tries >= STUCK_AFTER}
