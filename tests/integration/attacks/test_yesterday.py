"""A database or a store restored from yesterday: real copies, put back after another day's work."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg
import pytest

from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.errors import Damaged
from tests.attacked import OBJECTS, House, furnish
from tests.servers import Postgres, start_seaweed
from tests.tampering import LocalVandal


async def test_a_sqlite_database_of_yesterday_is_named(local_house: House) -> None:
    house, file = local_house, local_house.directory / "huiyin.db"
    await house.archive.database.close()
    copy = house.directory / "yesterday.db"
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    today = await house.seal()
    await house.sign()
    await house.archive.database.close()
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(copy, file)
    _assert_older(house, today, await house.faults())
    await house.seal()
    with pytest.raises(Damaged, match="does not continue what was signed before"):
        await house.sign()


async def test_a_postgresql_of_yesterday_is_named(server_house: House, postgres: Postgres) -> None:
    """Yesterday's database as a server copies it, under today's S3 store."""
    house = server_house
    await house.archive.database.close()
    name = str(house.archive.database.url.database)
    async with _copied(postgres, name) as old:
        today = await house.seal()
        await house.sign()
        await house.archive.database.close()
        house.archive = Archive(Database(postgres.url(old)), house.archive.store, utc_now)
        _assert_older(house, today, await house.faults())
        await house.seal()
        with pytest.raises(Damaged, match="does not continue what was signed before"):
            await house.sign()
        await house.archive.database.close()


@asynccontextmanager
async def _copied(postgres: Postgres, name: str) -> AsyncIterator[str]:
    server = await asyncpg.connect(host="127.0.0.1", port=postgres.port, user=postgres.user, database="postgres")
    try:
        await server.execute(f"CREATE DATABASE {name}_old TEMPLATE {name}")
        yield f"{name}_old"
        await server.execute(f"DROP DATABASE {name}_old WITH (FORCE)")
    finally:
        await server.close()


def _assert_older(house: House, today: object, found: list[str]) -> None:
    for name in OBJECTS:
        key = f"{house.key(house.first, name)}".replace(str(house.first), str(today))
        assert any(fault.startswith(f"{key}: extra version: expected nothing") for fault in found)
    assert any(": the ledger is shorter than its signed head: expected" in fault for fault in found)


async def test_a_local_store_of_yesterday_is_named(local_house: House) -> None:
    house = local_house
    store, copy = house.directory / "store", house.directory / "yesterday"
    shutil.copytree(store, copy)
    today = await house.seal()
    await house.sign()
    shutil.rmtree(store)
    copy.rename(store)
    _assert_missing(house, today, await house.kinds())


async def test_an_s3_server_of_yesterday_is_named(postgres_database: Database, tmp_path: Path) -> None:
    """The server's whole directory, copied while it was off."""
    with start_seaweed() as server:
        data, copy = server.directory / "data", tmp_path / "yesterday"
        store = connect_store(server.url("evidence"), clock=utc_now)
        await store.prepare()
        house = await furnish(Archive(postgres_database, store, utc_now), LocalVandal(tmp_path), tmp_path)
        server.power.off()
        shutil.copytree(data, copy)
        server.power.on()
        today = await house.seal()
        await house.sign()
        assert await house.faults() == []
        server.power.off()
        shutil.rmtree(data)
        copy.rename(data)
        server.power.on()
        _assert_missing(house, today, await house.kinds())
        await store.close()


def _assert_missing(house: House, today: object, found: list[str]) -> None:
    for name in OBJECTS:
        key = house.key(house.first, name).replace(str(house.first), str(today))
        assert f"{key}: missing" in found
    assert sum(fault.startswith("ledger/heads/") and fault.endswith(": missing") for fault in found) >= 1
