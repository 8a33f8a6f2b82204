"""Verification of many small objects: its memory must not grow with their number.

The store is computed (each object is its own key), catalogue and ledger are real rows on SQLite.
"""

import asyncio
import hashlib
import multiprocessing
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key, trusted_keys
from archive.local import LocalStore
from archive.seal import object_facts
from archive.store import Version
from benchmarks.memory import peak_megabytes
from core.clock import utc_now
from core.database import Database
from core.errors import NotFound
from core.ids import new_id
from core.ledger import Entry, append_all
from core.settings import load
from service.migrate import migrate
from service.verification import verify

CHUNK = 10_000
# As many in one directory as a house has orders.
PREFIX = "work-orders"
LOCKED = timedelta(days=900)


class ComputedStore(LocalStore):
    """``count`` objects that are nowhere, beside what really lies in a local store."""

    def __init__(self, root: Path, count: int, until: datetime) -> None:
        super().__init__(root)
        self._count, self._until = count, until

    async def list_versions(self, prefix: str) -> AsyncIterator[Version]:
        async for version in super().list_versions(prefix):
            yield version
        if f"{PREFIX}/".startswith(prefix):
            for number in range(self._count):
                yield self._version(key_of(number))

    async def head(self, key: str, version_id: str) -> Version:
        return self._version(key) if key.startswith(PREFIX) else await super().head(key, version_id)

    async def read(
        self, key: str, version_id: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        if key.startswith(PREFIX):
            yield key.encode()
            return
        async for chunk in super().read(key, version_id, start=start, length=length):
            yield chunk

    async def versions_of(self, key: str) -> list[Version]:
        return [self._version(key)] if key.startswith(PREFIX) else await super().versions_of(key)

    def local_path(self, key: str, version_id: str) -> Path | None:
        return None

    def _version(self, key: str) -> Version:
        if int(key.rpartition("/")[2]) >= self._count:
            raise NotFound("no such version", key=key)
        return Version(key, "v1", len(key), sha256_of(key), self._until)


def key_of(number: int) -> str:
    return f"{PREFIX}/{number:09d}"


def sha256_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


async def prepare(directory: Path, first: int, count: int, until: datetime) -> None:
    """Rows of catalogue and ledger for objects ``first`` to ``count``."""
    settings = load({"HUIYIN_DATA_DIR": str(directory)})
    await migrate(settings)
    ensure_ledger_key(settings)
    database = Database(settings.database)
    event.listen(database.engine.sync_engine, "connect", _do_not_sync)
    for start in range(first, count, CHUNK):
        rows = [_row(number, until) for number in range(start, min(count, start + CHUNK))]
        entries = [
            Entry("linked", "benchmark", str(row["id"]), {"objects": [object_facts(StoredObject(**row))]})
            for row in rows
        ]
        async with database.write() as session:
            await session.execute(insert(StoredObject), rows)
            await append_all(session, entries, utc_now())
    await database.close()


def _row(number: int, until: datetime) -> dict[str, Any]:
    key = key_of(number)
    return {
        "id": new_id(), "recording_id": None, "kind": "link", "key": key, "version_id": "v1", "size": len(key),
        "sha256": sha256_of(key), "lock_until": until, "created_at": utc_now(),
    }  # fmt: skip


def _do_not_sync(connection: Any, _record: object) -> None:
    connection.cursor().execute("PRAGMA synchronous = OFF")


def verify_all(directory: Path, count: int, until: datetime) -> tuple[float, float]:
    """Seconds, and the process's peak memory in MB."""

    async def run() -> float:
        settings = load({"HUIYIN_DATA_DIR": str(directory)})
        store = ComputedStore(directory / "store", count, until)
        await store.prepare()
        archive = Archive(Database(settings.database), store, utc_now)
        began = time.perf_counter()
        faults = await verify(archive, trusted_keys(settings), on_progress=lambda _: None)
        took = time.perf_counter() - began
        await archive.store.close()
        await archive.database.close()
        assert not faults, faults[:3]
        return took

    return asyncio.run(run()), peak_megabytes()


async def many_objects(directory: Path, count: int) -> float:
    """The peak with all of them; with a quarter of them it is shown beside it."""
    directory.mkdir()
    until = (utc_now() + LOCKED).replace(microsecond=0)
    few, peaks, seconds = count // 4, list[float](), 0.0
    for first, last in ((0, few), (few, count)):
        await prepare(directory, first, last, until)
        with multiprocessing.get_context("spawn").Pool(1) as processes:
            seconds, peak = await asyncio.to_thread(processes.apply, verify_all, (directory, last, until))
        peaks.append(peak)
    print(
        f"verification of {count:,} small objects: {count / seconds:,.0f}/s; peak {peaks[0]:.0f} MB with a quarter of "
        f"them, {peaks[1]:.0f} MB with all",
        flush=True,
    )
    return peaks[1]
