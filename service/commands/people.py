"""user: accounts of the pages and the API."""

import argparse

from api.permissions import ROLES
from core.settings import Settings
from service.commands.family import Commands, command, read_password


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    user = command(commands, "user", "新增账号 add an account", run_user)
    user.add_argument("name")
    user.add_argument("--role", choices=ROLES, required=True)


async def run_user(settings: Settings, options: argparse.Namespace) -> int:
    from api.auth import create_user
    from core.clock import utc_now
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        await create_user(archive.database, options.name, read_password(), options.role, now=utc_now())
    print(f"已新增 added: {options.name} ({options.role})")
    return 0
