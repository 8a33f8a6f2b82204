"""The sealer's process: seals closed calls until told to stop, or until the recorder that started it is gone."""

import asyncio
import os
import sys
from collections.abc import Callable

from core.clock import utc_now
from core.settings import Settings
from service.alarms import Alarms
from service.heartbeat import beating
from service.processes import stop_signal
from service.rebuilt import until_rebuilt
from service.sealer import Sealer
from service.wiring import open_archive

NICENESS = 10


async def run(settings: Settings) -> None:
    """Seal until stopped; the end of standard input stops it too."""
    stopping = stop_signal()
    if not sys.stdin.isatty():
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop_at_end_of_input(stopping))
    # Recording comes first wherever the two share a core.
    os.nice(NICENESS)
    async with open_archive(settings) as archive:
        await until_rebuilt(archive.database, stopping)
        alarms = Alarms("sealer", utc_now)
        sealer = Sealer(archive, settings, alarms)
        async with beating(archive.database, "sealer", utc_now, alarms, sealer.figures):
            await sealer.run(stopping.is_set)


def _stop_at_end_of_input(stopping: asyncio.Event) -> Callable[[], None]:
    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            stopping.set()
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    return read
