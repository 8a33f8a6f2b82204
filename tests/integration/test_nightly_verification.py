"""What a night verifies and signs, and that every object has its turn."""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from archive.catalogue import StoredObject
from archive.heads import newest_head
from archive.house import Archive
from archive.sample import NIGHTS, oldest_reading, sample_size
from core.clock import utc_now
from core.database import Database
from core.errors import SettingsError
from core.ledger import Entry, LedgerRow, append
from core.note import SigningKey
from retention.nightly import run_nightly
from retention.sampling import read_sample
from service.night import run_night
from service.verification import verify
from tests.integration.kept import SETTINGS, House, MovableClock, open_house
from tests.integration.test_nightly import everything
from tests.tampering import change_byte

KEY = SigningKey.generate("huiyin.example/ledger")
DAY = timedelta(days=1)


async def _night(house: House, **options: Any) -> Any:
    return await run_nightly(house.archive, SETTINGS, now=house.clock.now, **{"key": KEY, **options})


def test_nothing_waits_for_90_days_however_much_comes_and_goes() -> None:
    """A queue of the days on which objects were last read, oldest first."""
    queue, longest = [0] * 1000, 0
    for day in range(1, 700):
        if day % 50 == 0:
            del queue[len(queue) // 2 :]  # many are disposed of at once, the youngest readings among them
        queue += [day] * (400 if day % 97 == 0 else 3)
        if day % 41 in (0, 1, 2):
            continue  # nights that were missed
        size = sample_size(len(queue), sum(day - read >= NIGHTS for read in queue))
        longest = max(longest, *(day - read for read in queue[:size]))
        queue = queue[size:] + [day] * min(size, len(queue))
    assert 0 < longest < 90


async def test_the_oldest_readings_come_first_and_everything_has_its_turn(house: House) -> None:
    for _ in range(3):
        await house.seal()
    sealed = house.clock.now
    read = 0
    for _ in range(NIGHTS + 1):
        house.clock.now += DAY
        result = await _night(house, key=None)
        assert result.faults == ()
        assert house.clock.now - result.sample.oldest < timedelta(days=90)
        read += result.sample.objects
    assert read > 9
    async with house.archive.database.read() as session:
        assert await session.scalar(select(StoredObject.id).where(StoredObject.verified_at <= sealed)) is None


async def test_every_object_is_read_within_90_days_though_more_arrive_and_nights_are_missed(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Four months of real nights over a real store: what waits longest never waits for 90 days."""
    house = await open_house(sqlite_database, tmp_path)
    chance, missed, longest, read = random.Random(4), 0, timedelta(0), 0
    for day in range(130):
        house.clock.now += DAY
        for _ in range(12 if day == 40 else chance.randrange(2)):
            await house.seal(text=chance.random() < 0.3)
        if missed < 4 and chance.random() < 0.3:
            missed += 1  # the machine was off; after four nights at most somebody looks
            continue
        missed = 0
        async with house.archive.database.read() as session:
            oldest = await oldest_reading(session)
        longest = max(longest, house.clock.now - (oldest or house.clock.now))
        sampled, faults = await read_sample(house.archive, now=house.clock.now)
        assert faults == []
        read += sampled.objects
    assert timedelta(days=60) < longest < timedelta(days=90)
    async with house.archive.database.read() as session:
        total = await session.scalar(select(func.count()).select_from(StoredObject)) or 0
    assert read < 4 * total, "and not everything every night"
    await house.archive.store.close()


async def test_a_changed_bit_is_found_in_its_turn_and_again_until_it_is_dealt_with(house: House) -> None:
    recording = await house.seal(text=False)
    before, after = change_byte(next((house.directory / "kept").rglob(f"{recording.id}/audio.flac/@*/data")))
    for _ in range(2):
        house.clock.now += (NIGHTS + 1) * DAY
        result = await _night(house)
        assert [(fault.kind, fault.subject.rpartition("/")[2]) for fault in result.faults] == [
            ("altered", "audio.flac")
        ]
        assert result.faults[0].detail == (
            f"内容被改动：应为 {before}，实为 {after} / altered: expected {before}, found {after}"
        )


async def test_the_head_is_signed_last_and_the_same_night_changes_nothing_more(house: House) -> None:
    await house.seal()
    house.clock.now += DAY
    result = await _night(house)
    head = await newest_head(house.archive)
    assert head is not None
    async with house.archive.database.read() as session:
        night = await session.scalar(select(LedgerRow.seq).where(LedgerRow.kind == "nightly"))
    assert head.checkpoint.size == result.head > (night or 0)
    before = await everything(house)
    house.clock.now += timedelta(hours=1)
    again = await _night(house)
    assert (again.sealed_object, again.head) == (None, result.head)
    assert await everything(house) == before
    assert await verify(house.archive, [KEY.verifier], on_progress=lambda _: None, settle=0) == []


async def test_a_tampered_ledger_is_not_signed(house: House) -> None:
    await house.seal()
    house.clock.now += DAY
    signed = await _night(house)
    async with house.archive.database.write() as session:
        await session.execute(update(LedgerRow).where(LedgerRow.seq == 1).values(actor="nobody"))
        await append(session, Entry("read", "agent", "x", {}), house.clock.now)
    for hours in (24, 1):
        house.clock.now += timedelta(hours=hours)
        result = await _night(house)
        assert [fault.kind for fault in result.faults] == [
            "a ledger row's columns disagree with its leaf",
            "unsigned",
        ]
        assert result.head is None
    head = await newest_head(house.archive)
    assert head is not None
    assert head.checkpoint.size == signed.head


async def test_the_ledger_is_locked_as_long_as_the_longest_kept_recording(house: House) -> None:
    await house.seal()
    house.clock.now += DAY
    await _night(house)
    recording = await house.seal(retain_until=house.clock.now + 2000 * DAY)
    house.clock.now += DAY
    result = await _night(house)
    assert {key.partition("/")[0] for key in result.locks.repaired} == {"ledger"}
    locks = [version async for version in house.archive.store.list_versions("ledger/")]
    assert len(locks) >= 5
    for version in locks:
        assert version.lock_until is not None
        assert version.lock_until >= recording.retain_until
    house.clock.now += DAY
    await house.seal(retain_until=recording.retain_until + DAY)
    assert (await _night(house)).locks.repaired == ()


async def test_a_host_without_the_key_does_everything_but_sign(house: House, tmp_path: Path) -> None:
    await house.seal()
    with pytest.raises(SettingsError, match="HUIYIN_LEDGER_KEY_FILE"):
        await run_night(house.archive, replace(SETTINGS, data_dir=tmp_path / "elsewhere"), now=house.clock.now)
    assert [version.key async for version in house.archive.store.list_versions("nightly/")] == [
        f"nightly/{house.clock.now:%Y/%m/%d}.json"
    ]
    assert await newest_head(house.archive) is None


async def test_both_stores_are_whole_after_a_night(database: Database, any_store: Any, tmp_path: Path) -> None:
    house = House(Archive(database, any_store, utc_now), MovableClock(utc_now()), tmp_path)
    await house.seal()
    result = await run_nightly(house.archive, SETTINGS, now=utc_now(), key=KEY)
    assert (result.faults, result.head is not None) == ((), True)
    said: list[str] = []
    assert await verify(house.archive, [KEY.verifier], on_progress=said.append, settle=0) == []
    assert said[-2].startswith("已校验 verified ")
    assert await verify(house.archive, [KEY.verifier], on_progress=said.append, sample=2) == []
    assert "2/2" in said[-2]
