"""Accounts: who there is, with which role and team.  Every change is a row of the ledger, in the same transaction.

Two rules stand above the permission table: nobody changes the own role or switches himself off, and the last active
security administrator stays one.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, String, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api.access import passwords
from api.access.sessions import end_sessions
from api.access.tokens import revoke_all
from api.access.user import User
from api.permissions import ROLES, SECURITY
from archive.teams import assign, numbers_held, require_team
from core import ledger
from core.database import Base, Database, UtcDateTime
from core.errors import Conflict, NotFound, Refused

COMMAND_LINE = "command line"
# Whom the ledger, and the rules about two people, take for the program itself: nobody may be called so.
RESERVED = frozenset({"system", "rules", "gateway", "nobody", "demo"})


class UserRow(Base):
    """A person (or machine) that may log in.  ``role`` is one of `api.permissions`; an empty ``team``: none."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    team: Mapped[str] = mapped_column(String(60), default="", server_default="")
    password_hash: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Somebody else knows this password: a new one comes before everything else.
    must_change: Mapped[bool] = mapped_column(default=False, server_default="0")
    # The shared secret of RFC 6238, sealed (`core.sealed_secrets`); empty: no second factor.  Of its time steps none
    # counts twice.
    totp_sealed: Mapped[str] = mapped_column(String(200), default="", server_default="")
    totp_last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    # How the provider of `HUIYIN_OIDC_ISSUER` names this person; empty: not known there.
    oidc_name: Mapped[str] = mapped_column(String(200), default="", server_default="", index=True)


def user_from(row: UserRow, *, pending: str = "", scopes: frozenset[str] | None = None) -> User:
    """The value that handlers see."""
    return User(row.name, row.role, row.team, scopes, pending)


async def create_user(
    database: Database,
    name: str,
    password: str,
    role: str,
    *,
    now: datetime,
    team: str = "",
    by: str = COMMAND_LINE,
    must_change: bool = False,
) -> User:
    """Add an account; ``Refused`` for a bad name, password or role, ``Conflict`` when the name is taken."""
    _check_name(name)
    _check_role(role)
    passwords.check(password, name)
    hashed = await passwords.hashed(password)
    async with database.write() as session:
        if await session.get(UserRow, name) is not None:
            raise Conflict("已有同名账号 / there is an account of this name already", user=name)
        await require_team(session, team)
        row = UserRow(
            name=name, role=role, team=team, password_hash=hashed, active=True, created_at=now, must_change=must_change
        )
        session.add(row)
        await record(session, "account added", by, name, {"role": role, "team": team}, now)
    return User(name, role, team)


async def ensure_first_admin(database: Database, now: datetime) -> tuple[str, str] | None:
    """On a database without users: make ``admin``, who gives accounts, with a random password that has to be changed;
    returns both, once, else ``None``."""
    async with database.read() as session:
        if await session.scalar(select(func.count()).select_from(UserRow)):
            return None
    password = passwords.generate()
    await create_user(database, "admin", password, SECURITY, now=now, by="system", must_change=True)
    return "admin", password


async def list_users(session: AsyncSession) -> list[UserRow]:
    """All accounts, by name."""
    return list(await session.scalars(select(UserRow).order_by(UserRow.name)))


async def account(session: AsyncSession, name: str) -> UserRow:
    """The account, locked until the transaction ends; ``NotFound`` otherwise."""
    row = await session.get(UserRow, name, with_for_update=True)
    if row is None:
        raise NotFound("没有这个账号 / no such account", account=name)
    return row


async def set_role(session: AsyncSession, name: str, role: str, *, by: str, now: datetime) -> None:
    """Give another role; all of the account's sessions end, because they were opened with the old one."""
    _check_role(role)
    row = await account(session, name)
    not_oneself(name, by)
    if row.role == role:
        return
    if row.role == SECURITY:
        await _require_another(session, name)
    before, row.role = row.role, role
    await end_sessions(session, name)
    await record(session, "role changed", by, name, {"from": before, "to": role}, now)


async def set_active(session: AsyncSession, name: str, active: bool, *, by: str, now: datetime) -> None:
    """Switch an account on or off; off ends its sessions at once."""
    row = await account(session, name)
    not_oneself(name, by)
    if row.active == active:
        return
    if not active and row.role == SECURITY:
        await _require_another(session, name)
    row.active = active
    await end_sessions(session, name)
    await record(session, "account switched on" if active else "account switched off", by, name, {}, now)


async def set_team(session: AsyncSession, name: str, team: str, *, by: str, now: datetime) -> None:
    """Move an account, and the numbers it holds, to a team from now on; what was recorded before stays where it was."""
    row = await account(session, name)
    not_oneself(name, by)
    await require_team(session, team)
    if row.team == team:
        return
    before, row.team = row.team, team
    await end_sessions(session, name)
    await record(session, "team changed", by, name, {"from": before, "to": team}, now)
    for each in await numbers_held(session, now):
        if each.holder == name:
            await assign(session, each.number, team=team, holder=name, since=now, by=by, now=now)


async def give_number(
    session: AsyncSession, number: str, *, team: str, holder: str, since: datetime, by: str, now: datetime
) -> int:
    """Give an agent's number to a team, and to the account that uses it; returns how many recordings moved."""
    if holder:
        row = await account(session, holder)
        if row.team != team:
            raise Conflict("使用人在另一个班组 / the holder is in another team", account=holder, team=row.team)
    return await assign(session, number, team=team, holder=holder, since=since, by=by, now=now)


async def set_oidc_name(session: AsyncSession, name: str, oidc_name: str, *, by: str, now: datetime) -> None:
    """Say how the provider names this account; ``Conflict`` where another account has that name."""
    row = await account(session, name)
    not_oneself(name, by)
    taken = await session.scalar(select(UserRow.name).where(UserRow.oidc_name == oidc_name, UserRow.name != name))
    if oidc_name and taken is not None:
        raise Conflict("另一个账号已用这个统一认证名称 / another account has this name at the provider", account=taken)
    row.oidc_name = oidc_name
    await record(session, "provider name set", by, name, {}, now)


async def set_password(
    database: Database, name: str, password: str, *, by: str, now: datetime, must_change: bool
) -> None:
    """Replace a password and end every session of the account; where somebody else does it, its tokens end too."""
    passwords.check(password, name)
    hashed = await passwords.hashed(password)
    async with database.write() as session:
        row = await account(session, name)
        row.password_hash, row.must_change = hashed, must_change
        await end_sessions(session, name)
        await record(session, "password changed" if by == name else "password reset", by, name, {}, now)
        if by != name:
            await revoke_all(session, name, by=by, now=now)


def _check_name(name: str) -> None:
    """Names stand in logs, ledger and addresses: letters and digits of any script, and ``. _ - @``."""
    if name.casefold() in RESERVED:
        raise Refused("这个名字留给系统自己 / this name is the program's own", account=name)
    if not 1 <= len(name) <= 60 or not all(each.isalnum() or each in "._-@" for each in name):
        raise Refused("用户名只能用文字、数字和 . _ - @ / a name is letters, digits and . _ - @")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Refused("没有这个角色 / no such role", role=role, expected=" | ".join(ROLES))


def not_oneself(name: str, by: str) -> None:
    """``Refused`` where somebody changes the own rights, or takes the own secrets off past the checks of his page."""
    if name == by:
        raise Refused("不能更改自己的权限，请由另一位安全管理员操作 / another security administrator has to do that")


async def _require_another(session: AsyncSession, name: str) -> None:
    others = select(UserRow.name).where(UserRow.role == SECURITY, UserRow.active, UserRow.name != name)
    # Locked, so that two who remove each other at once do not both succeed.
    if not (await session.scalars(others.with_for_update())).all():
        raise Refused("这是最后一位安全管理员，请先新增一位 / the last security administrator: add another one first")


async def record(
    session: AsyncSession, kind: str, by: str, subject: str, facts: Mapping[str, object], now: datetime
) -> None:
    """A row of the ledger about an account."""
    await ledger.append(session, ledger.Entry(kind, by, subject, facts), now)
