"""When the nightly job and the daily report are due, and what they are about."""

from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from core import jobs
from core.database import Database
from core.jobs import JobRow
from core.settings import Settings
from service.kinds import DAILY, NIGHTLY
from service.pipeline import STEPS
from service.scheduler import is_past, subject_day
from service.supervisor import threads_for

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_the_report_covers_yesterday_and_the_night_itself() -> None:
    now = datetime(2027, 1, 1, 6, 0, tzinfo=SHANGHAI)
    assert subject_day(DAILY, now) == date(2026, 12, 31)
    assert subject_day(NIGHTLY, now) == date(2027, 1, 1)


def test_catching_up_begins_at_the_time_of_day() -> None:
    assert not is_past(datetime(2026, 11, 2, 2, 29, 59, tzinfo=SHANGHAI), time(2, 30))
    assert is_past(datetime(2026, 11, 2, 2, 30, tzinfo=SHANGHAI), time(2, 30))


def test_threads_never_exceed_the_cores() -> None:
    assert threads_for(replace(Settings(), workers=64)) == 1
    assert threads_for(replace(Settings(), asr_threads=3)) == 3


async def test_two_schedulers_make_one_job(database: Database) -> None:
    now = datetime(2026, 11, 2, 6, 0, tzinfo=SHANGHAI)
    for _ in range(2):
        async with database.write() as session:
            await jobs.enqueue(session, NIGHTLY, {"day": "2026-11-02"}, now=now, key="2026-11-02")
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(JobRow)) == 1


def test_every_kind_of_job_has_a_step() -> None:
    assert {NIGHTLY, DAILY} <= STEPS.keys()
