"""A store is trusted with evidence only after it has refused to break a lock."""

import asyncio
import logging
from collections.abc import Callable

from archive.house import Archive
from core.errors import Unavailable

log = logging.getLogger(__name__)

RETRY_SECONDS = 3.0


async def prove_store(archive: Archive) -> None:
    """Make the bucket or directory where there is none, then try to break a lock: ``Refused`` if that works."""
    await archive.store.prepare()
    await archive.store.self_test()


async def wait_for_proven_store(archive: Archive, stopping: Callable[[], bool]) -> None:
    """As ``prove_store``, waiting as long as the store is away."""
    while not stopping():
        try:
            return await prove_store(archive)
        except Unavailable as error:
            log.error("sealing waits for the store", extra={"facts": {"error": error}})
            await asyncio.sleep(RETRY_SECONDS)
