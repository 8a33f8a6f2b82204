"""The databases and houses that tests get are as good as new, although they are used again."""

from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from archive.catalogue import Recording, TurnRow
from archive.connect import connect_store
from archive.house import Archive
from archive.verify import verify_recording
from core.clock import utc_now
from core.database import Database
from core.ledger import LedgerHead
from tests.conftest import create_tables
from tests.kept_databases import KeptDatabases
from tests.servers import Postgres
from tests.web import HOUSES, fill_house


@pytest.mark.parametrize("turn", range(2))
async def test_a_copied_house_is_whole(archive: Archive, tmp_path: Path, turn: int) -> None:
    seeded = await HOUSES.fill(archive, tmp_path)
    assert await verify_recording(archive, seeded.full) == []
    async with archive.database.read() as session:
        last = await session.scalar(select(func.max(TurnRow.id)))
        counts = [await session.scalar(select(func.count()).select_from(table)) for table in (Recording, LedgerHead)]
    assert counts == [3, 1]
    async with archive.database.write() as session:
        row = TurnRow(
            recording_id=seeded.pending, version=1, ordinal=0, party="agent", start_ms=0, end_ms=1, text="好",
            confidence=1.0, overlaps=False, words=[],
        )  # fmt: skip
        session.add(row)
        await session.flush()
        assert last
        assert row.id > last, "the numbers go on behind those that were copied"


async def test_a_house_with_something_in_it_is_filled_in_earnest(archive: Archive, tmp_path: Path) -> None:
    await HOUSES.fill(archive, tmp_path)
    directory = tmp_path / "other"
    directory.mkdir()
    store = connect_store(f"file://{directory / 'store'}", clock=utc_now)
    await store.prepare()
    with pytest.raises(Exception, match=r"(?i)unique"):
        # The same orders and users again: a copy would have overwritten what was there without a word.
        await HOUSES.fill(Archive(archive.database, store, utc_now), directory)
    await store.close()


async def test_an_emptied_database_is_as_a_new_one(postgres: Postgres, tmp_path: Path) -> None:
    kept = KeptDatabases(postgres, create_tables)
    first = await kept.fresh()
    await _use(first, tmp_path / "a", "SELECT 1")
    assert await kept.fresh() == first
    assert await _use(first, tmp_path / "b", "ALTER TABLE drafts ADD COLUMN odd integer") == [3, 1]
    assert await kept.fresh() != first


async def _use(url: str, directory: Path, then: str) -> list[int | None]:
    """Fill it with new work, leave a connection open, and tell how much is in it."""
    directory.mkdir()
    database = Database(url)
    store = connect_store(f"file://{directory / 'store'}", clock=utc_now)
    await store.prepare()
    await fill_house(Archive(database, store, utc_now), directory)
    async with database.write() as session:
        await session.execute(text(then))
    async with database.read() as session:
        found = [await session.scalar(select(func.count()).select_from(table)) for table in (Recording, LedgerHead)]
    await store.close()
    await database.close()
    return found
