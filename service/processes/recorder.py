"""The recorder: SIP and RTP, and nothing else; the sealer runs beside it as a child process."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.errors import Conflict
from core.settings import Settings
from service import spool
from service.alarms import Alarms
from service.announcer import Announcer
from service.heartbeat import beating, report_second
from service.live_calls import showing
from service.pausing import pausing
from service.processes import Signals, signals
from service.processes.draining import drain, reloading, sealed
from service.room import Room
from service.watch import Watch, room_in
from service.wiring import open_archive
from telephony.call import CallFacts
from telephony.recorder import CallObserver, Recorder
from telephony.rtp.capture import Capture

log = logging.getLogger(__name__)

SEALER_RESTART_SECONDS = 2.0


async def run(settings: Settings) -> None:
    """Finish what a crash left, then record until told to stop: at the first SIGTERM without new calls until the last
    has ended, at the second at once.  SIGHUP reads certificate and accounts again."""
    told = signals()
    async with open_archive(settings) as archive:
        try:
            with spool.owned(settings.spool_dir, spool.RECORDER_LOCK):
                left_over = spool.finish_interrupted(settings.spool_dir)
                async with Announcer(archive).running() as announcer, _sealer_child():
                    _announce_ended(announcer, left_over, settings.spool_dir)
                    await _watched(settings, archive, announcer, left_over, told)
        except Conflict:
            await report_second(archive.database, utc_now(), settings.spool_dir)
            raise


def _announce_ended(announcer: Announcer, left_over: Sequence[CallFacts], directory: Path) -> None:
    """Else calls that a crash ended would pass for calls in progress until they are sealed.  Of facts that were made
    from files the catalogue may know more."""
    for facts in left_over:
        if spool.FACTS_UNREADABLE not in facts.flags:
            announcer.finished(facts, directory / str(facts.recording_id))


async def _watched(
    settings: Settings,
    archive: Archive,
    observer: CallObserver,
    left_over: Sequence[CallFacts],
    told: Signals,
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
        await _record(settings, archive.database, capture, watch, room, told)


async def _record(
    settings: Settings, database: Database, capture: Capture, observer: CallObserver, room: Room, told: Signals
) -> None:
    recorder = Recorder.from_settings(settings, capture, observer, room=room, written=capture.written)
    capture.start()
    try:
        await recorder.start()
        _calm_collector()
        facts = {"sip": recorder.address, "tls": recorder.tls_address or "-", "rtp": settings.rtp_ports}
        log.info("recording", extra={"facts": facts})
        async with (
            reloading(recorder.reload, told),
            pausing(recorder, database, settings.longest_pause, utc_now),
            showing(recorder, capture, database, spool.identifier(settings.spool_dir), utc_now),
        ):
            await told.finish.wait()
            finished = await drain(recorder, settings.drain_seconds.total_seconds(), told)
        await recorder.stop()
        if finished:
            await sealed(settings.spool_dir, told)
    finally:
        await capture.stop()


def _calm_collector() -> None:
    """A full collection over a thousand calls would stop the loop for a tenth of a second, every few seconds: look at
    what is there already never again, and at old objects only after millions of new ones."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 100)


@asynccontextmanager
async def _sealer_child() -> AsyncIterator[None]:
    """Keep a sealer running.  It ends by itself when its standard input closes, however the recorder dies."""
    child: asyncio.subprocess.Process | None = None

    async def keep() -> None:
        nonlocal child
        while True:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "service", "sealer"),
                stdin=asyncio.subprocess.PIPE,
                # A Ctrl-C is for the recorder: the sealer is needed until the last call is over.
                process_group=0,
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
