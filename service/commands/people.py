"""user: accounts of the pages and the API."""

import argparse
import getpass
import sys

from core.settings import Settings
from service.commands.family import Commands, command


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    user = command(commands, "user", "新增账号 add an account", run_user)
    user.add_argument("name")
    user.add_argument("--role", choices=["agent", "auditor", "admin"], required=True)


async def run_user(settings: Settings, options: argparse.Namespace) -> int:
    from api.auth import create_user
    from core.clock import utc_now
    from service.wiring import open_archive

    # From a terminal the password is asked for unseen; a script may pipe it in.
    password = getpass.getpass("密码 password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    async with open_archive(settings) as archive:
        await create_user(archive.database, options.name, password, options.role, now=utc_now())
    print(f"已新增 added: {options.name} ({options.role})")
    return 0
