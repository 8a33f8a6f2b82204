"""What must be true before evidence is kept: the schema is current, and the store keeps what it promises."""

import logging
import sys

from api.access.accounts import ensure_first_admin
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from core.clock import utc_now
from core.errors import Unavailable
from core.rebuilding import Rebuilding
from core.sealed_secrets import SecretBox
from core.settings import Settings
from service.migrate import migrate
from service.night import warn_of_expiry
from service.proof import prove_store
from service.wiring import open_archive

log = logging.getLogger(__name__)


async def make_ready(settings: Settings) -> None:
    """Newest schema, keys, proven store, first administrator.  A store that breaks a promise is ``Refused``;
    one that is away only warns, because calls can be recorded meanwhile."""
    await migrate(settings)
    ensure_ledger_key(settings)
    SecretBox.ensure(settings.secret_key)
    async with open_archive(settings) as archive:
        try:
            await _ask_store(archive)
            await first_account(archive)
        except Rebuilding as error:
            log.warning("calls are recorded, everything else waits", extra={"facts": {"error": error}})


async def _ask_store(archive: Archive) -> None:
    try:
        await prove_store(archive)
        await warn_of_expiry(archive)
    except Rebuilding:
        raise
    except Unavailable as error:
        log.warning("the store is away; calls will wait in the spool", extra={"facts": {"error": error}})


async def first_account(archive: Archive) -> None:
    """Where nobody has an account yet, make the first and show its password, this once."""
    made = await ensure_first_admin(archive.database, utc_now())
    if made is not None:
        name, password = made
        print(
            f"首次启动：管理员 {name}，密码 {password}（仅显示这一次）\n"
            f"First start: administrator {name}, password {password} (shown only this once)",
            file=sys.stderr,
        )
