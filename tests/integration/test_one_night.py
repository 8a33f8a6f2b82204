"""One night, however many schedulers and workers there are; and a store that would hide what it keeps."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from sqlalchemy import func, select

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from archive.s3 import S3Store
from archive.store import ObjectStore
from core.alerts import STORE_EXPIRES, standing
from core.clock import utc_now
from core.database import Database
from core.jobs import DONE, JobRow
from core.ledger import LedgerRow
from core.settings import Settings
from service import scheduler, worker
from service.kinds import DAILY, NIGHTLY
from service.night import warn_of_expiry
from service.pipeline import Context
from tests.ports import LOOPBACK
from tests.servers import Seaweed


@pytest.fixture
async def houses(postgres_url: str, store: ObjectStore) -> AsyncIterator[list[Archive]]:
    """The same house seen from three hosts, each with connections of its own."""
    databases = [Database(postgres_url) for _ in range(3)]
    yield [Archive(database, store, utc_now) for database in databases]
    for database in databases:
        await database.close()


def _no_engine() -> Any:
    raise AssertionError("nothing is transcribed at night")


async def _done(archive: Archive, kind: str) -> None:
    while True:
        async with archive.database.read() as session:
            states = list(await session.scalars(select(JobRow.state).where(JobRow.kind == kind)))
        if states == [DONE]:
            return
        await asyncio.sleep(0.05)


async def test_two_schedulers_and_two_workers_make_one_night(houses: list[Archive], tmp_path: Path) -> None:
    settings = replace(Settings(), data_dir=tmp_path, nightly_at=time(0, 0), daily_report_at=time(0, 0))
    ensure_ledger_key(settings)
    stopping = asyncio.Event()
    contexts = [Context(archive=house, settings=settings, transcriber=_no_engine) for house in houses]
    running = [asyncio.create_task(scheduler.run(house, settings, stopping)) for house in houses[:2]]
    running += [asyncio.create_task(worker.run(context, stopping.is_set)) for context in contexts[:2]]
    try:
        async with asyncio.timeout(240):
            await _done(houses[2], NIGHTLY)
            await _done(houses[2], DAILY)
    finally:
        stopping.set()
        await asyncio.gather(*running)
    assert len([version async for version in houses[2].store.list_versions("nightly/")]) == 1
    async with houses[2].database.read() as session:
        for query in (
            select(func.count()).where(StoredObject.kind == "nightly"),
            select(func.count()).where(LedgerRow.kind == "nightly"),
            select(func.count()).where(JobRow.kind == NIGHTLY),
        ):
            assert await session.scalar(query) == 1


async def test_a_stall_delays_the_night_and_makes_one_of_several_missed_turns(archive: Archive) -> None:
    timetable = scheduler.timetable(archive, Settings(), asyncio.Event())
    timetable.start(paused=True)
    try:
        for job in timetable.get_jobs():
            assert job.coalesce
            assert timedelta(seconds=job.misfire_grace_time) >= timedelta(hours=6)
        assert {job.id for job in timetable.get_jobs()} == {NIGHTLY, DAILY}
    finally:
        timetable.shutdown(wait=False)


async def test_rules_that_would_hide_evidence_raise_an_alert(
    sqlite_database: Database, s3_store: ObjectStore, seaweed: Seaweed
) -> None:
    assert isinstance(s3_store, S3Store)
    archive = Archive(sqlite_database, s3_store, utc_now)
    await warn_of_expiry(archive)
    async with archive.database.read() as session:
        assert await standing(session) == []
    client = Minio(f"{LOOPBACK}:{seaweed.port}", access_key=seaweed.key, secret_key=seaweed.secret, secure=False)
    rule = Rule(ENABLED, Filter(prefix="recordings/"), rule_id="tidy-up", expiration=Expiration(days=30))
    client.set_bucket_lifecycle(s3_store.bucket, LifecycleConfig([rule]))
    await warn_of_expiry(archive)
    async with archive.database.read() as session:
        (alert,) = await standing(session)
    assert alert.name == STORE_EXPIRES
    client.delete_bucket_lifecycle(s3_store.bucket)
    await warn_of_expiry(archive)
    async with archive.database.read() as session:
        assert await standing(session) == []
