"""From an empty database to head, on both databases: the head equals the models, and running again changes nothing."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, bindparam, inspect, select, text

from core.database import Database, UtcDateTime
from core.settings import Settings
from service.migrate import METADATA, TABLE_MODULES, configuration, differences, migrate
from tests.integration.kept import NOON, open_house
from tests.tables import import_all
from workorders.orders import SOLVED, WorkOrder


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
    assert {*METADATA.tables, "spoken"} <= set(tables)


async def test_two_processes_migrate_at_once(empty: Settings) -> None:
    await asyncio.gather(*(asyncio.to_thread(lambda: asyncio.run(migrate(empty))) for _ in range(2)))
    database = Database(empty.database)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_recordings_of_before_are_found_by_person_too(empty: Settings) -> None:
    """Revision 0013 writes down who the numbers of every recording stand for."""

    def go(connection: Connection, revision: str) -> None:
        command.upgrade(configuration(connection), revision)

    database, values = Database(empty.database), {"number": "+86 138-0000-0101", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    columns = (
        "sip_call_id, duration_ms, agent_name, citizen_name, work_order, interrupted, flags, facts, text_state, "
        "text_error, text_version, held, life, started_at, ended_at, sealed_at, retain_until"
    )
    row = "'x', 1, '', '', '', false, '[]', '{}', 'done', '', 1, false, 'kept', :at, :at, :at, :at"
    insert = f"INSERT INTO recordings (id, agent_number, citizen_number, {columns}) VALUES ('{'0' * 32}', '8001', :number, {row})"  # noqa: E501, S608
    async with database.engine.connect() as connection:
        await connection.run_sync(go, "0012")
        await connection.execute(text(insert).bindparams(bindparam("at", type_=UtcDateTime())), values)
        await connection.run_sync(go, "0013")
        found = await connection.execute(text("SELECT agent_person, citizen_person FROM recordings"))
        assert found.one() == ("8001", "13800000101")
    await database.close()


async def test_orders_of_before_know_what_their_calls_said(empty: Settings, tmp_path: Path) -> None:
    """Revision 0028 reads the last clear answer about each order."""
    await migrate(empty)
    database = Database(empty.database)
    house = await open_house(database, tmp_path)
    for number in ("甲1", "甲2"):
        await house.order(number)
    for hours, answer in ((3, "no"), (2, "yes"), (1, "unclear")):
        await house.callback("甲1", {SOLVED: answer}, started_at=NOON - timedelta(hours=hours))
    async with database.engine.connect() as connection:
        await connection.run_sync(lambda plain: command.downgrade(configuration(plain), "0027"))
        await connection.run_sync(lambda plain: command.upgrade(configuration(plain), "0028"))
        await connection.commit()
    async with database.read() as session:
        rows = {row.number: (row.judged, row.judged_at) for row in await session.scalars(select(WorkOrder))}
    assert rows == {"甲1": ("yes", NOON - timedelta(hours=2)), "甲2": ("", None)}
    await database.close()


def test_no_table_is_forgotten() -> None:
    known = set(METADATA.tables)
    assert len(TABLE_MODULES) >= 9
    import_all()
    assert set(METADATA.tables) == known
