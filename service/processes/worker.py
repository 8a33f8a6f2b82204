"""The worker's process: transcription, linking, findings, reports and the night's work."""

from functools import cache

from core.clock import utc_now
from core.settings import Settings
from service import worker
from service.heartbeat import beating
from service.pipeline import Context
from service.processes import stop_signal
from service.rebuilt import until_rebuilt
from service.store_watch import watching_store
from service.wiring import open_archive
from transcription.engine import Transcriber
from transcription.whisper import load_transcriber


async def run(settings: Settings, *, until_idle: bool = False) -> None:
    """Do jobs until told to stop, or until none is left.  The engine is loaded by the first job that needs it."""
    stopping = stop_signal()

    @cache
    def transcriber() -> Transcriber:
        return load_transcriber(settings)

    async with open_archive(settings) as archive:
        await until_rebuilt(archive.database, stopping)
        async with beating(archive.database, "worker", utc_now) as alarms, watching_store(archive, alarms):
            context = Context(archive=archive, settings=settings, transcriber=transcriber)
            await worker.run(context, stopping.is_set, until_idle=until_idle)
