"""From an empty database to head, on both databases: the head equals the models, and running again changes nothing."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect

from core.database import Database
from core.settings import Settings
from service.migrate import METADATA, TABLE_MODULES, differences, migrate
from tests.tables import import_all


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = "" if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url")
    return replace(Settings(), data_dir=tmp_path, database_url=url)


async def test_head_equals_models(empty: Settings) -> None:
    await migrate(empty)
    await migrate(empty)
    database = Database(empty.database)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        tables = await connection.run_sync(lambda plain: inspect(plain).get_table_names())
    await database.close()
    assert {*METADATA.tables, "turn_search"} <= set(tables)


async def test_two_processes_migrate_at_once(empty: Settings) -> None:
    await asyncio.gather(*(asyncio.to_thread(lambda: asyncio.run(migrate(empty))) for _ in range(2)))
    database = Database(empty.database)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


def test_no_table_is_forgotten() -> None:
    known = set(METADATA.tables)
    assert len(TABLE_MODULES) >= 9
    import_all()
    assert set(METADATA.tables) == known
