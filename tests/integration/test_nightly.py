"""The nightly work on real databases and a real store."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from archive.catalogue import Call, Recording, StoredObject
from core.ids import new_id
from core.ledger import LedgerRow, check
from retention.nightly import run_nightly
from retention.rule import eligible_at
from tests.integration.kept import NOON, SETTINGS, House


async def add_call(house: House, started_at: datetime, ended_at: datetime | None, order: str = "") -> Call:
    identifier = new_id()
    call = Call(
        id=identifier,
        sip_call_id=f"{identifier}@gateway.test",
        state="signalled",
        started_at=started_at,
        ended_at=ended_at,
        work_order=order,
    )
    async with house.archive.database.write() as session:
        session.add(call)
    return call


async def everything(house: House) -> dict[str, Any]:
    """What a run could have changed: rows of the ledger and of objects, states of calls, versions in the store."""
    async with house.archive.database.read() as session:
        return {
            "ledger": await session.scalar(select(func.count()).select_from(LedgerRow)),
            "objects": await session.scalar(select(func.count()).select_from(StoredObject)),
            "calls": sorted((str(call.id), call.state, call.note) for call in await session.scalars(select(Call))),
            "dates": sorted((str(row.id), row.retain_until) for row in await session.scalars(select(Recording))),
            "versions": [version async for version in house.archive.store.list_versions("")],
        }


async def test_a_quiet_night_is_sealed_once(house: House) -> None:
    await house.seal()
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert (result.eligible_count, result.faults, result.disposed) == (0, (), ())
    assert result.locks.checked == 3
    async with house.archive.database.read() as session:
        stored = await session.get_one(StoredObject, result.sealed_object)
        assert (stored.key, stored.kind) == ("nightly/2026/11/22.json", "nightly")
        entry = await session.scalar(select(LedgerRow).where(LedgerRow.kind == "nightly"))
        assert entry is not None
        assert entry.subject == "2026-11-22"
        await check(session)
    content = b"".join([part async for part in house.archive.store.read(stored.key, stored.version_id)])
    assert json.loads(content)["locks"]["checked"] == 3
    before = await everything(house)
    house.clock.now += timedelta(hours=1)
    again = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert again.sealed_object is None
    assert await everything(house) == before


async def test_the_night_is_that_of_the_zone(house: House) -> None:
    house.clock.now = datetime.fromisoformat("2026-11-22T18:30:00+00:00")
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert result.night.isoformat() == "2026-11-23"


async def test_eligible_recordings_are_listed_on_their_day_and_nothing_is_deleted(house: House) -> None:
    recording = await house.seal()
    midnight = eligible_at(recording.ended_at, recording.text_final_at, years=2, timezone=SETTINGS.timezone)
    house.clock.now = midnight - timedelta(seconds=1)
    assert (await run_nightly(house.archive, SETTINGS, now=house.clock.now)).eligible == ()
    house.clock.now = midnight
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert result.eligible == (str(recording.id),)
    assert f"　　{recording.id}" in result.lines()
    assert len([version async for version in house.archive.store.list_versions("recordings/")]) == 3


async def test_a_held_recording_is_not_eligible(house: House) -> None:
    recording = await house.seal()
    async with house.archive.database.write() as session:
        (await session.get_one(Recording, recording.id)).held = True
    house.clock.now = NOON + timedelta(days=800)
    assert (await run_nightly(house.archive, SETTINGS, now=house.clock.now)).eligible_count == 0


async def test_a_lock_that_is_too_short_is_lengthened(house: House) -> None:
    recording = await house.seal()
    # The catalogue says a later date than the store locks, as when lengthening was cut off between the two.
    later = recording.retain_until + timedelta(days=30)
    async with house.archive.database.write() as session:
        (await session.get_one(Recording, recording.id)).retain_until = later
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert len(result.locks.repaired) == 3
    found = [version async for version in house.archive.store.list_versions("recordings/")]
    for version in found:
        head = await house.archive.store.head(version.key, version.version_id)
        assert head.lock_until == later
    async with house.archive.database.read() as session:
        dates = await session.scalars(select(StoredObject.lock_until).where(StoredObject.recording_id == recording.id))
        assert set(dates) == {later}
    assert (await run_nightly(house.archive, SETTINGS, now=house.clock.now)).locks.repaired == ()


async def test_more_years_lengthen_every_recording(house: House) -> None:
    recording = await house.seal()
    longer = replace(SETTINGS, retention_years=3)
    result = await run_nightly(house.archive, longer, now=house.clock.now)
    assert result.locks.extended == (str(recording.id),)
    changed = await house.recording(recording.id)
    assert changed.retain_until == eligible_at(
        recording.ended_at, recording.text_final_at, years=3, timezone=SETTINGS.timezone
    )
    shorter_again = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert shorter_again.locks.extended == ()
    assert (await house.recording(recording.id)).retain_until == changed.retain_until


async def test_an_object_that_is_gone_is_named(house: House) -> None:
    recording = await house.seal()
    async with house.archive.database.write() as session:
        row = await session.scalar(select(StoredObject).where(StoredObject.kind == "audio"))
        assert row is not None
        row.version_id = "0" * len(row.version_id)
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert [(fault.kind, fault.subject) for fault in result.faults] == [
        ("missing", f"recordings/2026/11/22/{recording.id}/audio.flac")
    ]
    assert any("对象缺失" in line for line in result.lines())


async def test_an_object_of_another_size_is_named(house: House) -> None:
    await house.seal(text=False)
    async with house.archive.database.write() as session:
        row = await session.scalar(select(StoredObject).where(StoredObject.kind == "metadata"))
        assert row is not None
        row.size += 1
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert [fault.kind for fault in result.faults] == ["differs"]


async def test_calls_without_a_recording_are_missing_after_their_time(house: House) -> None:
    now = house.clock.now
    hour, day = timedelta(hours=1), timedelta(hours=24)
    ended = await add_call(house, now - 2 * hour, now - hour, "G-7")
    never_ended = await add_call(house, now - day, None)
    just_ended = await add_call(house, now - hour, now - hour + timedelta(seconds=1))
    in_progress = await add_call(house, now - day + timedelta(seconds=1), None)
    result = await run_nightly(house.archive, SETTINGS, now=now)
    assert [(call.call, call.reason) for call in result.calls.missing] == [
        (str(never_ended.id), "通话开始已超过24小时，未收到结束信令，也没有录音"),
        (str(ended.id), "通话结束已超过1小时，没有录音"),
    ]
    async with house.archive.database.read() as session:
        states = {call.id: call.state for call in await session.scalars(select(Call))}
    assert states == {
        ended.id: "missing",
        never_ended.id: "missing",
        just_ended.id: "signalled",
        in_progress.id: "signalled",
    }
    again = await run_nightly(house.archive, SETTINGS, now=now)
    assert (again.calls.missing, again.calls.still_missing) == ((), 2)


async def test_a_recording_that_came_late_is_no_longer_missing(house: House) -> None:
    recording = await house.seal()
    async with house.archive.database.write() as session:
        (await session.get_one(Call, recording.id)).state = "missing"
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert result.calls.found == (str(recording.id),)
    assert result.calls.still_missing == 0


async def test_a_dry_run_says_what_it_would_do_and_writes_nothing(house: House) -> None:
    recording = await house.seal()
    async with house.archive.database.write() as session:
        (await session.get_one(Recording, recording.id)).retain_until += timedelta(days=3)
    await add_call(house, NOON - timedelta(days=2), None)
    before = await everything(house)
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now, dry_run=True)
    assert len(result.locks.repaired) == 3
    assert len(result.calls.missing) == 1
    assert result.lines()[0] == "夜间保管任务　2026年11月22日（试运行，未作任何更改）"
    assert await everything(house) == before


async def test_a_time_that_has_not_come_is_only_rehearsed(house: House) -> None:
    recording = await house.seal()
    await add_call(house, NOON - timedelta(hours=2), None)
    before = await everything(house)
    result = await run_nightly(house.archive, SETTINGS, now=NOON + timedelta(days=800))
    assert result.dry_run
    assert result.eligible == (str(recording.id),)
    assert len(result.calls.missing) == 1
    assert await everything(house) == before
