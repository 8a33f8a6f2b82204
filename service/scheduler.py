"""When things happen: the nightly job and the daily report, at local times (the only importer of apscheduler).

The scheduler only enqueues, with the day as the job's key, so that several schedulers make one job and a worker does
it.  At start it catches up on what the last day should have had.
"""

import asyncio
import logging
from datetime import date, datetime, time, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.exc import SQLAlchemyError

from archive.house import Archive
from core import jobs
from core.settings import Settings
from service.kinds import DAILY, NIGHTLY

log = logging.getLogger(__name__)

# APScheduler's own default of one second would skip the night after a short stall.
MISFIRE_GRACE = timedelta(hours=12)
RETRY_SECONDS = 5.0


async def run(archive: Archive, settings: Settings, stopping: asyncio.Event) -> None:
    """Keep the timetable until told to stop."""
    jobs_of_the_day = timetable(archive, settings, stopping)
    jobs_of_the_day.start()
    catching_up = asyncio.create_task(_catch_up(archive, settings, stopping))
    await stopping.wait()
    catching_up.cancel()
    jobs_of_the_day.shutdown(wait=False)


def timetable(archive: Archive, settings: Settings, stopping: asyncio.Event) -> AsyncIOScheduler:
    """Each kind of job at its local time; turns that were missed become one, as long as it is the same day's work."""
    scheduler = AsyncIOScheduler(timezone=settings.timezone)
    for kind, at in ((NIGHTLY, settings.nightly_at), (DAILY, settings.daily_report_at)):
        scheduler.add_job(
            _enqueue_persistently,
            CronTrigger(hour=at.hour, minute=at.minute, second=at.second, timezone=settings.timezone),
            args=(archive, settings, kind, stopping),
            id=kind,
            coalesce=True,
            misfire_grace_time=int(MISFIRE_GRACE.total_seconds()),
        )
    return scheduler


async def _catch_up(archive: Archive, settings: Settings, stopping: asyncio.Event) -> None:
    now = archive.clock().astimezone(settings.timezone)
    for kind, at in ((NIGHTLY, settings.nightly_at), (DAILY, settings.daily_report_at)):
        if is_past(now, at):
            await _enqueue_persistently(archive, settings, kind, stopping)


def is_past(now: datetime, at: time) -> bool:
    """Whether today's turn should already have happened (``now`` in local time)."""
    return now.time() >= at


def subject_day(kind: str, now: datetime) -> date:
    """The day that a turn at local time ``now`` is about: the night names itself, the report covers yesterday."""
    return now.date() if kind == NIGHTLY else now.date() - timedelta(days=1)


async def _enqueue_persistently(archive: Archive, settings: Settings, kind: str, stopping: asyncio.Event) -> None:
    """Enqueue the day's job; with the database away, keep trying."""
    while not stopping.is_set():
        now = archive.clock()
        day = subject_day(kind, now.astimezone(settings.timezone)).isoformat()
        try:
            async with archive.database.write() as session:
                await jobs.enqueue(session, kind, {"day": day}, now=now, key=day)
        except (SQLAlchemyError, OSError) as error:
            log.error("a scheduled job waits for the database", extra={"facts": {"error": type(error).__name__}})
            await asyncio.sleep(RETRY_SECONDS)
        else:
            log.info("scheduled", extra={"facts": {"job": kind, "day": day}})
            return
