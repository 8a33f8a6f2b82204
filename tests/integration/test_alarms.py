"""Alerts in the database: raised, renewed, cleared, and kept in mind while the database is away."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.alerts import BACKLOG, DATABASE_AWAY, SPOOL_FULL, TWO_RECORDERS, Alert, standing
from core.database import Database
from core.heartbeats import Heartbeat, newest
from service.alarms import Alarms
from service.heartbeat import REFUSED, REFUSED_SHOWN_FOR, beating, report_second
from tests.ports import free_port

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Clock:
    """Goes on by a second with every look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


async def _write(database: Database, alarms: Alarms) -> None:
    async with database.write() as session:
        written = await alarms.write(session)
    alarms.written(written)


async def _row(database: Database, name: str, alarms: Alarms) -> Alert:
    async with database.read() as session:
        found = await session.get(Alert, (name, alarms.process, alarms.host))
    assert found is not None
    return found


async def test_an_alert_stands_until_it_is_cleared_and_may_come_again(database: Database) -> None:
    clock = Clock()
    alarms = Alarms("recorder", clock, host="recorder-1")
    alarms.hold(SPOOL_FULL, {"free_mb": 3})
    await _write(database, alarms)
    alarms.hold(SPOOL_FULL, {"free_mb": 2})
    await _write(database, alarms)
    row = await _row(database, SPOOL_FULL, alarms)
    assert (row.since, row.facts, row.cleared_at) == (START + timedelta(seconds=1), {"free_mb": 2}, None)
    assert row.seen_at > row.since
    async with database.read() as session:
        assert [alert.name for alert in await standing(session)] == [SPOOL_FULL]
    alarms.hold(SPOOL_FULL, None)
    await _write(database, alarms)
    cleared = await _row(database, SPOOL_FULL, alarms)
    assert cleared.cleared_at is not None
    async with database.read() as session:
        assert await standing(session) == []
    alarms.hold(SPOOL_FULL, {"free_mb": 1})
    await _write(database, alarms)
    again = await _row(database, SPOOL_FULL, alarms)
    assert (again.since > cleared.cleared_at, again.cleared_at) == (True, None)


async def test_the_log_says_each_change_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    alarms = Alarms("sealer", Clock())
    for minutes in (10, 11, 12):
        alarms.hold(BACKLOG, {"minutes": minutes})
    for _ in range(3):
        alarms.hold(BACKLOG, None)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "alert"),
        ("WARNING", "alert over"),
    ]


async def test_what_came_and_went_while_the_database_was_away_is_written_later(database: Database) -> None:
    clock = Clock()
    alarms = Alarms("recorder", clock, host="recorder-1")
    alarms.hold(DATABASE_AWAY, {"error": "ConnectionRefusedError"})
    alarms.hold(DATABASE_AWAY, None)
    alarms.hold(SPOOL_FULL, {"free_mb": 0})
    await _write(database, alarms)
    row = await _row(database, DATABASE_AWAY, alarms)
    assert row.cleared_at is not None
    assert row.cleared_at - row.since == timedelta(seconds=1)
    assert alarms.standing == (SPOOL_FULL,)


async def test_a_restart_clears_what_no_longer_stands_and_only_its_own(database: Database) -> None:
    clock = Clock()
    for process, host in (("recorder", "recorder-1"), ("recorder", "recorder-2"), ("sealer", "recorder-1")):
        alarms = Alarms(process, clock, host=host)
        alarms.hold(SPOOL_FULL, {})
        await _write(database, alarms)
    reborn = Alarms("recorder", clock, host="recorder-1")
    await _write(database, reborn)
    async with database.read() as session:
        left = [(alert.process, alert.host) for alert in await standing(session)]
    assert sorted(left) == [("recorder", "recorder-2"), ("sealer", "recorder-1")]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(240):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


async def test_a_heart_beats_with_figures_and_alerts(database: Database) -> None:
    clock = Clock()
    alarms = Alarms("recorder", clock, host="recorder-1")
    async with beating(database, "recorder", clock, alarms, lambda: {"calls": 12}):
        alarms.hold(SPOOL_FULL, {"free_mb": 3})
        async with asyncio.timeout(240):
            while True:
                async with database.read() as session:
                    beat = (await newest(session)).get(("recorder", "recorder-1"))
                    names = [alert.name for alert in await standing(session)]
                if beat is not None and names:
                    break
                await asyncio.sleep(0.05)
    assert (beat.facts, names) == ({"calls": 12}, [SPOOL_FULL])


async def test_a_database_that_is_away_is_an_alert_and_stops_no_heart(tmp_path: Path) -> None:
    nowhere = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none")
    alarms = Alarms("recorder", Clock())
    async with beating(nowhere, "recorder", Clock(), alarms):
        await until(lambda: alarms.standing == (DATABASE_AWAY,))
    await nowhere.close()


async def test_a_refused_recorder_is_reported_until_no_attempt_is_seen(database: Database, tmp_path: Path) -> None:
    await report_second(database, START, tmp_path)
    late = Clock()
    late.now = START + REFUSED_SHOWN_FOR
    async with database.read() as session:
        assert [(alert.name, alert.process) for alert in await standing(session)] == [(TWO_RECORDERS, REFUSED)]
    async with beating(database, "recorder", late):
        async with asyncio.timeout(240):
            while True:
                async with database.read() as session:
                    if not await standing(session):
                        break
                await asyncio.sleep(0.05)


async def test_forgotten_processes_make_room(database: Database) -> None:
    clock = Clock()
    alarms = Alarms("recorder", clock, host="recorder-1")
    async with database.write() as session:
        for pid, age in ((1, timedelta(days=2)), (2, timedelta(hours=2))):
            session.add(Heartbeat(process="recorder", host="recorder-1", pid=pid, at=START - age, facts={}))
    async with beating(database, "recorder", clock, alarms):
        async with asyncio.timeout(240):
            while True:
                async with database.read() as session:
                    beat = (await newest(session))[("recorder", "recorder-1")]
                    gone = await session.get(Heartbeat, ("recorder", "recorder-1", 1)) is None
                if beat.pid not in (1, 2):
                    break
                await asyncio.sleep(0.05)
    assert gone
