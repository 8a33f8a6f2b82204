"""One at a time, across processes and hosts: a named lock that ends with whoever holds it, kill -9 included.

PostgreSQL has advisory locks of a session, here on a connection of its own.  SQLite has none: there it is a lock on a
file beside the database, which only the processes of one host can share anyway.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import Database
from core.errors import Conflict, Unavailable

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Alone:
    """The lock, as its holder sees it."""

    name: str
    connection: AsyncConnection | None = None

    async def confirm(self) -> None:
        """``Unavailable`` when the lock was lost with its connection; a file's lock cannot be lost."""
        if self.connection is None:
            return
        try:
            await self.connection.execute(select(1))
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("the lock was lost with its connection; try again", lock=self.name) from error


@asynccontextmanager
async def alone(database: Database, name: str, *, waiting: Callable[[], None] | None = None) -> AsyncIterator[Alone]:
    """Hold the lock ``name`` of this database while the block runs.  While somebody else has it: ``Conflict``, or with
    ``waiting``, which is called once, wait for it."""
    hold = _beside(database, name, waiting) if database.is_sqlite else _advisory(database, name, waiting)
    async with hold as held:
        yield held


@asynccontextmanager
async def _beside(database: Database, name: str, waiting: Callable[[], None] | None) -> AsyncIterator[Alone]:
    path = Path(f"{database.url.database}.{name}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(descriptor):
            waiting = await _wait(name, waiting)
        yield Alone(name)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def _advisory(database: Database, name: str, waiting: Callable[[], None] | None) -> AsyncIterator[Alone]:
    number = lock_number(name)
    while True:
        async with database.engine.connect() as plain:
            # Without a transaction: one that stays open for hours would hold up the cleaning of tables.
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            if await connection.scalar(select(func.pg_try_advisory_lock(number))):
                try:
                    yield Alone(name, connection)
                finally:
                    try:
                        await connection.execute(select(func.pg_advisory_unlock(number)))
                    except (SQLAlchemyError, OSError):
                        await connection.invalidate()  # with its session the lock goes too
                return
        # Whoever waits holds no connection: else those that wait could leave none for the one that works.
        waiting = await _wait(name, waiting)


def lock_number(name: str) -> int:
    """The 64-bit number of PostgreSQL's advisory lock of that name."""
    return int.from_bytes(hashlib.sha256(f"huiyin/{name}".encode()).digest()[:8], signed=True)


async def _wait(name: str, waiting: Callable[[], None] | None) -> Callable[[], None]:
    if waiting is None:
        raise Conflict("另一进程正在做同一件事 / another process is doing this now", what=name)
    waiting()
    await asyncio.sleep(POLL_SECONDS)
    return _silent


def _silent() -> None:
    """Waiting is told once."""
