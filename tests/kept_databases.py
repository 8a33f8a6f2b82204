"""One PostgreSQL database for many tests, emptied between them: making one takes a third of a second of work.

What a test did to the form of the tables, to rights or to settings is not undone: the next test then gets a new one.
"""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg

from tests.servers import Postgres

# The form of a database: its tables, columns, indexes, constraints, functions, triggers and settings.
_FORM = """
SELECT md5(concat(
  (SELECT string_agg(concat(relname, relkind, relpersistence, reloptions, relacl), ',' ORDER BY oid)
     FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(concat(attrelid, attname, atttypid, attnotnull, attisdropped), ',' ORDER BY attrelid, attnum)
     FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(concat(conrelid, conname, convalidated), ',' ORDER BY oid)
     FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
  (SELECT string_agg(concat(indexrelid, indisvalid), ',' ORDER BY indexrelid) FROM pg_index WHERE indexrelid >= 16384),
  (SELECT string_agg(concat(tgrelid, tgname, tgenabled), ',' ORDER BY oid) FROM pg_trigger),
  (SELECT string_agg(nspname, ',' ORDER BY oid) FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast_temp)'),
  (SELECT string_agg(proname, ',' ORDER BY oid) FROM pg_proc WHERE oid >= 16384),
  (SELECT string_agg(extname, ',' ORDER BY oid) FROM pg_extension),
  (SELECT string_agg(setconfig::text, ',' ORDER BY setdatabase, setrole) FROM pg_db_role_setting),
  (SELECT string_agg(rolname, ',' ORDER BY oid) FROM pg_roles)))
"""
_TABLES = """
SELECT format('%I', relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""
_FIRST_NUMBERS = """
SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""


class KeptDatabases:
    """Hands out a database with every table, as good as new; ``create`` makes the tables of the first."""

    def __init__(self, postgres: Postgres, create: Callable[[str], Awaitable[None]]) -> None:
        self._postgres, self._create = postgres, create
        self._name = self._form = ""

    async def fresh(self) -> str:
        """Its address.  Whoever still had a connection to it loses that."""
        if not self._name or not await self._emptied():
            await self._make()
        return self._postgres.url(self._name)

    async def _make(self) -> None:
        old, self._name = self._name, f"test_{uuid4().hex}"
        connection = await self._connect("postgres")
        try:
            if old:
                await connection.execute(f"DROP DATABASE IF EXISTS {old} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {self._name}")
        finally:
            await connection.close()
        await self._create(self._postgres.url(self._name))
        connection = await self._connect(self._name)
        try:
            self._form = await connection.fetchval(_FORM)
            assert not await _filled(connection), "a new house is empty: what is in it would have to be put back"
        finally:
            await connection.close()

    async def _emptied(self) -> bool:
        """Empty it; False where it is not the one that it was."""
        try:
            connection = await self._connect(self._name)
        except (OSError, asyncpg.PostgresError):
            return False
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if await connection.fetchval(_FORM) != self._form:
                return False
            filled = await _filled(connection)
            if filled:
                await connection.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
            await connection.execute(_FIRST_NUMBERS)
            # What the planner learnt of rows that are gone.
            await connection.execute("DELETE FROM pg_statistic WHERE starelid >= 16384")
            return True
        finally:
            await connection.close()

    async def _connect(self, name: str) -> asyncpg.Connection:
        where = {"host": "127.0.0.1", "port": self._postgres.port, "user": self._postgres.user}
        return await asyncpg.connect(**where, database=name)


async def _filled(connection: asyncpg.Connection) -> list[str]:
    names = [row[0] for row in await connection.fetch(_TABLES)]
    asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608
    return [row[0] for row in await connection.fetch(asked)]
