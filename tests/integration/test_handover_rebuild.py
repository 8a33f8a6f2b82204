"""Exports and their receipts come back from the store alone: who took what, when, which bag, who signed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from archive.catalogue import StoredObject
from archive.heads import sign_head
from core.clock import utc_now
from core.errors import Refused
from core.settings import Settings
from retention.handover.begin import record_export
from retention.handover.copies import bag_file, remove_expired
from retention.handover.receipts import NewReceipt, record_receipt
from retention.handover.scope import Scope
from retention.handover.tables import Export, Receipt
from service.rebuild import NOT_REBUILT, rebuild
from service.rebuild_state import State
from tests.bags import verify
from tests.integration.kept import SETTINGS as PLAIN
from tests.integration.kept import House
from tests.integration.test_handover_copies import KEY, ask_for, dispose, exported, write
from tests.integration.test_rebuild import snapshot
from tests.wiped import wipe

TABLES = ("exports", "export_items", "export_receipts", "disposals")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(PLAIN, data_dir=tmp_path / "data", export_days=30)


async def sign_for(house: House, tag_manifest: str, paper: Path | None) -> Receipt:
    new = NewReceipt(tag_manifest, "甲方 档案室", house.clock.now - timedelta(hours=1), paper)
    return await record_receipt(house.archive, new, by="anna", retain_until=utc_now() + timedelta(days=2000))


async def lose_the_database(house: House) -> None:
    await sign_head(house.archive, KEY, retain_until=house.clock.now + timedelta(days=2000))
    await wipe(house.archive.database)


async def again(house: House) -> State:
    return await rebuild(house.archive, PLAIN, [KEY.verifier], by="operator", tell=lambda _line: None)


async def test_every_export_and_receipt(house: House, settings: Settings, tmp_path: Path) -> None:
    assert not NOT_REBUILT & set(TABLES)
    gone, _ = await house.seal(), await house.seal(work_order="G-1")
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"%PDF-1.7 signed")
    expired = await ask_for(house, settings, Scope("all"))
    await write(house, settings, expired)
    house.clock.now += timedelta(days=31)
    await remove_expired(house.archive, settings, now=house.clock.now)
    given = await ask_for(house, settings, Scope("order", name="G-1"), here=False)
    bag = await write(house, settings, given, tmp_path / "given")
    await sign_for(house, bag.tag_manifest, None)
    await sign_for(house, bag.tag_manifest, paper)
    await dispose(house, settings, gone)
    ours = await ask_for(house, settings, Scope("all"))
    await write(house, settings, ours)
    begun = await ask_for(house, settings, Scope("all"))
    await record_export(house.archive, begun, retain_until=utc_now() + timedelta(days=2000))
    before = await snapshot(house.archive.database)
    assert [len(before[table]) for table in TABLES] == [4, 5, 2, 1]
    await lose_the_database(house)
    state = await again(house)
    assert state.losses == []
    assert state.counts["exports"] == 4
    after = await snapshot(house.archive.database)
    for table in TABLES:
        assert after[table] == before[table], table


async def test_life_goes_on_after_a_rebuild(house: House, settings: Settings) -> None:
    """A bag that is here can be fetched and expires; one that was begun is written to its end."""
    await house.seal()
    ours, begun = await ask_for(house, settings, Scope("all")), await ask_for(house, settings, Scope("all"))
    await write(house, settings, ours)
    await record_export(house.archive, begun, retain_until=utc_now() + timedelta(days=2000))
    await lose_the_database(house)
    await again(house)
    assert verify(bag_file(settings, ours), None)[0] == 3
    assert (await write(house, settings, begun)).path.exists()
    assert (await exported(house, begun)).state == "done"
    house.clock.now += timedelta(days=31)
    swept = await remove_expired(house.archive, settings, now=house.clock.now)
    assert set(swept.removed) == {ours, begun}
    assert not list(settings.exports.iterdir())
    with pytest.raises(Refused, match="removed"):
        await write(house, settings, ours)


async def test_a_list_that_is_lost_is_named(house: House, settings: Settings, tmp_path: Path) -> None:
    await house.seal()
    export = await ask_for(house, settings, Scope("all"))
    await record_export(house.archive, export, retain_until=utc_now() + timedelta(days=2000))
    async with house.archive.database.read() as session:
        stored = await session.scalar(select(StoredObject).where(StoredObject.key.endswith("/recordings.txt")))
    assert stored
    data = house.archive.store.local_path(stored.key, stored.version_id)
    assert data
    await lose_the_database(house)
    data.chmod(0o644)
    data.write_bytes(str(UUID(int=1)).encode() + b"\n")
    state = await again(house)
    assert any("recordings.txt" in loss or str(export) in loss for loss in state.losses)
    async with house.archive.database.read() as session:
        assert await session.get(Export, export) is None
