"""The recorder: SIP and RTP, and nothing else; the sealer runs beside it as a child process."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.clock import utc_now
from core.settings import Settings
from service import spool
from service.announcer import Announcer
from service.heartbeat import beating
from service.processes import stop_signal
from service.wiring import open_archive
from telephony.recorder import CallObserver, Recorder
from telephony.rtp.capture import Capture

log = logging.getLogger(__name__)

SEALER_RESTART_SECONDS = 2.0


async def run(settings: Settings) -> None:
    """Finish what a crash left, then record until told to stop."""
    stopping = stop_signal()
    async with open_archive(settings) as archive, beating(archive.database, "recorder", utc_now):
        with spool.owned(settings.spool_dir, spool.RECORDER_LOCK):
            spool.finish_interrupted(settings.spool_dir)
            async with Announcer(archive).running() as announcer, _sealer_child():
                await _record(settings, announcer, stopping)


async def _record(settings: Settings, observer: CallObserver, stopping: asyncio.Event) -> None:
    capture = Capture(settings.sip_bind.host, settings.rtp_ports)
    recorder = Recorder.from_settings(settings, capture, observer)
    capture.start()
    try:
        await recorder.start()
        log.info("recording", extra={"facts": {"sip": settings.sip_bind, "rtp": settings.rtp_ports}})
        await stopping.wait()
        await recorder.stop()
    finally:
        await capture.stop()


@asynccontextmanager
async def _sealer_child() -> AsyncIterator[None]:
    """Keep a sealer running.  It ends by itself when its standard input closes, however the recorder dies."""
    child: asyncio.subprocess.Process | None = None

    async def keep() -> None:
        nonlocal child
        while True:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "service", "sealer", stdin=asyncio.subprocess.PIPE
            )
            status = await child.wait()
            log.error("the sealer ended and is started again", extra={"facts": {"status": status}})
            await asyncio.sleep(SEALER_RESTART_SECONDS)

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()
        if child is not None and child.returncode is None:
            child.terminate()
            await child.wait()
