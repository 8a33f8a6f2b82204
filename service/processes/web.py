"""The web process: pages and HTTP API."""

import asyncio
import logging

from api.app import build_app
from api.server import serving
from archive.house import Archive
from core.clock import utc_now
from core.settings import Settings
from service.heartbeat import beating
from service.processes import stop_signal
from service.rebuilt import until_rebuilt
from service.wiring import open_archive

log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Serve until told to stop; ``Unavailable`` when the address is taken."""
    stopping = stop_signal()
    async with open_archive(settings) as archive:
        await until_rebuilt(archive.database, stopping)
        async with beating(archive.database, "web", utc_now):
            await _serve(archive, settings, stopping)


async def _serve(archive: Archive, settings: Settings, stopping: asyncio.Event) -> None:
    async with serving(build_app(archive, settings), settings, settings.http_bind):
        log.info("serving", extra={"facts": {"http": settings.http_bind}})
        await stopping.wait()
