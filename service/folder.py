"""The watched folder: looked at every second or so, finished files taken in one after the other.

What cannot be done now (store, database or disk away) is tried again, later and later; the files stay where they are.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.intake import folder, quarantine
from api.intake.delivery import Found, Outcome, Taker
from api.intake.settling import Settling
from archive.house import Archive
from core.alerts import INTAKE_STUCK, QUARANTINED, WATCH_AWAY
from core.errors import HuiyinError
from core.settings import Settings
from service.alarms import Alarms

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# A file that has stood still for so long and is not taken needs a person's eye.
STUCK_SECONDS = 600.0
CLEAR_EVERY_SECONDS = 3600.0
SETTLED = (Outcome.TAKEN, Outcome.QUARANTINED)


class WatchedFolder:
    """``folder`` on behalf of this process; several may watch it, one of them works."""

    def __init__(self, archive: Archive, settings: Settings, path: Path, alarms: Alarms) -> None:
        self._archive, self._settings, self._path, self._alarms = archive, settings, path, alarms
        self._taker = Taker(archive, settings, path)
        self._settling, self._counts = Settling(), Counter[Outcome]()
        self._waiting = self._others = self._refused = 0
        self._working, self._cleared_at = False, float("-inf")

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch until told to stop; the file in hand is finished first."""
        while not stopping.is_set():
            try:
                with folder.alone_in(self._path) as alone:
                    self._working = alone
                    while alone and not stopping.is_set():
                        await self.look(time.monotonic(), stopping)
                        await _pause(stopping, LOOK_SECONDS)
            except OSError as error:
                self._working = False
                self._alarms.hold(WATCH_AWAY, {"directory": str(self._path), "error": error.strerror or str(error)})
            await _pause(stopping, LOOK_SECONDS)

    def figures(self) -> Mapping[str, Any]:
        """What the status page and the metrics show."""
        return {
            "watching": self._working,
            "files_waiting": self._waiting,
            "files_taken": self._counts[Outcome.TAKEN],
            "files_refused": self._counts[Outcome.QUARANTINED],
            "files_ignored": self._others,
            "in_quarantine": self._refused,
        }

    async def look(self, at: float, stopping: asyncio.Event) -> None:
        """One look at the folder, and whatever is ready then taken in."""
        seen = await asyncio.to_thread(folder.look, self._path)
        self._alarms.hold(WATCH_AWAY, None)
        self._settling.look((*seen.sounds, *seen.sides.values()), at)
        self._waiting, self._others = len(seen.sounds), seen.others
        for sound in seen.sounds:
            found = self._ready(sound, seen.sides.get(sound.stem), at)
            if stopping.is_set():
                break
            if found is not None and not await self._take(found, at):
                break
        await self._tell(at)

    def _ready(self, sound: folder.Seen, side: folder.Seen | None, at: float) -> Found | None:
        still = min(self._settling.still_for(each, at) for each in (sound, side) if each is not None)
        if still < self._settings.watch_settle.total_seconds() or not self._settling.may_be_tried(sound, at):
            return None
        return Found(sound, side, timedelta(seconds=still))

    async def _take(self, found: Found, at: float) -> bool:
        """Whether there is any use in going on with the next one."""
        try:
            outcome = await self._taker.take(found)
        except Exception as error:  # a worker's outer loop: whatever went wrong with one file is why it waits
            why = _why(error)
            self._settling.failed(found.sound, why, at)
            known = isinstance(error, SQLAlchemyError | OSError | HuiyinError)
            log.warning("a file waits", extra={"facts": {"why": why}}, exc_info=not known)
            # Whatever else is away is away for the next one, too.
            return isinstance(error, PermissionError) or not known
        if outcome in SETTLED:
            self._settling.settled(found.sound)
            self._counts[outcome] += 1
            self._waiting -= 1
            log.info("a file was settled", extra={"facts": {"outcome": outcome.value}})
        else:
            self._settling.waits(found.sound, outcome.value)
        return True

    async def _tell(self, at: float) -> None:
        """Alerts, and once an hour the files that were put away long enough ago."""
        stuck = self._settling.reasons(at, STUCK_SECONDS)
        facts = {"files": sum(stuck.values()), "why": ", ".join(sorted(stuck))}
        self._alarms.hold(INTAKE_STUCK, facts if stuck else None)
        self._refused = await asyncio.to_thread(quarantine.count, self._settings)
        self._alarms.hold(QUARANTINED, {"files": self._refused} if self._refused else None)
        if self._settings.watch_keep_days and at - self._cleared_at >= CLEAR_EVERY_SECONDS:
            self._cleared_at = at
            today = self._archive.clock().astimezone(self._settings.timezone).date()
            before = today - timedelta(days=self._settings.watch_keep_days)
            try:
                await asyncio.to_thread(folder.clear_done, self._path, before)
            except OSError as error:
                log.warning("what was taken long ago cannot be removed", extra={"facts": {"why": _why(error)}})


def _why(error: Exception) -> str:
    """Never the text of an ``OSError``: it quotes names of files, which may hold telephone numbers."""
    if isinstance(error, HuiyinError):
        return error.message
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
