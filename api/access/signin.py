"""The way in: attempts are counted, the password is looked at, then the second factor, and the ledger says so.

Whether a name exists is told neither by the answer nor by the work done: each attempt counts, compares one hash and
leaves one row in the ledger.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import attempts, second_factor, sessions, tokens
from api.access.accounts import UserRow, user_from
from api.access.attempts import Attempt
from api.access.passwords import PasswordChecks
from api.access.secret import digest
from api.access.sessions import Client, Lasts, Opened, SessionRow
from api.access.tokens import TokenRow
from api.access.user import NEW_FACTOR, NEW_PASSWORD, User
from core import ledger
from core.database import Database
from core.sealed_secrets import SecretBox

# Whose a token is, and the row that says so.
_Held = tuple[User, SessionRow | TokenRow]
# Who tries to log in under a name that there is none of: the ledger does not say which, it may be a password.
NOBODY = "nobody"


@dataclass(frozen=True)
class Rules:
    """What the settings say about logins: how long sessions last, and which roles need a second factor."""

    lasts: Lasts
    factor_roles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Locked:
    """Too many attempts: not before ``wait`` is over."""

    wait: timedelta


@dataclass(frozen=True)
class Login:
    """Somebody is in (or half in, where a second factor is still to come)."""

    user: User
    opened: Opened


async def verify(database: Database, checks: PasswordChecks, name: str, password: str) -> User | None:
    """The active user with this password; the same work is done for a name that does not exist."""
    async with database.read() as session:
        row = await session.get(UserRow, name)
    right = await checks.matches(row.password_hash if row else None, password)
    return user_from(row, pending=NEW_PASSWORD if row.must_change else "") if row and row.active and right else None


async def log_in(
    database: Database,
    checks: PasswordChecks,
    rules: Rules,
    name: str,
    password: str,
    client: Client,
    *,
    now: datetime,
) -> Login | Locked | None:
    """Try a password; ``None`` for a wrong one, a name that there is none of, or an account that is switched off."""
    attempt = Attempt(name, client.address)
    async with database.write() as session:
        charged = await attempts.charge(session, attempt, now)
    if charged.wait > timedelta(0):
        return Locked(charged.wait)
    user = await verify(database, checks, name, password)
    async with database.write() as session:
        if user is None:
            await _failed(session, attempt, "password", charged.last, now)
            return None
        return await _entered(session, attempt, rules, user.name, client, "password", now)


async def confirm(
    database: Database, checks: PasswordChecks, attempt: Attempt, password: str, *, now: datetime
) -> bool | Locked:
    """Whether somebody who is logged in knows the own password; wrong ones count as attempts to log in."""
    async with database.write() as session:
        charged = await attempts.charge(session, attempt, now)
    if charged.wait > timedelta(0):
        return Locked(charged.wait)
    right = await verify(database, checks, attempt.name, password) is not None
    async with database.write() as session:
        if right:
            await attempts.succeeded(session, attempt)
        else:
            await _failed(session, attempt, "password", charged.last, now)
    return right


async def log_in_by_provider(
    database: Database, rules: Rules, oidc_name: str, client: Client, *, now: datetime
) -> Login | None:
    """Let in whom the provider of OIDC named, if an active account has that name."""
    async with database.write() as session:
        known = select(UserRow).where(UserRow.oidc_name == oidc_name, UserRow.active)
        row = await session.scalar(known) if oidc_name else None
        attempt = Attempt(row.name if row else "", client.address)
        if row is None:
            await _failed(session, attempt, "provider", False, now)
            return None
        return await _entered(session, attempt, rules, row.name, client, "provider", now)


async def finish(
    database: Database, rules: Rules, box: SecretBox, half_token: str, code: str, client: Client, *, now: datetime
) -> Login | Locked | None:
    """The second factor of a half open session: a code of now, or a recovery code.  Each counts as an attempt."""
    async with database.write() as session:
        half = await sessions.session_of(session, half_token, now, rules.lasts)
        if half is None or not half.half_open:
            return None
        attempt = Attempt(half.user, client.address)
        charged = await attempts.charge(session, attempt, now)
        if charged.wait > timedelta(0):
            return Locked(charged.wait)
        if not await second_factor.passes(session, box, half.user, code, now=now):
            await _failed(session, attempt, "second factor", charged.last, now)
            return None
        await sessions.end_session(session, half_token)
        await attempts.succeeded(session, attempt, tried=2)
        return await _open(session, rules, half.user, client, now)


async def log_out(database: Database, token: str) -> None:
    """End the session of this token, if there is one."""
    async with database.write() as session:
        await sessions.end_session(session, token)


async def renew(database: Database, rules: Rules, name: str, client: Client, *, now: datetime) -> Login:
    """End every session of an account and open one: once rights or secrets changed, old tokens are worth nothing."""
    async with database.write() as session:
        await sessions.end_sessions(session, name)
        row = await session.get_one(UserRow, name)
        opened = await sessions.open_session(session, name, client, now=now, lasts=rules.lasts)
        return Login(user_from(row, pending=_pending(row, rules)), opened)


async def user_of(database: Database, token: str, now: datetime, rules: Rules, *, used: bool = True) -> User | None:
    """Whose token this is: a session's that has not run out, or a machine's that holds; its user must be active.
    ``used``: it lasts on; a page that renews itself while nobody is there must not keep a session alive."""
    async with database.read() as session:
        found = (await _held(session, [token], now, rules)).get(token)
    if found is None:
        return None
    user, row = found
    last = row.seen_at if isinstance(row, SessionRow) else row.last_used_at
    if used and (last is None or now - last >= sessions.SEEN_EVERY):
        async with database.write() as session:
            if isinstance(row, SessionRow):
                await sessions.mark_seen(session, row, now)
            else:
                await tokens.mark_used(session, row, now)
    return user


async def holders(session: AsyncSession, wanted: Collection[str], now: datetime, rules: Rules) -> Mapping[str, User]:
    """Whose tokens these are, of those that still hold; asking does not count as using them."""
    return {token: user for token, (user, _) in (await _held(session, wanted, now, rules)).items()}


async def _held(session: AsyncSession, wanted: Collection[str], now: datetime, rules: Rules) -> Mapping[str, _Held]:
    """One question for sessions and one for machines, however many tokens there are; most requests ask for one."""
    by_hash = {digest(token): token for token in wanted}
    machines = [each for each, token in by_hash.items() if token.startswith(tokens.PREFIX)]
    people = by_hash.keys() - machines
    held: dict[str, _Held] = {}
    if people:
        joined = select(SessionRow, UserRow).join(UserRow, UserRow.name == SessionRow.user)
        found = await session.execute(joined.where(SessionRow.token_sha256.in_(people), UserRow.active))
        for row, owner in found:
            if sessions.is_alive(row, now, rules.lasts) and not row.half_open:
                held[by_hash[row.token_sha256]] = user_from(owner, pending=_pending(owner, rules)), row
    if machines:
        known = select(TokenRow, UserRow).join(UserRow, UserRow.name == TokenRow.user)
        given = await session.execute(known.where(TokenRow.token_sha256.in_(machines), UserRow.active))
        for token, owner in given:
            if tokens.holds(token, now):
                held[by_hash[token.token_sha256]] = user_from(owner, scopes=frozenset(token.scopes)), token
    return held


def _pending(row: UserRow, rules: Rules) -> str:
    if row.must_change:
        return NEW_PASSWORD
    return NEW_FACTOR if row.role in rules.factor_roles and not row.totp_sealed else ""


async def _entered(
    session: AsyncSession, attempt: Attempt, rules: Rules, name: str, client: Client, by: str, now: datetime
) -> Login:
    row = await session.get_one(UserRow, name)
    if row.totp_sealed:
        # The attempt stays counted until the second factor is right: guesses of codes stop at the same lock.
        opened = await sessions.open_session(session, name, client, now=now, lasts=rules.lasts, half_open=True)
        return Login(user_from(row), opened)
    await attempts.succeeded(session, attempt)
    return await _open(session, rules, name, client, now, by=by)


async def _open(
    session: AsyncSession, rules: Rules, name: str, client: Client, now: datetime, by: str = "second factor"
) -> Login:
    row = await session.get_one(UserRow, name)
    opened = await sessions.open_session(session, name, client, now=now, lasts=rules.lasts)
    await _note(session, "logged in", name, {"by": by, "address": client.address}, now)
    return Login(user_from(row, pending=_pending(row, rules)), opened)


async def _failed(session: AsyncSession, attempt: Attempt, what: str, locks: bool, now: datetime) -> None:
    known = await session.get(UserRow, attempt.name)
    name = known.name if known else NOBODY
    await _note(session, "login failed", name, {"what": what, "address": attempt.address}, now)
    if locks:
        await _note(session, "login locked", name, {"minutes": attempts.WINDOW.total_seconds() // 60}, now)


async def _note(session: AsyncSession, kind: str, name: str, facts: Mapping[str, object], now: datetime) -> None:
    await ledger.append(session, ledger.Entry(kind, name, "login", facts), now)
