"""Who decides, at a command: the same account, password, second factor and lock as on the pages."""

from typing import TYPE_CHECKING

from service.commands.family import read_password

if TYPE_CHECKING:
    from archive.house import Archive
    from core.settings import Settings


async def deciding(archive: "Archive", settings: "Settings", name: str, permission: str) -> str:
    """The account's name, once password and code are right and its role may decide this; ``Refused`` otherwise."""
    from api.access.accounts import COMMAND_LINE, UserRow
    from api.access.attempts import Attempt
    from api.access.passwords import PasswordChecks
    from api.access.signin import confirm
    from api.permissions import allows
    from core.clock import utc_now
    from core.errors import Refused

    attempt = Attempt(name, COMMAND_LINE)
    right = await confirm(archive.database, PasswordChecks(), attempt, read_password(), now=utc_now()) is True
    async with archive.database.read() as session:
        row = await session.get(UserRow, name)
    if not right or row is None or row.must_change or not allows(permission, row.role):
        raise Refused(
            "账号、密码或权限不符 / this account may not decide that",
            account=name,
            permission=permission,
            remedy="an account whose role may, with its own password (`huiyin user password`), not locked",
        )
    if row.totp_sealed:
        await _require_code(archive, settings, name)
    return row.name


async def _require_code(archive: "Archive", settings: "Settings", name: str) -> None:
    from api.access.second_factor import passes
    from core.clock import utc_now
    from core.errors import Refused
    from core.sealed_secrets import SecretBox

    box = SecretBox.open(settings.secret_key)
    code = read_password("验证码 code: ")
    async with archive.database.write() as session:
        right = await passes(session, box, name, code, now=utc_now())
    if not right:
        raise Refused("验证码不正确，或已经用过 / the code is wrong or was used already", account=name)
