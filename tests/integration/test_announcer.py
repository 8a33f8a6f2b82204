"""Calls told to the catalogue: many in one transaction, in order, and later when the database is away."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, text

from archive.catalogue import SIGNALLED, Call
from archive.house import Archive
from core.database import Database
from core.ids import new_id
from service.announcer import MOST_AT_ONCE, Announcer
from telephony.call import CLOSED, CallFacts
from tests.spools import STARTED


def begun(number: int) -> CallFacts:
    return CallFacts(new_id(), f"call-{number}@example.invalid", STARTED)


def ended(facts: CallFacts) -> CallFacts:
    return replace(facts, state=CLOSED, end_reason="bye", work_order="GD-1", ended_at=STARTED + timedelta(minutes=1))


async def rows(database: Database) -> dict[str, Call]:
    async with database.read() as session:
        return {row.sip_call_id: row for row in await session.scalars(select(Call))}


async def test_more_calls_than_fit_into_a_transaction_all_arrive(archive: Archive) -> None:
    calls = [begun(number) for number in range(2 * MOST_AT_ONCE + 1)]
    async with Announcer(archive).running() as announcer:
        for facts in calls:
            announcer.started(facts)
        # Some end before their beginning was written.
        announcer.finished(ended(calls[0]), Path())
    found = await rows(archive.database)
    assert len(found) == len(calls)
    first, last = found["call-0@example.invalid"], found[calls[-1].sip_call_id]
    assert (first.note, first.work_order, first.ended_at) == ("bye", "GD-1", STARTED + timedelta(minutes=1))
    assert (last.id, last.state, last.started_at, last.ended_at) == (calls[-1].recording_id, SIGNALLED, STARTED, None)


async def test_an_end_is_added_to_the_row_of_the_beginning(archive: Archive) -> None:
    facts = begun(1)
    async with Announcer(archive).running() as announcer:
        announcer.started(facts)
        async with asyncio.timeout(240):
            while not await rows(archive.database):  # noqa: ASYNC110 - the database is what is waited for
                await asyncio.sleep(0.02)
        announcer.finished(ended(facts), Path())
    (row,) = (await rows(archive.database)).values()
    assert (row.id, row.note) == (facts.recording_id, "bye")


async def test_what_the_database_refuses_waits(archive: Archive) -> None:
    facts = begun(1)
    async with archive.database.write() as session:
        await session.execute(text("ALTER TABLE calls RENAME TO away"))
    announcer = Announcer(archive)
    async with announcer.running():
        announcer.started(facts)
    # The database was away to the end: nothing is forgotten, and another run of the writer tells it.
    async with archive.database.write() as session:
        await session.execute(text("ALTER TABLE away RENAME TO calls"))
    async with announcer.running():
        pass
    assert [row.id for row in (await rows(archive.database)).values()] == [facts.recording_id]
