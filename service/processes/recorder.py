"""The recorder: SIP and RTP, and nothing else; the sealer runs beside it as a child process."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from archive.house import Archive
from core.clock import utc_now
from core.errors import Conflict
from core.settings import Settings
from service import spool
from service.alarms import Alarms
from service.announcer import Announcer
from service.heartbeat import beating, report_second
from service.processes import stop_signal
from service.room import Room
from service.watch import Watch, room_in
from service.wiring import open_archive
from telephony.call import CallFacts
from telephony.recorder import CallObserver, Recorder
from telephony.rtp.capture import Capture

log = logging.getLogger(__name__)

SEALER_RESTART_SECONDS = 2.0


async def run(settings: Settings) -> None:
    """Finish what a crash left, then record until told to stop."""
    stopping = stop_signal()
    async with open_archive(settings) as archive:
        try:
            with spool.owned(settings.spool_dir, spool.RECORDER_LOCK):
                left_over = spool.finish_interrupted(settings.spool_dir)
                async with Announcer(archive).running() as announcer, _sealer_child():
                    await _watched(settings, archive, announcer, left_over, stopping)
        except Conflict:
            await report_second(archive.database, utc_now(), settings.spool_dir)
            raise


async def _watched(
    settings: Settings,
    archive: Archive,
    observer: CallObserver,
    left_over: Sequence[CallFacts],
    stopping: asyncio.Event,
) -> None:
    """Nothing here waits for the database: while it is away, calls are recorded all the same."""
    capture = Capture(settings.sip_bind.host, settings.rtp_ports)
    room = room_in(settings.spool_dir, settings.spool_min_free_mb, capture)
    alarms = Alarms("recorder", utc_now)
    watch = Watch(alarms, capture, settings.rtp_ports, room, observer)
    async with (
        beating(archive.database, "recorder", utc_now, alarms, watch.figures),
        watch.running(settings.spool_dir, left_over),
    ):
        await _record(settings, capture, watch, room, stopping)


async def _record(
    settings: Settings, capture: Capture, observer: CallObserver, room: Room, stopping: asyncio.Event
) -> None:
    recorder = Recorder.from_settings(settings, capture, observer, room=room)
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
