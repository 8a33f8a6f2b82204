"""Durable jobs: rows claimed under a lease, committed together with the state that they change.

queued ──claim──▶ running ──finish──▶ done
  ▲                  │
  └──retry, backoff──┴──attempts used up──▶ failed ──requeue──▶ queued

A worker that dies simply lets its lease run out; the job is then claimable again.  On PostgreSQL claims skip locked
rows; on SQLite writers are serial anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String, Text, Uuid, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound
from core.failures import Failure
from core.ids import new_id

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=30)


class JobRow(Base):
    """A piece of work.  ``key`` makes enqueuing idempotent: one job for each kind and key."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_claim", "state", "run_after"),
        Index("uq_jobs_kind_key", "kind", "key", unique=True),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(120))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=8)
    run_after: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    worker: Mapped[str] = mapped_column(String(120), default="")
    # Why the last attempt failed: a ``Failure``.
    error: Mapped[str] = mapped_column(Text, default="")
    error_kind: Mapped[str] = mapped_column(String(20), default="")
    error_said: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Job:
    """A claimed job, as handed to the function that does it.  ``attempt`` counts from 1."""

    id: UUID
    kind: str
    key: str
    payload: Mapping[str, Any]
    attempt: int
    max_attempts: int


async def enqueue(
    session: AsyncSession,
    kind: str,
    payload: Mapping[str, Any],
    *,
    now: datetime,
    key: str | None = None,
    max_attempts: int = 8,
) -> UUID:
    """Add a job inside the caller's transaction.  With a ``key``, a job of that kind and key that is already there is
    kept as it is and its identifier returned."""
    if key is not None:
        there = await session.scalar(select(JobRow.id).where(JobRow.kind == kind, JobRow.key == key))
        if there is not None:
            return there
    identifier = new_id()
    session.add(
        JobRow(
            id=identifier,
            kind=kind,
            key=key if key is not None else str(identifier),
            payload=dict(payload),
            state=QUEUED,
            attempts=0,
            max_attempts=max_attempts,
            run_after=now,
            created_at=now,
        )
    )
    await session.flush()
    return identifier


async def claim(
    session: AsyncSession, kinds: Sequence[str], *, worker: str, lease: timedelta, now: datetime
) -> Job | None:
    """Take the job of these kinds that has waited longest, or whose lease ran out; ``None`` when there is none."""
    due = and_(JobRow.state == QUEUED, JobRow.run_after <= now)
    abandoned = and_(JobRow.state == RUNNING, JobRow.lease_until < now)
    row = await session.scalar(
        select(JobRow)
        .where(JobRow.kind.in_(kinds), or_(due, abandoned))
        .order_by(JobRow.run_after, JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    row.state, row.worker, row.lease_until = RUNNING, worker, now + lease
    row.attempts += 1
    await session.flush()
    return Job(row.id, row.kind, row.key, row.payload, row.attempts, row.max_attempts)


async def extend(session: AsyncSession, job: Job, *, worker: str, lease: timedelta, now: datetime) -> None:
    """Keep a long job's lease alive; ``Conflict`` when another worker has taken it meanwhile."""
    row = await _owned(session, job, worker)
    row.lease_until = now + lease


async def finish(session: AsyncSession, job: Job, *, worker: str, now: datetime) -> None:
    """Mark done, in the transaction that holds the job's results; ``Conflict`` when the lease was lost."""
    row = await _owned(session, job, worker)
    row.state, row.finished_at, row.lease_until = DONE, now, None
    row.error = row.error_kind = row.error_said = ""


async def give_up_or_retry(session: AsyncSession, job: Job, failure: Failure, *, worker: str, now: datetime) -> str:
    """After a failure: queue again with exponential backoff, or fail for good.  Returns the new state."""
    row = await _owned(session, job, worker)
    row.error, row.error_kind, row.error_said, row.lease_until = failure.text, failure.kind, failure.said, None
    if job.attempt >= job.max_attempts:
        row.state, row.finished_at = FAILED, now
    else:
        row.state = QUEUED
        row.run_after = now + min(FIRST_RETRY * 2 ** (job.attempt - 1), LONGEST_RETRY)
    return row.state


async def requeue(session: AsyncSession, identifier: UUID, *, now: datetime) -> None:
    """A person asks for a failed (or waiting) job to be tried again at once, with its attempts renewed."""
    row = await session.get(JobRow, identifier, with_for_update=True)
    if row is None:
        raise NotFound("no such job", job=identifier)
    if row.state not in (FAILED, QUEUED):
        raise Conflict("only a failed or waiting job can be tried again", job=identifier, state=row.state)
    row.state, row.attempts, row.run_after, row.finished_at = QUEUED, 0, now, None


async def requeue_keyed(session: AsyncSession, kind: str, keys: Sequence[str], *, now: datetime) -> None:
    """``requeue`` of whichever jobs of these keys failed for good; ``Conflict`` where none did."""
    query = select(JobRow.id).where(JobRow.kind == kind, JobRow.key.in_(keys), JobRow.state == FAILED)
    failed = (await session.scalars(query)).all()
    if not failed:
        raise Conflict("没有失败的任务可以重试 / nothing failed that could be tried again", kind=kind)
    for identifier in failed:
        await requeue(session, identifier, now=now)


async def requeue_failed(session: AsyncSession, *, now: datetime) -> int:
    """A person asks for all failed jobs to be tried again, once what they failed of is mended; returns how many."""
    renewed = {"state": QUEUED, "attempts": 0, "run_after": now, "finished_at": None}
    done = await session.execute(update(JobRow).where(JobRow.state == FAILED).values(**renewed))
    return int(done.rowcount)  # type: ignore[attr-defined]


async def counts(session: AsyncSession) -> dict[tuple[str, str], int]:
    """How many jobs there are of each (kind, state)."""
    rows = await session.execute(select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state))
    return {(kind, state): number for kind, state, number in rows}


@dataclass(frozen=True)
class Queue:
    """Jobs of one kind that are in one state and not done: how many, the oldest, and all their attempts so far."""

    kind: str
    state: str
    number: int
    oldest: datetime
    attempts: int


async def unfinished(session: AsyncSession, *kinds: str) -> list[Queue]:
    """What is queued, running or failed, of these kinds (of all, where none is named); read along the index of states,
    however many jobs are done."""
    columns = (JobRow.kind, JobRow.state, func.count(), func.min(JobRow.created_at), func.sum(JobRow.attempts))
    query = select(*columns).where(JobRow.state.in_((QUEUED, RUNNING, FAILED)))
    query = query.group_by(JobRow.kind, JobRow.state).order_by(JobRow.kind, JobRow.state)
    rows = await session.execute(query.where(JobRow.kind.in_(kinds)) if kinds else query)
    return [Queue(kind, state, number, oldest, int(attempts)) for kind, state, number, oldest, attempts in rows]


async def _owned(session: AsyncSession, job: Job, worker: str) -> JobRow:
    row = await session.get(JobRow, job.id, with_for_update=True)
    if row is None or row.state != RUNNING or row.worker != worker or row.attempts != job.attempt:
        raise Conflict("another worker has taken this job", job=job.id, kind=job.kind)
    return row
