"""Retention against both stores and the real clock: short real locks, no pretended time."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from archive.catalogue import Recording
from archive.house import Archive
from core.clock import utc_now
from core.errors import Refused
from retention.disposal import approve, confirm, propose
from retention.execution import execute
from retention.nightly import run_nightly
from tests.integration.kept import SETTINGS, House, MovableClock
from tests.locks import short_lock


@pytest.fixture(
    params=[("sqlite_database", "store"), ("postgres_database", "s3_store")], ids=["sqlite-local", "postgres-s3"]
)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    database, store = (request.getfixturevalue(name) for name in request.param)
    return House(Archive(database, store, utc_now), MovableClock(utc_now()), tmp_path)


async def test_a_short_lock_is_lengthened_in_the_store(house: House) -> None:
    recording = await house.seal()
    later = recording.retain_until + timedelta(days=10)
    async with house.archive.database.write() as session:
        (await session.get_one(Recording, recording.id)).retain_until = later
    result = await run_nightly(house.archive, SETTINGS, now=utc_now())
    assert (len(result.locks.repaired), result.faults) == (3, ())
    async for version in house.archive.store.list_versions("recordings/"):
        assert (await house.archive.store.head(version.key, version.version_id)).lock_until == later


async def test_an_old_recording_goes_only_after_its_lock(house: House) -> None:
    began = utc_now() - timedelta(days=1200)
    until = utc_now() + await short_lock(house.archive.store)
    recording = await house.seal(started_at=began, text=False, retain_until=until)
    store = house.archive.store
    before = [version async for version in store.list_versions("recordings/")]
    with pytest.raises(Refused):
        await store.delete_version(before[0].key, before[0].version_id)
    async with house.archive.database.write() as session:
        with pytest.raises(Refused):
            await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=utc_now())
    await asyncio.sleep((recording.retain_until - utc_now()).total_seconds() + 1)
    async with house.archive.database.write() as session:
        now = utc_now()
        row = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=now)
        await approve(session, row.id, by="bo", now=now)
        await confirm(session, row.id, by="cai", now=now)
    certificate = await execute(house.archive, SETTINGS, row.id, now=utc_now())
    assert [version async for version in store.list_versions("recordings/")] == []
    with pytest.raises(Refused):
        await store.delete_version(certificate.key, certificate.version_id)
    result = await run_nightly(house.archive, SETTINGS, now=utc_now())
    assert (result.faults, result.locks.checked, result.eligible_count) == ((), 1, 0)
