"""What holds now in a process that answers people: settings and dictionaries, looked at again every few seconds.

Whoever changes something sees it at once in the process that changed it; every other process follows within
``LOOK_EVERY``.  While the database is away, what was read last goes on holding.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date

from sqlalchemy.exc import SQLAlchemyError

from core.database import Database
from core.dictionaries import Word, all_words
from core.operating import Operating, load_operating
from core.settings import Settings

# Seconds.
LOOK_EVERY = 5.0


class InForce:
    """One for each application."""

    def __init__(self, database: Database, installed: Settings) -> None:
        self._database = database
        self._looking = asyncio.Lock()
        self._due = 0.0
        self._by_day: dict[date, Settings] = {}
        self.operating = Operating(installed)
        self.dictionaries: Mapping[str, Sequence[Word]] = {}

    def settings_on(self, day: date) -> Settings:
        """The settings in force on a local day, as they were last looked at."""
        if day not in self._by_day:
            self._by_day[day] = self.operating.on(day)
        return self._by_day[day]

    def words_on(self, dictionary: str, day: date) -> Sequence[Word]:
        """The entries of a dictionary that are valid on a local day, as they were last looked at."""
        return [word for word in self.dictionaries.get(dictionary, ()) if word.valid_on(day)]

    async def look(self) -> None:
        """Read again what is in force, where that is due."""
        if time.monotonic() < self._due:
            return
        async with self._looking:
            if time.monotonic() < self._due:
                return
            with suppress(SQLAlchemyError, OSError):
                await self._read()
            self._due = time.monotonic() + LOOK_EVERY

    def forget(self) -> None:
        """Something was changed here: look at the next request."""
        self._due = 0.0

    async def _read(self) -> None:
        async with self._database.read() as session:
            operating = await load_operating(session, self.operating.installed)
            self.dictionaries = await all_words(session)
        if operating != self.operating:
            self.operating, self._by_day = operating, {}
