"""A house that is filled once in a process and copied from then on: the same rows and files in a tenth of the time.

Only a house that nothing was put into yet is filled by copying, and only one whose clock shows the present.
"""

import shutil
import sqlite3
import tempfile
from atexit import register
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Generic, TypeVar

import asyncpg

from archive.house import Archive
from archive.local import LocalStore
from core.clock import utc_now
from core.database import Database

T = TypeVar("T")
Counts = Mapping[str, int]
A_WHILE = timedelta(minutes=1)


@dataclass(frozen=True)
class Original(Generic[T]):
    """What an empty house had in its tables, what is in them and beside them now, and what filling it answered."""

    empty: Counts
    rows: Any
    files: Path
    answer: T


class Copies(Generic[T]):
    """Fills houses with ``fill``, whose answer is the same for all of them: one original for each kind of database."""

    def __init__(self, fill: Callable[[Archive, Path], Awaitable[T]]) -> None:
        self._fill = fill
        self._originals: dict[bool, Original[T]] = {}

    async def fill(self, archive: Archive, directory: Path) -> T:
        """As the function would: ``directory`` gets the files that it leaves there."""
        store, today = archive.store, abs(archive.clock() - utc_now()) < A_WHILE
        if not isinstance(store, LocalStore) or not today or directory not in store.root.parents:
            return await self._fill(archive, directory)
        rows = (_SqliteRows if archive.database.is_sqlite else _PostgresRows)(archive.database)
        empty, beside = await rows.counts(), {path.name for path in directory.iterdir()}
        kind = archive.database.is_sqlite
        original = self._originals.get(kind)
        if original is None or original.empty != empty:
            answer = await self._fill(archive, directory)
            if original is None:
                kept = Path(tempfile.mkdtemp(dir=_kept_directory()))
                _copy_tree(directory, kept / "files", {each for each in beside if each != store.root.name})
                self._originals[kind] = Original(empty, await rows.take(kept / "rows"), kept / "files", answer)
            return answer
        _copy_tree(original.files, directory, set())
        await rows.put(original.rows)
        return original.answer


@cache
def _kept_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="huiyin-copied-"))
    register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _copy_tree(source: Path, target: Path, without: set[str]) -> None:
    shutil.copytree(
        source, target, dirs_exist_ok=True, ignore=lambda folder, _: without if folder == str(source) else set()
    )


class _SqliteRows:
    def __init__(self, database: Database) -> None:
        self._path = database.url.database or ""

    async def counts(self) -> Counts:
        with closing(sqlite3.connect(self._path)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return {
                name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
                for (name,) in names
            }

    async def take(self, kept: Path) -> Path:
        self._copy(Path(self._path), kept)
        return kept

    async def put(self, rows: Path) -> None:
        self._copy(rows, Path(self._path))

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)


class _PostgresRows:
    """Table by table as PostgreSQL itself writes them, with the sequences behind their numbers."""

    def __init__(self, database: Database) -> None:
        url = database.url
        self._where = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}

    async def counts(self) -> Counts:
        connection = await asyncpg.connect(**self._where)
        try:
            names = [row["tablename"] for row in await connection.fetch(_TABLES)]
            counted = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for name in names)  # noqa: S608
            return {row[0]: row[1] for row in await connection.fetch(counted)}
        finally:
            await connection.close()

    async def take(self, _kept: Path) -> tuple[Mapping[str, tuple[list[str], bytes]], Mapping[str, int]]:
        connection = await asyncpg.connect(**self._where)
        try:
            rows: dict[str, tuple[list[str], bytes]] = {}
            for name in [row["tablename"] for row in await connection.fetch(_TABLES)]:
                columns = [row["column_name"] for row in await connection.fetch(_COLUMNS, name)]
                content = BytesIO()
                await connection.copy_from_table(name, columns=columns, output=content, format="binary")
                rows[name] = columns, content.getvalue()
            sequences = await connection.fetch("SELECT sequencename, last_value FROM pg_sequences")
            return rows, {name: last for name, last in sequences if last is not None}
        finally:
            await connection.close()

    async def put(self, taken: tuple[Mapping[str, tuple[list[str], bytes]], Mapping[str, int]]) -> None:
        rows, sequences = taken
        connection = await asyncpg.connect(**self._where)
        try:
            async with connection.transaction():
                # Parents come after children here and there: keys are looked at where the original was filled.
                await connection.execute("SET LOCAL session_replication_role = replica")
                for name, (columns, content) in rows.items():
                    if len(content) > _NO_ROWS:
                        await connection.execute(f'DELETE FROM "{name}"')  # noqa: S608
                        source = BytesIO(content)
                        await connection.copy_to_table(name, columns=columns, source=source, format="binary")
                for name, last in sequences.items():
                    await connection.execute("SELECT setval($1::text::regclass, $2)", name, last)
        finally:
            await connection.close()


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_COLUMNS = (
    "SELECT column_name FROM information_schema.columns"
    " WHERE table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position"
)
# The length of a binary copy of nothing: signature, flags, length of the extension, trailer.
_NO_ROWS = 21
