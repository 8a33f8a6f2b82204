"""The first start's administrator."""

import sys

from api.auth import ensure_first_admin
from core.clock import utc_now
from core.settings import Settings
from service.wiring import open_archive


async def welcome(settings: Settings) -> None:
    """Where there is no account yet, make the administrator and show the random password once, on standard error."""
    async with open_archive(settings) as archive:
        made = await ensure_first_admin(archive.database, utc_now())
    if made is not None:
        name, password = made
        print(
            f"首次启动：管理员 {name}，密码 {password}（仅显示这一次）\n"
            f"First start: administrator {name}, password {password} (shown only this once)",
            file=sys.stderr,
        )
