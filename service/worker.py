"""A worker process: claims jobs, does them, and keeps their leases alive meanwhile.

The speech engine lives here and never in the process that receives RTP.  A job that fails is tried again with
backoff, and in the end stands as ``failed`` with its reason; the recording that it was about is untouched.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from core import jobs
from core.errors import Conflict, HuiyinError
from core.failures import Failure
from core.jobs import Job
from service.pipeline import STEPS, Context, note_failure

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
POLL_SECONDS = 0.5
DATABASE_AWAY_SECONDS = 3.0


def worker_name() -> str:
    """Which process holds a lease, for people who read the job table."""
    return f"{socket.gethostname()}/{os.getpid()}"


async def run(context: Context, stopping: Callable[[], bool], *, until_idle: bool = False) -> None:
    """Do jobs until ``stopping()``, or until none is left to claim now."""
    name = worker_name()
    while not stopping():
        try:
            busy = await work_once(context, name)
        except (SQLAlchemyError, OSError) as error:
            log.error("the database is away; waiting", extra={"facts": {"error": type(error).__name__}})
            await asyncio.sleep(DATABASE_AWAY_SECONDS)
            continue
        if not busy:
            if until_idle:
                return
            await asyncio.sleep(POLL_SECONDS)


async def work_once(context: Context, name: str) -> bool:
    """Claim one job and do it; ``False`` when there was none."""
    archive = context.archive
    async with archive.database.write() as session:
        job = await jobs.claim(session, tuple(STEPS), worker=name, lease=LEASE, now=archive.clock())
    if job is None:
        return False
    keeper = asyncio.create_task(_keep_lease(context, job, name))
    try:
        await STEPS[job.kind](context, job)
    except Exception as error:  # a worker's outer loop: whatever went wrong becomes the job's reason
        await _failed(context, job, error, name)
    else:
        with suppress(Conflict):
            async with archive.database.write() as session:
                await jobs.finish(session, job, worker=name, now=archive.clock())
        log.info("done", extra={"facts": {"job": job.kind, "id": job.id, "key": job.key, "attempt": job.attempt}})
    finally:
        keeper.cancel()
    return True


async def _failed(context: Context, job: Job, error: Exception, name: str) -> None:
    archive = context.archive
    failure = Failure.of(error)
    with suppress(Conflict):
        async with archive.database.write() as session:
            state = await jobs.give_up_or_retry(session, job, failure, worker=name, now=archive.clock())
            await note_failure(session, job, failure.text, final=state == jobs.FAILED)
        facts = {"job": job.kind, "id": job.id, "key": job.key, "attempt": job.attempt, "state": state}
        facts |= {"kind": failure.kind, "error": failure.text}
        log.error("a job failed", extra={"facts": facts}, exc_info=not isinstance(error, HuiyinError))


async def _keep_lease(context: Context, job: Job, name: str) -> None:
    while True:
        await asyncio.sleep(LEASE.total_seconds() / 3)
        try:
            async with context.archive.database.write() as session:
                await jobs.extend(session, job, worker=name, lease=LEASE, now=context.archive.clock())
        except (SQLAlchemyError, OSError, Conflict) as error:
            log.warning("a lease was not renewed", extra={"facts": {"job": job.id, "error": type(error).__name__}})
