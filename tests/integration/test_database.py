"""Sessions and effective-dated values, on both databases."""

import asyncio
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import StatementError

from core.database import Database
from core.effective import EffectiveValue, set_value, value_on
from core.errors import Conflict, Unavailable
from tests.ports import LOOPBACK, free_port
from tests.servers import Postgres

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


async def put(database: Database, name: str, day: date, value: object, at: datetime = NOW) -> None:
    async with database.write() as session:
        await set_value(session, name, value, effective_from=day, by="supervisor1", at=at)


async def test_a_value_holds_from_its_day(database: Database) -> None:
    defaults = {"weights": [0.1, 0.5, 0.4]}
    await put(database, "weights", date(2026, 7, 1), [0.2, 0.4, 0.4])
    await put(database, "weights", date(2027, 1, 1), [0.3, 0.3, 0.4])
    async with database.read() as session:
        days = [date(2026, 6, 30), date(2026, 7, 1), date(2026, 12, 31), date(2027, 1, 1)]
        found = [(await value_on(session, "weights", day, defaults))[0] for day in days]
    assert found == [0.1, 0.2, 0.2, 0.3]


async def test_history_is_not_rewritten(database: Database) -> None:
    await put(database, "weights", date(2026, 7, 1), 1)
    with pytest.raises(Conflict):
        await put(database, "weights", date(2026, 7, 1), 2)


async def test_moments_come_back_in_utc(database: Database) -> None:
    beijing = timezone(timedelta(hours=8))
    await put(database, "a", date(2026, 7, 1), 1, datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=beijing))
    async with database.read() as session:
        moment = (await session.scalars(select(EffectiveValue.set_at))).one()
    assert moment == NOW.replace(microsecond=123456)
    assert moment.tzinfo is UTC
    with pytest.raises(StatementError, match="zone"):
        await put(database, "b", date(2026, 7, 1), 1, datetime(2026, 11, 22))


async def test_what_fails_leaves_nothing(database: Database) -> None:
    async def broken() -> None:
        async with database.write() as session:
            await set_value(session, "a", 1, effective_from=date(2026, 1, 1), by="x", at=NOW)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await broken()
    async with database.read() as session:
        assert await value_on(session, "a", date(2026, 2, 1), {"a": 0}) == 0


async def test_writers_that_read_first_do_not_fail_each_other(database: Database) -> None:
    async def write(n: int) -> None:
        async with database.write() as session:
            await session.scalars(select(EffectiveValue))
            await asyncio.sleep(0.01)
            await set_value(session, f"name{n}", n, effective_from=date(2026, 1, 1), by="x", at=NOW)

    await asyncio.gather(*(write(n) for n in range(8)))
    async with database.read() as session:
        assert len((await session.scalars(select(EffectiveValue))).all()) == 8


async def test_a_database_answers_or_is_unavailable(database: Database) -> None:
    await database.ping()
    away = Database(f"postgresql+asyncpg://user:hunter2@{LOOPBACK}:{free_port()}/x")
    with pytest.raises(Unavailable) as caught:
        await away.ping()
    assert "hunter2" not in str(caught.value)
    await away.close()


async def test_writers_of_one_process_wait_in_line(sqlite_database: Database) -> None:
    """SQLite's own waiting is polling: with many writers the unlucky ones would give up."""
    order: list[int] = []

    async def write(number: int) -> None:
        async with sqlite_database.write() as session:
            await set_value(session, f"n{number}", number, effective_from=date(2026, 1, 1), by="x", at=NOW)
            await asyncio.sleep(0.005)
            order.append(number)

    await asyncio.gather(*(write(number) for number in range(30)))
    assert order == list(range(30))


async def _cut_off(database: Database, postgres: Postgres) -> Any:
    """Use a connection of the pool, and let the server end it; returns the driver's."""
    async with database.read() as session:
        connection = await session.connection()
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver
        number, ended = await session.scalar(text("SELECT pg_backend_pid()")), asyncio.Event()
        driver.add_termination_listener(lambda _: ended.set())
    other = await asyncpg.connect(host=LOOPBACK, port=postgres.port, user=postgres.user, database=database.url.database)
    await other.execute("SELECT pg_terminate_backend($1)", number)
    await other.close()
    await ended.wait()
    return driver


async def test_a_connection_that_the_server_ended_is_not_used_again(
    postgres_database: Database, postgres: Postgres
) -> None:
    driver = await _cut_off(postgres_database, postgres)
    assert driver.is_closed()
    async with postgres_database.read() as session:
        assert await session.scalar(text("SELECT 1")) == 1
    async with postgres_database.write() as session:
        assert await session.scalar(text("SELECT 2")) == 2


@pytest.mark.parametrize(("idle_seconds", "asked"), [(0.0, True), (3600.0, False)])
async def test_only_a_connection_that_lay_idle_is_asked_first(
    postgres_url: str, idle_seconds: float, asked: bool
) -> None:
    said: list[str] = []
    database = Database(postgres_url, idle_seconds=idle_seconds)
    async with database.read() as session:
        driver = (await (await session.connection()).get_raw_connection()).driver_connection
        assert driver
        driver.add_query_logger(lambda record: said.append(record.query))
    for _ in range(2):
        async with database.read() as session:
            await session.scalar(text("SELECT 1"))
    await database.close()
    assert "BEGIN;" in said
    assert (";" in said) is asked
