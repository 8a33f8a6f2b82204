"""The scheduler's process: nightly and daily jobs, at their local times, and the sending of webhooks."""

from core.clock import utc_now
from core.settings import Settings
from service import scheduler
from service.heartbeat import beating
from service.processes import stop_signal
from service.rebuilt import until_rebuilt
from service.webhooks import sending
from service.wiring import open_archive


async def run(settings: Settings) -> None:
    """Keep the timetable until told to stop."""
    stopping = stop_signal()
    async with open_archive(settings) as archive:
        await until_rebuilt(archive.database, stopping)
        async with (
            beating(archive.database, "scheduler", utc_now) as alarms,
            sending(archive.database, settings, utc_now, alarms),
        ):
            await scheduler.run(archive, settings, stopping)
