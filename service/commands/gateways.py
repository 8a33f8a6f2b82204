"""sip-user: accounts that gateways authenticate with."""

import argparse
from pathlib import Path

from core.errors import SettingsError
from core.settings import Settings
from service.commands.family import Commands, command, read_password


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    sip_user = command(
        commands, "sip-user", "网关的 SIP 账号 accounts of gateways in HUIYIN_SIP_USERS_FILE", run_sip_user
    )
    sip_user.add_argument("action", choices=["add", "remove"], help="add also changes the password of a known user")
    sip_user.add_argument("name")
    sip_user.add_argument("--realm", default="huiyin", help="the same for all accounts of a file (default: huiyin)")
    sip_user.add_argument(
        "--only", choices=["SHA-256", "MD5"], help="one algorithm; MD5 for gateways that read only the first challenge"
    )


async def run_sip_user(settings: Settings, options: argparse.Namespace) -> int:
    from telephony.sip.accounts import add_account, remove_account
    from telephony.sip.digest import ALGORITHMS, Account

    path = _file(settings)
    if options.action == "remove":
        remove_account(path, options.name)
        print(f"已删除 removed: {options.name}")
        return 0
    try:
        account = Account.of(
            options.name, options.realm, read_password(), [options.only] if options.only else ALGORITHMS
        )
    except ValueError as error:
        raise SettingsError(f"sip-user: {error}") from None
    changed = add_account(path, account)
    print(f"{'已更改 changed' if changed else '已新增 added'}: {options.name} ({path})")
    return 0


def _file(settings: Settings) -> Path:
    if settings.sip_users_file is None:
        raise SettingsError("HUIYIN_SIP_USERS_FILE: empty; name the file of the accounts, which is made if need be")
    return settings.sip_users_file
