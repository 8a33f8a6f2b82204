"""Objects tampered with in the store; each test names the fault that must be found."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from archive.catalogue import Recording, StoredObject
from archive.store import Version
from core.clock import utc_now
from core.database import Base
from tests.attacked import OBJECTS, House
from tests.samples import RETAIN_UNTIL
from tests.tampering import LocalVandal, ServerVandal, cut_short

DAY = timedelta(days=1)
SHORT = datetime(2027, 1, 1, tzinfo=UTC)


async def test_what_nobody_touched_has_no_fault(house: House) -> None:
    assert await house.faults() == []


@pytest.mark.parametrize("name", OBJECTS)
async def test_one_changed_bit_of_a_recording_is_named(house: House, name: str) -> None:
    before, after = house.vandal.change(house.key(house.first, name))
    assert await house.faults() == [f"{house.key(house.first, name)}: altered: expected {before}, found {after}"]


async def test_one_changed_bit_of_a_link_or_report_is_named(house: House) -> None:
    for key in ("reports/1.html", house.link):
        before, after = house.vandal.change(key)
        assert f"{key}: altered: expected {before}, found {after}" in await house.faults()


async def test_audio_cut_short_is_named_and_hides_nothing_else(house: House) -> None:
    audio, facts = house.key(house.first, "audio.flac"), house.key(house.second, "metadata.json")
    house.vandal.change(audio, cut_short)
    house.vandal.change(facts)
    assert sorted(await house.kinds()) == sorted([f"{audio}: altered", f"{facts}: altered"])


async def test_bytes_swapped_between_recordings_are_named(house: House) -> None:
    one, other = house.key(house.first, "audio.flac"), house.key(house.second, "audio.flac")
    house.vandal.swap(one, other)
    assert sorted(await house.kinds()) == sorted([f"{one}: altered", f"{other}: altered"])


async def test_versions_swapped_between_recordings_are_named(local_house: House) -> None:
    """Only files can be moved under another key with their identifiers."""
    house, vandal = local_house, local_house.vandal
    assert isinstance(vandal, LocalVandal)
    keys = [house.key(each, "audio.flac") for each in (house.first, house.second)]
    one, other = (vandal.place(key) for key in keys)
    one.rename(other.parent / one.name)
    other.rename(one.parent / other.name)
    assert sorted(await house.kinds()) == sorted(
        f"{key}: {kind}" for key in keys for kind in ("missing", "extra version")
    )


async def test_a_forged_recording_with_its_catalogue_contradicts_the_ledger(local_house: House) -> None:
    """Bytes, lock file and catalogue agree with one another again."""
    house, vandal = local_house, local_house.vandal
    assert isinstance(vandal, LocalVandal)
    key = house.key(house.first, "audio.flac")
    before, after = vandal.change(key)
    vandal.rewrite_lock(key, sha256=after)
    async with house.archive.database.write() as session:
        await session.execute(update(StoredObject).where(StoredObject.sha256 == before).values(sha256=after))
    assert await house.faults() == [
        f"{key}: catalogue and ledger disagree: expected {before}, found {after}",
        f"{key}: altered: expected {before}, found {after}",
    ]


async def test_an_object_that_nobody_sealed_is_named(house: House) -> None:
    planted = await _plant(house, "reports/2.html")
    linked = await _plant(house, f"work-orders/GD-9/links/{house.first}.json")
    assert await house.faults() == [
        f"{each.key}: extra version: expected nothing, found {each.version_id}" for each in (planted, linked)
    ]


async def _plant(house: House, key: str) -> Version:
    content = b"planted"
    digest = hashlib.sha256(content).hexdigest()
    return await house.archive.store.put(key, content, sha256=digest, lock_until=utc_now() + DAY)


async def test_a_plain_deletion_is_named_as_what_it_is(server_house: House) -> None:
    """As a rule of expiration does: a marker hides the locked version, which is still there and still read."""
    house, vandal = server_house, server_house.vandal
    assert isinstance(vandal, ServerVandal)
    key = house.key(house.first, "audio.flac")
    vandal.client.remove_object(vandal.bucket, key)
    (fault,) = await house.faults()
    assert fault.startswith(f"{key}: hidden by a delete marker: expected no marker, found ")


async def test_a_lock_that_was_shortened_or_removed_is_named(house: House) -> None:
    short, none = house.key(house.first, "audio.flac"), house.key(house.second, "audio.flac")
    house.vandal.lock(short, SHORT)
    house.vandal.lock(none, None)
    due = RETAIN_UNTIL.isoformat()
    assert sorted(await house.faults()) == sorted(
        [
            f"{short}: lock too short: expected {due}, found {SHORT.isoformat()}",
            f"{none}: unlocked: expected {due}, found no lock",
        ]
    )


async def test_a_date_brought_forward_everywhere_but_in_the_ledger_is_named(house: House) -> None:
    key = house.key(house.first, "audio.flac")
    house.vandal.lock(key, SHORT)
    async with house.archive.database.write() as session:
        await session.execute(update(Recording).where(Recording.id == house.first).values(retain_until=SHORT))
        rows = update(StoredObject).where(StoredObject.recording_id == house.first)
        await session.execute(rows.values(lock_until=SHORT))
    found = await house.faults()
    due = RETAIN_UNTIL.isoformat()
    assert f"{key}: lock too short: expected {due}, found {SHORT.isoformat()}" in found
    assert f"{key}: kept for less than the ledger says: expected {due}, found {SHORT.isoformat()}" in found


async def test_a_hold_lifted_behind_the_catalogue_is_named(house: House) -> None:
    await house.hold(house.first)
    assert await house.faults() == []
    key = house.key(house.first, "audio.flac")
    house.vandal.lift(key)
    assert await house.faults() == [f"{key}: not held: expected a legal hold, found none"]


async def test_a_hold_that_no_case_asks_for_is_named(house: House) -> None:
    async with house.archive.database.read() as session:
        query = select(StoredObject).where(StoredObject.recording_id == house.second, StoredObject.kind == "audio")
        stored = (await session.scalars(query)).one()
    await house.archive.store.hold(stored.key, stored.version_id, True)
    assert await house.faults() == [f"{stored.key}: held without a case: expected no legal hold, found a legal hold"]


async def test_a_recording_removed_from_catalogue_and_store_is_named(house: House) -> None:
    await remove_rows(house)
    house.vandal.remove(house.key(house.second, ""))
    found = await house.faults()
    assert [fault.partition(": expected")[0] for fault in found] == [
        f"{house.key(house.second, name)}: missing" for name in OBJECTS
    ]
    assert all(fault.endswith("found nothing, neither in the store nor in the catalogue") for fault in found)


async def remove_rows(house: House) -> None:
    """Whatever the database holds of the second recording but the ledger."""
    async with house.archive.database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            for key in table.foreign_keys:
                if key.column.table.name == Recording.__tablename__:
                    await session.execute(delete(table).where(key.parent == house.second))
        await session.execute(delete(Recording).where(Recording.id == house.second))
