"""Whether the object store answers, for processes that only notice when a job fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from archive.house import Archive
from core.alerts import STORE_AWAY
from core.errors import HuiyinError
from service.alarms import Alarms

EVERY_SECONDS = 10.0
ANSWERS_WITHIN = 10.0


@asynccontextmanager
async def watching_store(archive: Archive, alarms: Alarms) -> AsyncIterator[None]:
    """Hold the alert of a store that is away while the block runs."""
    task = asyncio.create_task(_watch(archive, alarms), name="store-watch")
    try:
        yield
    finally:
        task.cancel()


async def _watch(archive: Archive, alarms: Alarms) -> None:
    while True:
        try:
            await asyncio.wait_for(archive.store.ping(), ANSWERS_WITHIN)
            alarms.hold(STORE_AWAY, None)
        except (HuiyinError, OSError) as error:
            alarms.hold(
                STORE_AWAY, {"error": error.message if isinstance(error, HuiyinError) else type(error).__name__}
            )
        await asyncio.sleep(EVERY_SECONDS)
