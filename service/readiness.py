"""What must be true before evidence is kept: the schema is current, and the store keeps what it promises."""

import asyncio
import logging
import sys
from collections.abc import Callable

from api.auth import ensure_first_admin
from archive.house import Archive
from core.clock import utc_now
from core.errors import Unavailable
from core.settings import Settings
from service.migrate import migrate
from service.wiring import open_archive

log = logging.getLogger(__name__)

RETRY_SECONDS = 3.0


async def make_ready(settings: Settings) -> None:
    """Newest schema, proven store, first administrator.  A store that breaks a promise is ``Refused``; one that is
    away only warns, because calls can be recorded meanwhile."""
    await migrate(settings)
    async with open_archive(settings) as archive:
        try:
            await prove_store(archive)
        except Unavailable as error:
            log.warning("the store is away; calls will wait in the spool", extra={"facts": {"error": error}})
        made = await ensure_first_admin(archive.database, utc_now())
    if made is not None:
        name, password = made
        print(
            f"首次启动：管理员 {name}，密码 {password}（仅显示这一次）\n"
            f"First start: administrator {name}, password {password} (shown only this once)",
            file=sys.stderr,
        )


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
