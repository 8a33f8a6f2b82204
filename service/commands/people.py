"""user: accounts of the pages and the API, for whoever has the machine: the twin of the page 系统管理."""

import argparse
from typing import TYPE_CHECKING

from api.permissions import ROLES
from core.settings import Settings
from service.commands.family import Commands, a_moment, command, read_password

if TYPE_CHECKING:
    from archive.house import Archive


def add_to(commands: Commands) -> None:
    """Add this family's commands."""
    user = command(commands, "user", "账号 accounts: add, list, change, reset", run_user)
    actions = user.add_subparsers(dest="action", required=True)
    adding = _named(actions, "add", "新增账号 add an account; its password is asked for")
    adding.add_argument("--role", choices=ROLES, required=True)
    adding.add_argument("--team", default="", help="班组 the team, which must exist")
    adding.add_argument("--random", action="store_true", help="make a password, shown once, changed at the first login")
    actions.add_parser("list", help="全部账号 all accounts")
    _named(actions, "role", "更改角色 give another role").add_argument("role", choices=ROLES)
    _named(actions, "team", "划入班组 move to a team").add_argument("team", help="empty: none")
    _named(actions, "password", "更改自己的密码 change a password, with the present one")
    _named(actions, "reset", "重置密码，显示一次 make a new password, shown once; ends the sessions")
    _named(actions, "no-second-factor", "取消第二验证 take the second factor off")
    _named(actions, "off", "停用 switch off; ends the sessions")
    _named(actions, "on", "启用 switch on")
    _named(actions, "end-sessions", "结束全部会话 end all sessions")
    actions.add_parser("add-team", help="新增班组 found a team").add_argument("name")
    number = actions.add_parser("number", help="分机划归班组 give an agent's number to a team")
    number.add_argument("name", help="the number, as gateways signal it")
    number.add_argument("--team", default="")
    number.add_argument("--holder", default="", help="the account that uses it")
    number.add_argument("--since", type=a_moment, help="from when on (absent: now)")


def _named(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, meaning: str
) -> argparse.ArgumentParser:
    added = actions.add_parser(name, help=meaning, description=meaning)
    added.add_argument("name", help="the account")
    return added


async def run_user(settings: Settings, options: argparse.Namespace) -> int:
    from service.wiring import open_archive

    async with open_archive(settings) as archive:
        if options.action == "list":
            await _list(archive)
        elif options.action in ("add", "password", "reset"):
            await _secret(archive, options)
        else:
            await _change(archive, options)
    return 0


async def _list(archive: "Archive") -> None:
    from api.access.accounts import list_users

    async with archive.database.read() as session:
        for row in await list_users(session):
            facts = (row.role, row.team or "—", "on" if row.active else "off", "2FA" if row.totp_sealed else "—")
            print(row.name, *facts, sep="\t")


async def _secret(archive: "Archive", options: argparse.Namespace) -> None:
    from api.access import passwords
    from api.access.accounts import COMMAND_LINE, create_user, set_password
    from api.access.signin import verify
    from core.clock import utc_now
    from core.errors import Refused

    name, generated = options.name, ""
    if options.action == "reset" or (options.action == "add" and options.random):
        generated = passwords.generate()
    if options.action == "add":
        await create_user(
            archive.database,
            name,
            generated or read_password(),
            options.role,
            team=options.team,
            now=utc_now(),
            must_change=bool(generated),
        )
    elif options.action == "reset":
        await set_password(archive.database, name, generated, by=COMMAND_LINE, now=utc_now(), must_change=True)
    else:
        if await verify(archive.database, passwords.PasswordChecks(), name, read_password()) is None:
            raise Refused("账号或密码不符 / wrong name or password", account=name)
        await set_password(archive.database, name, read_password(), by=name, now=utc_now(), must_change=False)
    print(
        f"完成 done: {name}" + (f"，密码（仅显示这一次）password (shown only once): {generated}" if generated else "")
    )


async def _change(archive: "Archive", options: argparse.Namespace) -> None:
    from api.access import accounts, second_factor, sessions
    from archive import teams
    from core.clock import utc_now

    name, by, now = options.name, accounts.COMMAND_LINE, utc_now()
    async with archive.database.write() as session:
        if options.action == "role":
            await accounts.set_role(session, name, options.role, by=by, now=now)
        elif options.action == "team":
            await accounts.set_team(session, name, options.team, by=by, now=now)
        elif options.action in ("on", "off"):
            await accounts.set_active(session, name, options.action == "on", by=by, now=now)
        elif options.action == "no-second-factor":
            await second_factor.remove(session, name, by=by, now=now)
        elif options.action == "end-sessions":
            await accounts.account(session, name)
            await sessions.end_sessions(session, name)
        elif options.action == "add-team":
            await teams.add_team(session, name, by=by, now=now)
        else:
            since = options.since or now
            await accounts.give_number(
                session, name, team=options.team, holder=options.holder, since=since, by=by, now=now
            )
    print(f"完成 done: {name}")
