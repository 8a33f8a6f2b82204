"""The web process: pages and HTTP API."""

import asyncio
import logging

from aiohttp import web

from api.app import build_app
from archive.house import Archive
from core.clock import utc_now
from core.errors import Unavailable
from core.settings import Settings
from service.heartbeat import beating
from service.processes import stop_signal
from service.rebuilt import until_rebuilt
from service.wiring import open_archive

log = logging.getLogger(__name__)

# Open connections get this long to end; a browser that keeps one alive must not hold up a restart.
SHUTDOWN_SECONDS = 5.0


async def run(settings: Settings) -> None:
    """Serve until told to stop; ``Unavailable`` when the address is taken."""
    stopping = stop_signal()
    async with open_archive(settings) as archive:
        await until_rebuilt(archive.database, stopping)
        async with beating(archive.database, "web", utc_now):
            await _serve(archive, settings, stopping)


async def _serve(archive: Archive, settings: Settings, stopping: asyncio.Event) -> None:
    runner = web.AppRunner(build_app(archive, settings), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.http_bind.host, settings.http_bind.port).start()
    except OSError as error:
        raise Unavailable(
            "cannot serve pages on this address; set HUIYIN_HTTP_BIND",
            address=settings.http_bind,
            why=error.strerror,
        ) from error
    log.info("serving", extra={"facts": {"http": settings.http_bind}})
    await stopping.wait()
    await runner.cleanup()
