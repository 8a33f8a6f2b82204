"""Is there room for one more call?  Asked for every INVITE and OPTIONS, so the file system is looked at rarely.

What is kept free is for the calls in progress: they go on into the same spool while new ones are refused.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_SECONDS = 1.0
# New calls come back only with this much more than the minimum, so that admission does not flutter.
AGAIN = 1.1
MEGABYTE = 1 << 20
# A call makes half a dozen files; a file system can run out of them before it runs out of space.
LEAST_FILES = 1000


@dataclass(frozen=True)
class Space:
    """What a file system has left: octets, and files (``None``: it knows no limit)."""

    octets: int
    files: int | None

    @classmethod
    def of(cls, directory: Path) -> "Space":
        """Raises ``OSError`` when the directory's file system does not answer."""
        found = os.statvfs(directory)
        return cls(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


class Room:
    """Why no further call can be kept now; an empty text when there is room."""

    def __init__(
        self,
        spool: Path,
        minimum: int,
        refusing: Callable[[], bool],
        *,
        now: Callable[[], float] = time.monotonic,
        space_of: Callable[[Path], Space] = Space.of,
    ) -> None:
        """``minimum`` in octets; ``refusing`` tells whether some stream's spool refuses writes."""
        self._spool, self._minimum, self._refusing, self._now, self._space_of = spool, minimum, refusing, now, space_of
        self._looked = float("-inf")
        self._why = ""
        self.free_octets = 0

    def __call__(self) -> str:
        if self._refusing():
            return "the spool refuses writes"
        if self._now() - self._looked >= LOOK_EVERY_SECONDS:
            self._looked = self._now()
            self._why = self._look()
        return self._why

    def _look(self) -> str:
        try:
            space = self._space_of(self._spool)
        except OSError as error:
            return f"the spool cannot be reached: {error.strerror}"
        self.free_octets = space.octets
        if space.octets < self._minimum * (AGAIN if self._why else 1.0):
            return f"the spool has {space.octets // MEGABYTE} MB left; HUIYIN_SPOOL_MIN_FREE_MB keeps the last ones"
        if space.files is not None and space.files < LEAST_FILES:
            return f"the spool's file system has room for {space.files} more files only"
        return ""
