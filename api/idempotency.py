"""Writes that were asked for under a key are done once: the key's row says who is at it, or what was answered.

draft-ietf-httpapi-idempotency-key-header.  A row belongs to one account; it holds the key's hash, a mark of the request
and the sealed answer, so that a copied database gives neither keys nor what was said.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ColumnElement, CursorResult, String, Text, delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

KEPT_FOR = timedelta(days=1)
# Whoever works under a key says so again before this is over; who died does not.
LEASE = timedelta(seconds=60)


class IdempotencyKey(Base):
    """One key of one account; ``status`` is 0 while the first request is under way."""

    __tablename__ = "idempotency_keys"

    account: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    holder: Mapped[str] = mapped_column(String(32))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[int] = mapped_column(default=0)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[str] = mapped_column(Text, default="")


@dataclass(frozen=True)
class Claim:
    """This request's right to be the one that is done; ``holder`` is nobody else's."""

    account: str
    key: str
    fingerprint: str
    holder: str

    @classmethod
    def new(cls, account: str, key: str, fingerprint: str) -> "Claim":
        return cls(account, key, fingerprint, secrets.token_hex(16))


async def begin(session: AsyncSession, claim: Claim, now: datetime) -> IdempotencyKey | None:
    """``None`` when the request is ours to do; else the row of the one before.

    A row that is a day old, or whose holder has died, is taken over."""
    values = {
        "fingerprint": claim.fingerprint,
        "begun_at": now,
        "holder": claim.holder,
        "lease_until": now + LEASE,
        "status": 0,
        "headers": {},
        "sealed": "",
    }
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    key = {"account": claim.account, "key": claim.key}
    made = await session.execute(insert(IdempotencyKey).values(**key, **values).on_conflict_do_nothing())
    assert isinstance(made, CursorResult)
    if made.rowcount:
        return None
    row = await session.get(IdempotencyKey, (claim.account, claim.key), with_for_update=True)
    if row is None or not (_is_over(row, now) or _is_abandoned(row, claim, now)):
        return row
    for name, value in values.items():
        setattr(row, name, value)
    return None


def _is_over(row: IdempotencyKey, now: datetime) -> bool:
    return row.begun_at <= now - KEPT_FOR and (bool(row.status) or row.lease_until < now)


def _is_abandoned(row: IdempotencyKey, claim: Claim, now: datetime) -> bool:
    return not row.status and row.lease_until < now and row.fingerprint == claim.fingerprint


async def go_on(session: AsyncSession, claim: Claim, now: datetime) -> None:
    """Say that the work is still under way."""
    await session.execute(update(IdempotencyKey).where(*_own(claim)).values(lease_until=now + LEASE))


async def keep(session: AsyncSession, claim: Claim, status: int, headers: dict[str, str], sealed: str) -> None:
    """Keep the answer."""
    values = {"status": status, "headers": headers, "sealed": sealed}
    await session.execute(update(IdempotencyKey).where(*_own(claim)).values(values))


async def give_up(session: AsyncSession, claim: Claim) -> None:
    """Where no answer was kept, whoever comes next with this key may do it."""
    await session.execute(delete(IdempotencyKey).where(*_own(claim), IdempotencyKey.status == 0))


def _own(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        IdempotencyKey.account == claim.account,
        IdempotencyKey.key == claim.key,
        IdempotencyKey.holder == claim.holder,
    )


async def forget_old(session: AsyncSession, now: datetime) -> int:
    """Remove what is a day old; how many keys that were."""
    old = delete(IdempotencyKey).where(IdempotencyKey.begun_at <= now - KEPT_FOR, IdempotencyKey.lease_until < now)
    done = await session.execute(old)
    assert isinstance(done, CursorResult)
    return done.rowcount
