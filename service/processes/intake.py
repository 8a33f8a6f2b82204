"""The intake's process: finished files of the watched folder.  Decoders of foreign files run here and in the web
process only, so that a file that kills one stops neither recording nor transcription."""

from core.clock import utc_now
from core.errors import SettingsError
from core.settings import Settings
from service.alarms import Alarms
from service.folder import WatchedFolder
from service.heartbeat import beating
from service.processes import stop_signal
from service.rebuilt import until_rebuilt
from service.wiring import open_archive


async def run(settings: Settings) -> None:
    """Watch until told to stop; ``SettingsError`` where no folder is named."""
    if settings.watch_dir is None:
        raise SettingsError("HUIYIN_WATCH_DIR: expected the directory in which gateways leave finished files")
    stopping = stop_signal()
    async with open_archive(settings) as archive:
        await until_rebuilt(archive.database, stopping)
        alarms = Alarms("intake", utc_now)
        watched = WatchedFolder(archive, settings, settings.watch_dir, alarms)
        async with beating(archive.database, "intake", utc_now, alarms, watched.figures):
            await watched.run(stopping)
