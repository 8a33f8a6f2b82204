"""The four processes, and the recorder's child.  Each runs until SIGTERM or SIGINT and leaves nothing half-done."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

from aiohttp import web

from api.app import build_app
from core.clock import utc_now
from core.settings import Settings
from service import scheduler, sealer, spool, worker
from service.announcer import Announcer
from service.heartbeat import beating
from service.pipeline import Context
from service.wiring import open_archive
from telephony.recorder import CallObserver, Recorder
from telephony.rtp.capture import Capture
from transcription.engine import Transcriber
from transcription.whisper import load_transcriber

log = logging.getLogger(__name__)

SEALER_RESTART_SECONDS = 2.0


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def run_recorder(settings: Settings) -> None:
    """SIP and RTP, and nothing else; the sealer runs beside it as a child process."""
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
        await recorder.drain_and_stop()
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


async def run_sealer(settings: Settings) -> None:
    """Seal closed calls until told to stop, or until the recorder that started it is gone."""
    stopping = stop_signal()
    if not sys.stdin.isatty():
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop_at_end_of_input(stopping))
    async with open_archive(settings) as archive:
        await sealer.run(archive, settings, stopping.is_set)


def _stop_at_end_of_input(stopping: asyncio.Event) -> Callable[[], None]:
    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            stopping.set()
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    return read


async def run_worker(settings: Settings, *, until_idle: bool = False) -> None:
    """Transcription, linking, findings, reports and the night's work."""
    stopping = stop_signal()

    @cache
    def transcriber() -> Transcriber:
        return load_transcriber(settings)

    async with open_archive(settings) as archive, beating(archive.database, "worker", utc_now):
        context = Context(archive=archive, settings=settings, transcriber=transcriber)
        await worker.run(context, stopping.is_set, until_idle=until_idle)


async def run_web(settings: Settings) -> None:
    """Pages and HTTP API."""
    stopping = stop_signal()
    async with open_archive(settings) as archive, beating(archive.database, "web", utc_now):
        runner = web.AppRunner(build_app(archive, settings), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, settings.http_bind.host, settings.http_bind.port).start()
        log.info("serving", extra={"facts": {"http": settings.http_bind}})
        await stopping.wait()
        await runner.cleanup()


async def run_scheduler(settings: Settings) -> None:
    """Nightly and daily jobs, at their local times."""
    stopping = stop_signal()
    async with open_archive(settings) as archive, beating(archive.database, "scheduler", utc_now):
        await scheduler.run(archive, settings, stopping)
