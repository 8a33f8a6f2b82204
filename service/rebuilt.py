"""Processes that work on the catalogue wait, and say so, while it is being rebuilt from the store.

The recorder does not wait: it records, and what it would write into the database waits as it does when that is away.
"""

import asyncio
import logging
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from core.database import Database
from core.rebuilding import is_rebuilding

log = logging.getLogger(__name__)

LOOK_SECONDS, TELL_EVERY = 2.0, 30


async def until_rebuilt(database: Database, stopping: asyncio.Event) -> None:
    """Return once no rebuild runs or waits to be finished, or when told to stop.  A database that does not answer, or
    that has no tables yet, has no rebuild either: whoever works on it finds out by himself."""
    looks = 0
    while not stopping.is_set() and await _is_rebuilding(database):
        if looks % TELL_EVERY == 0:
            log.warning("waiting: the database is being rebuilt, or `huiyin rebuild` was interrupted and must go on")
        looks += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)


async def _is_rebuilding(database: Database) -> bool:
    try:
        async with database.read() as session:
            return await is_rebuilding(session)
    except (SQLAlchemyError, OSError):
        return False
