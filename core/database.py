"""The database session, on SQLite (WAL) and PostgreSQL.

``Database.read()`` and ``Database.write()`` are the only ways to a session.  On SQLite a writing transaction begins
IMMEDIATE, so that two writers queue at the start instead of failing in the middle (a deferred transaction that has
read cannot be upgraded once another writer has committed).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import DateTime, Dialect, MetaData, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from core.errors import Unavailable

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


# A host that swallows packets must not hold up whoever only wants to know that the database is away.
CONNECT_SECONDS = 10.0
# A connection that was used so lately is taken to be alive unless it was seen to close.
IDLE_SECONDS = 1.0
USED = "huiyin_used"


class Base(DeclarativeBase):
    """Every package keeps its tables beside its code, all on this one metadata; foreign keys go by name."""

    metadata = MetaData(naming_convention=NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment.  SQLite would drop the zone even with ``DateTime(timezone=True)``."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment in time must carry its zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """An engine and the two kinds of session on it.  Nothing connects before the first session."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        idle_seconds: float = IDLE_SECONDS,
        before_write: Callable[[AsyncSession], Awaitable[None]] | None = None,
    ) -> None:
        """``before_write`` begins each writing transaction, and may refuse it."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {}
        if not self.is_sqlite:
            connect = {"async_creator_fn": _connect_postgres, "timeout": CONNECT_SECONDS}
            options = {"pool_size": pool_size, "connect_args": connect}
        self.engine: AsyncEngine = create_async_engine(self.url, **options)
        self._writing = self.engine.execution_options(huiyin_write=True)
        self._before_write = before_write
        # SQLite lets one write at a time, and whoever waits there polls, unfairly, until the time is up: writers of one
        # process wait in line here instead.
        self._line: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine.sync_engine, "checkout", partial(_require_alive, idle_seconds))
            event.listen(self.engine.sync_engine, "checkin", _note_use)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; nothing is committed.  On PostgreSQL each statement sees what is committed by then."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """As ``read``, and every statement sees the same state, whatever others commit meanwhile."""
        async with self.read() as session:
            if not self.is_sqlite:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes commit together at the end of the block, or not at all."""
        async with self._line, AsyncSession(self._writing, expire_on_commit=False) as session, session.begin():
            if self._before_write is not None:
                await self._before_write(session)
            yield session

    async def ping(self) -> None:
        """Raise ``Unavailable`` unless the database answers."""
        try:
            async with self.engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except (DBAPIError, OSError) as error:
            raise Unavailable("the database does not answer", database=self.describe()) from error

    def describe(self) -> str:
        """The address without its password, fit for logs."""
        return self.url.render_as_string(hide_password=True)

    async def close(self) -> None:
        """Return every connection."""
        await self.engine.dispose()


async def _connect_postgres(*arguments: Any, **options: Any) -> Any:
    """A server that starts, stops or is full refuses in errors that SQLAlchemy does not wrap: name them one way."""
    try:
        return await asyncpg.connect(*arguments, **options)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[USED] = time.monotonic()


def _require_alive(idle_seconds: float, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Ask a connection that lay idle before it is used again: the server may have started anew meanwhile.  Asking
    each time (`pool_pre_ping`) takes three round trips, as many as a lookup itself."""
    used = record.info.get(USED)
    if used is None:
        return
    closed = connection.driver_connection.is_closed()
    if not closed and time.monotonic() - used < idle_seconds:
        return
    try:
        if not closed:
            connection.ping()
            return
    except (AsyncAdapt_asyncpg_dbapi.Error, asyncpg.InterfaceError, OSError):
        pass  # the pool connects anew
    raise InvalidatePoolError


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: `_begin_sqlite` decides how they begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=15000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("huiyin_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
