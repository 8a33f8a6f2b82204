"""Jobs: claimed by one worker at a time, kept through crashes, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core import jobs
from core.database import Database
from core.errors import Conflict, NoEngine, NotFound
from core.failures import Failure
from core.ids import new_id
from core.jobs import Job, JobRow

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
FAILURE = Failure.of(NoEngine("no engine"))
LEASE = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


async def add(database: Database, kind: str = "transcribe", *, key: str | None = None, at: datetime = NOW) -> UUID:
    async with database.write() as session:
        return await jobs.enqueue(session, kind, {"n": 1}, now=at, key=key, max_attempts=3)


async def take(database: Database, worker: str = "w1", at: datetime = NOW, *kinds: str) -> Job | None:
    async with database.write() as session:
        return await jobs.claim(session, kinds or ("transcribe",), worker=worker, lease=LEASE, now=at)


async def taken(database: Database, worker: str = "w1", at: datetime = NOW) -> Job:
    job = await take(database, worker, at)
    assert job is not None
    return job


async def row(database: Database, identifier: UUID) -> JobRow:
    async with database.read() as session:
        return await session.get_one(JobRow, identifier)


async def test_a_job_is_done_once(database: Database) -> None:
    identifier = await add(database)
    job = await taken(database)
    assert (job.id, job.kind, dict(job.payload), job.attempt, job.max_attempts) == (
        identifier,
        "transcribe",
        {"n": 1},
        1,
        3,
    )
    assert await take(database, "w2") is None
    async with database.write() as session:
        await jobs.finish(session, job, worker="w1", now=NOW + SECOND)
    done = await row(database, identifier)
    assert (done.state, done.finished_at, done.lease_until) == ("done", NOW + SECOND, None)
    assert await take(database, "w2", NOW + 2 * LEASE) is None


async def test_jobs_are_taken_in_the_order_of_waiting_and_by_kind(database: Database) -> None:
    late, early = await add(database, at=NOW), await add(database, at=NOW - SECOND)
    other = await add(database, "daily", at=NOW - 2 * SECOND)
    assert [(await taken(database)).id, (await taken(database)).id] == [early, late]
    job = await take(database, "w1", NOW, "daily", "nightly")
    assert job is not None
    assert job.id == other


async def test_a_job_waits_for_its_time(database: Database) -> None:
    await add(database, at=NOW + SECOND)
    assert await take(database, at=NOW) is None
    assert await take(database, at=NOW + SECOND) is not None


async def test_a_key_is_enqueued_once(database: Database) -> None:
    first = await add(database, key="recording-1")
    assert await add(database, key="recording-1") == first
    assert await add(database, "link", key="recording-1") != first
    async with database.read() as session:
        assert await jobs.counts(session) == {("transcribe", "queued"): 1, ("link", "queued"): 1}


async def test_enqueuing_belongs_to_the_callers_transaction(database: Database) -> None:
    async def broken() -> None:
        async with database.write() as session:
            await jobs.enqueue(session, "transcribe", {}, now=NOW)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        await broken()
    assert await take(database) is None


async def test_a_worker_that_dies_loses_its_job(database: Database) -> None:
    identifier = await add(database)
    dead = await taken(database, "w1")
    assert await take(database, "w2", NOW + LEASE) is None
    job = await taken(database, "w2", NOW + LEASE + SECOND)
    assert (job.id, job.attempt) == (identifier, 2)
    for attempt in (
        lambda s: jobs.finish(s, dead, worker="w1", now=NOW),
        lambda s: jobs.extend(s, dead, worker="w1", lease=LEASE, now=NOW),
        lambda s: jobs.give_up_or_retry(s, dead, FAILURE, worker="w1", now=NOW),
    ):
        with pytest.raises(Conflict, match="another worker"):
            async with database.write() as session:
                await attempt(session)
    async with database.write() as session:
        await jobs.finish(session, job, worker="w2", now=NOW)


async def test_the_same_worker_after_its_lease_is_another_attempt(database: Database) -> None:
    await add(database)
    first = await taken(database, "w1")
    await taken(database, "w1", NOW + LEASE + SECOND)
    with pytest.raises(Conflict):
        async with database.write() as session:
            await jobs.finish(session, first, worker="w1", now=NOW)


async def test_a_long_job_keeps_its_lease(database: Database) -> None:
    await add(database)
    job = await taken(database)
    async with database.write() as session:
        await jobs.extend(session, job, worker="w1", lease=LEASE, now=NOW + LEASE)
    assert await take(database, "w2", NOW + LEASE + SECOND) is None
    assert await take(database, "w2", NOW + 2 * LEASE + SECOND) is not None


async def test_failures_wait_longer_each_time_and_then_end(database: Database) -> None:
    identifier, at = await add(database), NOW
    waits = []
    for _ in range(2):
        job = await taken(database, at=at)
        async with database.write() as session:
            assert await jobs.give_up_or_retry(session, job, FAILURE, worker="w1", now=at) == "queued"
        waits.append((await row(database, identifier)).run_after - at)
        assert await take(database, at=at) is None
        at += waits[-1]
    assert waits == [jobs.FIRST_RETRY, 2 * jobs.FIRST_RETRY]
    job = await taken(database, at=at)
    async with database.write() as session:
        assert await jobs.give_up_or_retry(session, job, FAILURE, worker="w1", now=at) == "failed"
    failed = await row(database, identifier)
    assert (failed.error, failed.finished_at, failed.attempts) == ("NoEngine: no engine", at, 3)
    assert (failed.error_kind, failed.error_said) == ("no engine", "")
    assert await take(database, at=at + timedelta(days=1)) is None


async def test_the_longest_wait_has_a_limit(database: Database) -> None:
    async with database.write() as session:
        identifier = await jobs.enqueue(session, "transcribe", {}, now=NOW, max_attempts=100)
    at = NOW
    for _ in range(14):
        job = await taken(database, at=at)
        async with database.write() as session:
            await jobs.give_up_or_retry(session, job, FAILURE, worker="w1", now=at)
        before, at = at, (await row(database, identifier)).run_after
    assert at - before == jobs.LONGEST_RETRY


async def test_a_person_can_try_again(database: Database) -> None:
    identifier = await add(database)
    for _ in range(3):
        at = (await row(database, identifier)).run_after
        job = await taken(database, at=at)
        async with database.write() as session:
            await jobs.give_up_or_retry(session, job, FAILURE, worker="w1", now=at)
    async with database.write() as session:
        await jobs.requeue(session, identifier, now=NOW)
    job = await taken(database)
    assert (job.id, job.attempt) == (identifier, 1)
    with pytest.raises(Conflict, match="failed or waiting"):
        async with database.write() as session:
            await jobs.requeue(session, identifier, now=NOW)
    with pytest.raises(NotFound):
        async with database.write() as session:
            await jobs.requeue(session, new_id(), now=NOW)


async def test_claimers_at_once_never_get_the_same_job(database: Database) -> None:
    identifiers = {await add(database) for _ in range(10)}
    claimed = await asyncio.gather(*(take(database, f"w{n}") for n in range(14)))
    found = [job.id for job in claimed if job is not None]
    assert set(found) <= identifiers
    assert len(found) == len(set(found)) == 10


async def test_a_second_claimer_does_not_wait_for_the_first(postgres_database: Database) -> None:
    """On PostgreSQL rows that another claimer has locked are skipped."""
    first, second = await add(postgres_database), await add(postgres_database, at=NOW + SECOND)
    async with postgres_database.write() as slow:
        held = await jobs.claim(slow, ("transcribe",), worker="w1", lease=LEASE, now=NOW + SECOND)
        other = await taken(postgres_database, "w2", NOW + SECOND)
    assert held is not None
    assert (held.id, other.id) == (first, second)
