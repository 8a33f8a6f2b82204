"""A rebuild from a store that is damaged, too old, or not meant for this database."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from archive import layout
from archive.catalogue import Recording, TurnRow
from archive.heads import HEADS_PREFIX, LEAVES_PREFIX
from archive.house import Archive
from core import ledger
from core.database import Base
from core.errors import Refused
from core.ledger import LedgerRow
from core.note import SigningKey
from service.rebuild import NOT_REBUILT, rebuild
from service.verification import verify
from tests.integration.kept import SETTINGS, House
from tests.integration.test_rebuild import KEY, again, furnish, recording, seal, sign, snapshot
from tests.wiped import wipe


async def test_a_database_with_anything_in_it_is_left_alone(house: House, tmp_path: Path) -> None:
    await seal(house.archive, tmp_path)
    before = await snapshot(house.archive.database)
    with pytest.raises(Refused, match="not empty") as refusal:
        await again(house.archive)
    assert "recordings" in str(refusal.value.facts["tables"])
    assert await snapshot(house.archive.database) == before


async def test_an_empty_store_is_named(house: House) -> None:
    with pytest.raises(Refused, match="no objects"):
        await again(house.archive)


async def test_damage_is_named_and_the_rest_comes_back(house: House, tmp_path: Path) -> None:
    archive = house.archive
    known = await furnish(archive, tmp_path)
    await sign(archive)
    before = await snapshot(archive.database)
    damaged = [await key_of(archive, known["two"], "metadata.json")]
    damaged.append(await key_of(archive, known["corrected"], "transcript.v2.json"))
    for key in damaged:
        await spoil(archive, key)
    await wipe(archive.database)
    state = await again(archive)
    assert {key for key in damaged if any(line.startswith(key) for line in state.losses)} == set(damaged)
    after = await snapshot(archive.database)
    assert {row["id"] for row in after["recordings"]} == {row["id"] for row in before["recordings"]}
    untouched = {known["pending"], known["interrupted"], known["held"]}
    assert [row for row in after["recordings"] if row["id"] in untouched] == [
        row for row in before["recordings"] if row["id"] in untouched
    ]
    corrected = await recording(archive, known["corrected"])
    assert (corrected.text_version, corrected.flags) == (2, ["rebuilt: text lost"])
    async with archive.database.read() as session:
        versions = await session.scalars(select(TurnRow.version).where(TurnRow.recording_id == known["corrected"]))
        assert set(versions) == {1}
    faults = await verify(archive, [KEY.verifier], on_progress=lambda _line: None, settle=0.0)
    assert all(any(key in str(fault) for fault in faults) for key in damaged)


async def key_of(archive: Archive, identifier: UUID, name: str) -> str:
    return layout.recording_prefix(identifier, (await recording(archive, identifier)).started_at) + name


async def spoil(archive: Archive, key: str) -> None:
    """Change one byte of an object's file."""
    async for version in archive.store.list_versions(key):
        path = archive.store.local_path(version.key, version.version_id)
        assert path is not None
        path.chmod(0o600)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))


async def test_without_leaves_the_objects_do(house: House, tmp_path: Path) -> None:
    archive = house.archive
    known = await furnish(archive, tmp_path)
    before = {row["id"]: row for row in (await snapshot(archive.database))["recordings"]}
    await wipe(archive.database)
    state = await again(archive)
    assert not any(line.startswith("recordings/") for line in state.losses)
    for identifier, was in before.items():
        row = await recording(archive, identifier)
        assert "rebuilt: not in the ledger" in row.flags
        assert (row.sip_call_id, row.facts, row.text_version) == (was["sip_call_id"], was["facts"], was["text_version"])
        assert row.retain_until >= was["retain_until"]
        assert row.held == was["held"]
    async with archive.database.read() as session:
        rows = (await session.scalars(select(LedgerRow).where(LedgerRow.subject == str(known["two"])))).all()
        assert {row.kind for row in rows} == {"rebuilt", "suggested"}
        named = [item["key"] for row in rows for item in json.loads(row.leaf)["facts"].get("objects", ())]
    assert any(key.endswith("audio.flac") for key in named)
    assert sum(key.startswith("work-orders/") for key in named) == 2
    assert await verify(archive, [KEY.verifier], on_progress=lambda _line: None, settle=0.0) == []


async def test_events_behind_the_newest_head_are_lost_and_what_they_sealed_is_not(house: House, tmp_path: Path) -> None:
    archive = house.archive
    await furnish(archive, tmp_path)
    size = await sign(archive)
    late = await seal(archive, tmp_path, citizen_number="13800000888")
    await wipe(archive.database)
    assert (await again(archive)).losses == []
    assert "rebuilt: not in the ledger" in (await recording(archive, late)).flags
    async with archive.database.read() as session:
        last = (await session.scalars(select(LedgerRow).order_by(LedgerRow.seq.desc()).limit(1))).one()
        assert (last.kind, last.subject, last.actor) == ("rebuilt", "catalogue", "operator")
        assert json.loads(last.leaf)["facts"]["counts"]["ledger"] == size


@pytest.mark.parametrize("prefix", [LEAVES_PREFIX, HEADS_PREFIX])
async def test_a_spoiled_ledger_object_is_named(house: House, tmp_path: Path, prefix: str) -> None:
    archive = house.archive
    await furnish(archive, tmp_path)
    await sign(archive)
    await spoil(archive, prefix)
    await wipe(archive.database)
    state = await again(archive)
    assert any(prefix in line for line in state.losses)
    async with archive.database.read() as session:
        assert len((await session.scalars(select(Recording.id))).all()) == 5
        await ledger.check(session)


async def test_another_key_is_named(house: House, tmp_path: Path) -> None:
    await seal(house.archive, tmp_path)
    await sign(house.archive)
    await wipe(house.archive.database)
    other = SigningKey.generate("huiyin.example/ledger").verifier
    state = await rebuild(house.archive, SETTINGS, [other], by="operator", tell=lambda _line: None)
    assert any("unknown key" in line for line in state.losses)


def test_every_table_is_either_compared_or_named_as_not_rebuilt() -> None:
    assert {table.name for table in Base.metadata.sorted_tables} >= NOT_REBUILT
