"""Attempts to log in, counted by name and by address in the database: a restart forgives nothing.

A name that somebody tried may be a mistyped password, so only its hash is kept.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

from sqlalchemy import String, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

WINDOW = timedelta(minutes=10)
BY_NAME, BY_ADDRESS = 5, 40


class AttemptRow(Base):
    """How many logins were tried under one key (a name, an address) since the first of a window."""

    __tablename__ = "login_attempts"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    count: Mapped[int]


@dataclass(frozen=True)
class Attempt:
    """Somebody tries to log in."""

    name: str
    address: str

    @property
    def keys(self) -> Sequence[tuple[str, int]]:
        """Under what it counts, and how many attempts each has in a window."""
        return ((_name_key(self.name), BY_NAME), (f"address {network_of(self.address)}", BY_ADDRESS))


def network_of(address: str) -> str:
    """The address; of IPv6 the /64, which is what one customer has."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return address[:60] if parsed is None else str(parsed)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address, an IPv4 one also where a socket of both families writes it as ``::ffff:192.0.2.1``; else None."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


@dataclass(frozen=True)
class Charged:
    """``wait``: how long to refuse this attempt, zero to go on.  ``last``: if it fails, the name is locked by it."""

    wait: timedelta
    last: bool


async def charge(session: AsyncSession, attempt: Attempt, now: datetime) -> Charged:
    """Count an attempt before its password is looked at, so that a hundred at once are not all let through."""
    await session.execute(delete(AttemptRow).where(AttemptRow.first_at <= now - WINDOW))
    waits, last = [timedelta(0)], False
    for key, most in attempt.keys:
        count, first_at = await _count(session, key, now)
        if count > most:
            waits.append(first_at + WINDOW - now)
        last = last or (key.startswith("name ") and count == most)
    return Charged(max(waits), last)


async def succeeded(session: AsyncSession, attempt: Attempt, tried: int = 1) -> None:
    """A login worked: the name starts afresh; of the address only what it ``tried`` itself is forgiven, or one good
    account would hide many guesses."""
    (name, _), (address, _) = attempt.keys
    await session.execute(delete(AttemptRow).where(AttemptRow.key == name))
    await session.execute(update(AttemptRow).where(AttemptRow.key == address).values(count=AttemptRow.count - tried))


async def _count(session: AsyncSession, key: str, now: datetime) -> tuple[int, datetime]:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    counted = (
        insert(AttemptRow)
        .values(key=key, first_at=now, count=1)
        .on_conflict_do_update(index_elements=[AttemptRow.key], set_={"count": AttemptRow.count + 1})
        .returning(AttemptRow.count, AttemptRow.first_at)
    )
    count, first_at = (await session.execute(counted)).one()
    return count, first_at


def _name_key(name: str) -> str:
    return f"name {hashlib.sha256(name.casefold().encode()).hexdigest()}"
