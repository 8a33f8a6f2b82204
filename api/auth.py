"""Users, sessions and the limit on guessing.

Passwords are kept as argon2id hashes; session tokens (256 random bits) as their SHA-256, so that a copied database logs
nobody in.
"""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import ForeignKey, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from api.permissions import ROLES, SECURITY
from core.database import Base, Database, UtcDateTime
from core.errors import Conflict, Refused

SHORTEST_PASSWORD = 10
_HASHER = PasswordHasher()


class UserRow(Base):
    """A person (or machine) that may log in.  ``role`` is one of `api.permissions`; an empty ``team``: none."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    team: Mapped[str] = mapped_column(String(60), default="", server_default="")
    password_hash: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SessionRow(Base):
    """A login.  The token itself is known only to its holder."""

    __tablename__ = "sessions"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


@dataclass(frozen=True)
class User:
    """Who is asking."""

    name: str
    role: str
    team: str = ""


@dataclass(frozen=True)
class Login:
    """A fresh session: its token is shown here and never again."""

    user: User
    token: str
    expires_at: datetime


async def create_user(database: Database, name: str, password: str, role: str, *, now: datetime) -> User:
    """Add a user; ``Refused`` for a short password or unknown role, ``Conflict`` when the name is taken."""
    if role not in ROLES:
        raise Refused("no such role", role=role, expected=" | ".join(ROLES))
    if len(password) < SHORTEST_PASSWORD:
        raise Refused("the password is too short", expected=f"at least {SHORTEST_PASSWORD} characters")
    hashed = await asyncio.to_thread(_HASHER.hash, password)
    async with database.write() as session:
        if await session.get(UserRow, name) is not None:
            raise Conflict("there is a user of this name already", user=name)
        session.add(UserRow(name=name, role=role, password_hash=hashed, active=True, created_at=now))
    return User(name, role)


async def ensure_first_admin(database: Database, now: datetime) -> tuple[str, str] | None:
    """On a database without users: make ``admin`` with a random password and return both, once; else ``None``."""
    async with database.read() as session:
        if await session.scalar(select(func.count()).select_from(UserRow)):
            return None
    password = secrets.token_urlsafe(12)
    await create_user(database, "admin", password, SECURITY, now=now)
    return "admin", password


async def verify(database: Database, name: str, password: str) -> User | None:
    """The active user with this password; takes as long for a name that does not exist."""
    async with database.read() as session:
        row = await session.get(UserRow, name)
    right = await asyncio.to_thread(_matches, row.password_hash if row else _nobodys_hash(), password)
    return User(row.name, row.role, row.team) if row and row.active and right else None


async def login(database: Database, name: str, password: str, *, now: datetime, lasts: timedelta) -> Login | None:
    """Check the password and open a session; sessions that have run out are swept on the way."""
    user = await verify(database, name, password)
    if user is None:
        return None
    token = secrets.token_urlsafe(32)
    row = SessionRow(token_sha256=_digest(token), user=user.name, created_at=now, expires_at=now + lasts)
    async with database.write() as session:
        await session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
        session.add(row)
    return Login(user, token, now + lasts)


async def logout(database: Database, token: str) -> None:
    """End the session of this token, if there is one."""
    async with database.write() as session:
        await session.execute(delete(SessionRow).where(SessionRow.token_sha256 == _digest(token)))


async def user_of(database: Database, token: str, now: datetime) -> User | None:
    """Whose session this token is, if it has not run out and its user is still active."""
    async with database.read() as session:
        row = await session.scalar(
            select(UserRow)
            .join(SessionRow, SessionRow.user == UserRow.name)
            .where(SessionRow.token_sha256 == _digest(token), SessionRow.expires_at > now, UserRow.active)
        )
    return User(row.name, row.role, row.team) if row else None


def form_token(session_token: str) -> str:
    """The token that forms of a session carry against cross-site requests; tells nothing about the session token."""
    return hmac.new(session_token.encode(), b"huiyin form", hashlib.sha256).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(16))


def _matches(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


@dataclass
class LoginGuard:
    """Counts failed logins by name and by address within a window; in memory, so each process counts for itself."""

    window: timedelta = timedelta(minutes=5)
    by_name: int = 5
    by_address: int = 30
    _failures: dict[str, list[datetime]] = field(default_factory=dict)

    def wait(self, name: str, address: str, now: datetime) -> timedelta:
        """How long this name or address has to wait before its next try; zero when it may try now."""
        self._forget(now)
        waits = [
            failures[0] + self.window - now
            for key, most in ((f"name {name}", self.by_name), (f"address {address}", self.by_address))
            if len(failures := self._failures.get(key, [])) >= most
        ]
        return max(waits, default=timedelta(0))

    def failed(self, name: str, address: str, now: datetime) -> None:
        """A login was refused."""
        for key in (f"name {name}", f"address {address}"):
            self._failures.setdefault(key, []).append(now)

    def succeeded(self, name: str) -> None:
        """A login worked: the name starts afresh."""
        self._failures.pop(f"name {name}", None)

    def _forget(self, now: datetime) -> None:
        kept = {key: [at for at in times if at > now - self.window] for key, times in self._failures.items()}
        self._failures = {key: times for key, times in kept.items() if times}
