"""One finished file of the watched folder: taken in, or kept in quarantine, and put away only after that."""

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from api.intake import folder, quarantine
from api.intake.attempts import MOST, attempt
from api.intake.facts import FinishedCall
from api.intake.facts_beside import LARGEST_SIDE, from_name, from_side
from api.intake.folder import Seen
from api.intake.room import MEGABYTE, incoming
from api.intake.taking import Unusable, take_in
from archive.house import Archive
from archive.seal import hash_file
from core.errors import Conflict
from core.settings import Settings

BY = "folder"
REPEATED = f"收取它时进程已中断 {MOST} 次 / taking it in has ended the process {MOST} times"
# How long a file is let stand that says itself that more is to come: a writer may pause, and one that died never ends.
OPEN_ENDED = timedelta(minutes=10)


class Outcome(Enum):
    """What became of a file; where it still lies in the folder, why."""

    TAKEN = "taken"
    QUARANTINED = "quarantined"
    NO_FACTS = "no facts"
    BEING_WRITTEN = "being written"
    TOO_LARGE = "too large"
    CHANGED = "changed"


@dataclass(frozen=True)
class Found:
    """A sound file with its side file, if there is one, and for how long both have stood still."""

    sound: Seen
    side: Seen | None
    still: timedelta


@dataclass(frozen=True)
class Taker:
    """Takes files of ``folder`` in."""

    archive: Archive
    settings: Settings
    folder: Path

    async def take(self, found: Found) -> Outcome:
        """``OSError`` and domain errors when it cannot be done now; nothing is lost by them."""
        if found.sound.size > self.settings.upload_max_mb * MEGABYTE:
            return Outcome.TOO_LARGE
        with incoming(self.settings) as directory, attempt(self.settings.data_dir / "attempts", found.sound) as number:
            file = Path(directory) / "file"
            if not await asyncio.to_thread(folder.copy, self.folder, found.sound, file):
                return Outcome.BEING_WRITTEN
            if found.still < OPEN_ENDED and _more_to_come(file):
                return Outcome.BEING_WRITTEN
            outcome = await self._take(found, file, number)
        if outcome in (Outcome.TAKEN, Outcome.QUARANTINED):
            await asyncio.to_thread(self._put_away, found, outcome)
        return outcome

    async def _take(self, found: Found, file: Path, number: int) -> Outcome:
        side: bytes | None = None
        try:
            if found.side is not None:
                side = await asyncio.to_thread(folder.read, self.folder, found.side, LARGEST_SIDE)
                if side is None:
                    return Outcome.CHANGED
            call = self._facts(found, side)
        except ValueError as error:
            return await self._refuse(found, file, str(error), _as_it_came(found.sound, side))
        if call is None:
            return Outcome.NO_FACTS
        facts = call.model_dump(mode="json")
        if number > MOST:
            return await self._refuse(found, file, REPEATED, facts)
        try:
            await take_in(self.archive, self.settings, call, file, by=BY)
        except Unusable:
            return Outcome.QUARANTINED
        except Conflict as error:
            return await self._refuse(found, file, error.message, facts)
        return Outcome.TAKEN

    def _facts(self, found: Found, side: bytes | None) -> FinishedCall | None:
        if found.side is not None and side is not None:
            return from_side(side, found.side.suffix)
        settings = self.settings
        return from_name(found.sound.stem, settings.watch_names, settings.timezone)

    async def _refuse(self, found: Found, file: Path, reason: str, facts: dict[str, Any]) -> Outcome:
        sha256, size = await asyncio.to_thread(hash_file, file)
        entry = quarantine.Quarantined(sha256, size, reason, self.archive.clock(), BY, facts)
        await asyncio.to_thread(quarantine.keep, self.settings, file, entry)
        return Outcome.QUARANTINED

    def _put_away(self, found: Found, outcome: Outcome) -> None:
        """Its sound first: a side file alone is harmless, a sound file alone would wait for its facts."""
        kept = outcome is Outcome.TAKEN and self.settings.watch_keep_days
        day = _local(self.archive.clock(), self.settings).date() if kept else None
        folder.put_away(self.folder, found.sound, day)
        if found.side is not None:
            folder.put_away(self.folder, found.side, day)


def _more_to_come(file: Path) -> bool:
    with file.open("rb") as opened:
        return folder.is_open_ended(opened.read(8), os.fstat(opened.fileno()).st_size)


def _as_it_came(sound: Seen, side: bytes | None) -> dict[str, Any]:
    said = {} if side is None else {"side": side.decode(errors="backslashreplace")}
    return {"name": sound.name, **said}


def _local(moment: datetime, settings: Settings) -> datetime:
    return moment.astimezone(settings.timezone)
