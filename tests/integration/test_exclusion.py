"""A named lock across processes: one holder, none after kill -9, and a holder that learns when it lost it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import Database
from core.errors import Conflict, Unavailable
from core.exclusion import alone, lock_number
from core.ids import new_id
from core.jobs import RUNNING, JobRow
from core.rebuilding import KEY, KIND, Rebuilding, keep_writers_out, refuse_while_rebuilding
from tests.integration.kept import NOON

ROOT = Path(__file__).parents[2]
HOLDER = """
import asyncio, sys
from core.database import Database
from core.exclusion import alone

async def main():
    async with alone(Database(sys.argv[1]), "work"):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


async def test_a_second_is_refused_or_waits(database: Database) -> None:
    other, order, waits = Database(_url(database)), list[str](), asyncio.Event()

    async def second() -> None:
        async with alone(other, "work", waiting=waits.set):
            order.append("second")

    try:
        async with alone(database, "work"):
            with pytest.raises(Conflict):
                async with alone(other, "work"):
                    pass
            async with alone(other, "something else"):
                pass
            task = asyncio.create_task(second())
            await waits.wait()
            order.append("first ends")
        await task
    finally:
        await other.close()
    assert order == ["first ends", "second"]


async def test_whoever_is_killed_holds_nothing(database: Database) -> None:
    child = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", HOLDER, _url(database)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert await asyncio.to_thread(child.stdout.readline) == "held\n"
    with pytest.raises(Conflict):
        async with alone(database, "work"):
            pass
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    async with asyncio.timeout(240), alone(database, "work", waiting=lambda: None) as held:
        await held.confirm()


async def test_a_lock_that_went_with_its_connection_is_not_believed(postgres_database: Database) -> None:
    async with alone(postgres_database, "work") as held:
        async with postgres_database.engine.connect() as connection:
            ended = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
            await connection.execute(ended)
        with pytest.raises(Unavailable, match="lock was lost"):
            await held.confirm()
    async with asyncio.timeout(240), alone(postgres_database, "work", waiting=lambda: None):
        pass


def test_names_have_numbers_of_64_bits() -> None:
    assert lock_number("nightly") != lock_number("rebuild")
    assert all(-(2**63) <= lock_number(name) < 2**63 for name in ("nightly", "rebuild", "writers"))


async def test_nobody_writes_into_a_marked_database(database: Database) -> None:
    guarded = Database(_url(database), before_write=refuse_while_rebuilding)
    try:
        async with guarded.write() as session:
            await session.execute(text("SELECT 1"))
        async with database.write() as session:
            await keep_writers_out(session)
            mark = JobRow(id=new_id(), kind=KIND, key=KEY, payload={}, state=RUNNING, run_after=NOON)
            mark.created_at = NOON
            session.add(mark)
        with pytest.raises(Rebuilding, match="being rebuilt") as refusal:
            async with guarded.write():
                pytest.fail("it wrote")
        # Whoever can wait for a database that is away waits for this one too.
        assert isinstance(refusal.value, OSError)
        async with guarded.read() as session:
            assert await session.get(JobRow, mark.id) is not None
    finally:
        await guarded.close()


async def test_the_mark_waits_for_whoever_writes(postgres_database: Database) -> None:
    guarded, order = Database(_url(postgres_database), before_write=refuse_while_rebuilding), list[str]()

    async def mark() -> None:
        async with postgres_database.write() as session:
            await keep_writers_out(session)
            order.append("marked")

    try:
        async with guarded.write() as session:
            task = asyncio.create_task(mark())
            await _until_somebody_waits(postgres_database)
            await session.execute(text("SELECT 1"))
            order.append("written")
        await task
    finally:
        await guarded.close()
    assert order == ["written", "marked"]


async def _until_somebody_waits(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(240), database.engine.connect() as connection:
        while not await connection.scalar(waiting):  # noqa: ASYNC110 - the server tells no event
            await asyncio.sleep(0.01)
