"""The ledger: in a line whoever writes, and nothing in it can be changed unseen."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from core import ledger
from core.database import Database
from core.errors import Damaged
from core.ledger import Entry, LedgerHead, LedgerRow
from core.merkle import Frontier, leaf_hash

NOW = datetime(2026, 11, 22, 4, 0, 0, 120, tzinfo=UTC)


async def fill(database: Database, number: int = 5) -> None:
    async with database.write() as session:
        for n in range(number):
            entry = Entry("sealed", "system", f"recording-{n}", {"sha256": "0" * 64, "n": n, "说明": "回音"})
            assert await ledger.append(session, entry, NOW + timedelta(seconds=n)) == n


async def check(database: Database) -> Frontier:
    async with database.read() as session:
        return await ledger.check(session)


async def tamper(database: Database, *statements: Any) -> None:
    async with database.write() as session:
        for statement in statements:
            await session.execute(statement)


async def test_an_empty_ledger_is_whole(database: Database) -> None:
    assert (await check(database)).size == 0


async def test_rows_lead_from_head_to_head(database: Database) -> None:
    await fill(database)
    tree = await check(database)
    async with database.read() as session:
        rows: Sequence[LedgerRow] = (await session.scalars(select(LedgerRow).order_by(LedgerRow.seq))).all()
    expected = Frontier()
    for row in rows:
        expected = expected.append(leaf_hash(row.leaf.encode()))
        assert row.root == expected.root
    assert tree == expected
    assert rows[0].leaf == (
        '{"actor":"system","at":"2026-11-22T04:00:00.000120+00:00",'
        f'"facts":{{"n":0,"sha256":"{"0" * 64}","说明":"回音"}},"kind":"sealed","seq":0,"subject":"recording-0"}}'
    )


async def test_several_rows_of_one_moment_are_as_good_as_one_by_one(database: Database) -> None:
    await fill(database, 3)
    entries = [Entry("disposed", "system", f"recording-{number}", {"n": number}) for number in range(300)]
    async with database.write() as session:
        assert await ledger.append_all(session, entries, NOW) == 3
        assert await ledger.append_all(session, (), NOW) == 303
        assert await ledger.append(session, entries[0], NOW) == 303
    assert (await check(database)).size == 304
    async with database.read() as session:
        subjects = (await session.scalars(select(LedgerRow.subject).order_by(LedgerRow.seq))).all()
    assert subjects[3:] == [*(f"recording-{number}" for number in range(300)), "recording-0"]


async def test_what_is_rolled_back_was_never_there(database: Database) -> None:
    async def broken() -> None:
        async with database.write() as session:
            await ledger.append(session, Entry("read", "a", "b", {}), NOW)
            raise RuntimeError("power cut")

    await fill(database)
    with pytest.raises(RuntimeError):
        await broken()
    assert (await check(database)).size == 5


async def test_writers_at_once_stand_in_a_line(database: Database) -> None:
    async def write(n: int) -> int:
        async with database.write() as session:
            await asyncio.sleep(0)
            return await ledger.append(session, Entry("read", f"actor{n}", "x", {}), NOW)

    assert sorted(await asyncio.gather(*(write(n) for n in range(12)))) == list(range(12))
    assert (await check(database)).size == 12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (update(LedgerRow).where(LedgerRow.seq == 2).values(leaf='{"seq":2}'), "row was altered .*seq=2"),
        (update(LedgerRow).where(LedgerRow.seq == 2).values(root=bytes(32)), "row was altered .*seq=2"),
        (delete(LedgerRow).where(LedgerRow.seq == 2), "row is missing .*expected_seq=2, found_seq=3"),
        (delete(LedgerRow).where(LedgerRow.seq == 4), "cut short .*expected_size=5, found_size=4"),
        (delete(LedgerRow), "cut short .*expected_size=5, found_size=0"),
        (update(LedgerRow).where(LedgerRow.seq == 1).values(actor="someone"), "columns disagree .*seq=1"),
        (update(LedgerRow).where(LedgerRow.seq == 1).values(kind="read"), "columns disagree .*seq=1"),
        (update(LedgerRow).where(LedgerRow.seq == 1).values(subject="x"), "columns disagree .*seq=1"),
        (update(LedgerRow).where(LedgerRow.seq == 1).values(at=NOW - timedelta(days=1)), "columns disagree .*seq=1"),
        (update(LedgerHead).values(frontier=bytes(64)), "cut short"),
        (delete(LedgerHead), "cut short .*expected_size=0, found_size=5"),
    ],
)
async def test_every_change_is_found_and_named(database: Database, change: Any, said: str) -> None:
    await fill(database)
    await tamper(database, change)
    with pytest.raises(Damaged, match=said):
        await check(database)


async def test_rows_in_another_order_are_found(database: Database) -> None:
    await fill(database)
    await tamper(
        database,
        text("UPDATE ledger SET seq = -1 WHERE seq = 1"),
        text("UPDATE ledger SET seq = 1 WHERE seq = 2"),
        text("UPDATE ledger SET seq = 2 WHERE seq = -1"),
    )
    with pytest.raises(Damaged, match=r"altered .*seq=1"):
        await check(database)


async def test_what_is_not_json_is_not_written(database: Database) -> None:
    for facts in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((ValueError, TypeError)):
            async with database.write() as session:
                await ledger.append(session, Entry("read", "a", "b", facts), NOW)
    assert (await check(database)).size == 0
