"""Tokens for machines: some of an account's permissions, until a day, revocable; shown once and kept as a hash."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, Uuid, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api.access.secret import digest, new_secret
from api.access.user import User
from api.permissions import PERMISSIONS
from core import ledger
from core.database import Base, UtcDateTime
from core.errors import NotFound, Refused
from core.ids import new_id

PREFIX = "huiyin_"
LONGEST = timedelta(days=366)
USED_EVERY = timedelta(minutes=1)
# A machine never manages people, itself included, and never sees them in full.
NEVER = frozenset(
    {"account.own", "tokens.own", "accounts.see", "accounts.manage", "session.end", "start.see", "people.reveal"}
)


class TokenRow(Base):
    """A token of an account.  ``scopes`` are permissions; what the account's role loses, the token loses too."""

    __tablename__ = "api_tokens"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name"), index=True)
    label: Mapped[str] = mapped_column(String(60))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def scopes_of(user: User) -> Sequence[str]:
    """The permissions that somebody may hand to a machine."""
    return [each for each in PERMISSIONS if user.may(each) and each not in NEVER]


async def make_token(
    session: AsyncSession, user: User, label: str, scopes: Sequence[str], *, lasts: timedelta, now: datetime
) -> tuple[TokenRow, str]:
    """Make one and return it with its secret, which is never shown again; ``Refused`` for what may not be handed on."""
    beyond = sorted(set(scopes) - set(scopes_of(user)))
    if beyond or not scopes:
        raise Refused("令牌只能有本人的部分权限 / a token holds some of its owner's permissions", refused=beyond)
    if not timedelta(0) < lasts <= LONGEST:
        raise Refused("令牌最长有效一年 / a token lasts a year at most", expected=f"1 to {LONGEST.days} days")
    secret = new_secret(PREFIX)
    row = TokenRow(
        id=new_id(now),
        user=user.name,
        label=label,
        token_sha256=digest(secret),
        scopes=sorted(set(scopes)),
        created_at=now,
        expires_at=now + lasts,
    )
    session.add(row)
    facts = {"token": str(row.id), "scopes": row.scopes, "expires_at": row.expires_at.isoformat()}
    await ledger.append(session, ledger.Entry("token made", user.name, user.name, facts), now)
    return row, secret


def holds(row: TokenRow, now: datetime) -> bool:
    """Neither revoked nor run out."""
    return row.revoked_at is None and now < row.expires_at


async def mark_used(session: AsyncSession, row: TokenRow, now: datetime) -> None:
    """Remember when it was last used."""
    await session.execute(update(TokenRow).where(TokenRow.id == row.id).values(last_used_at=now))


async def tokens_of(session: AsyncSession, user: str | None = None) -> Sequence[TokenRow]:
    """The tokens of an account (or of all), the newest first, the revoked included."""
    query = select(TokenRow).order_by(TokenRow.created_at.desc(), TokenRow.id.desc())
    return list(await session.scalars(query.where(TokenRow.user == user) if user is not None else query))


async def revoke_all(session: AsyncSession, user: str, *, by: str, now: datetime) -> None:
    """Revoke every token of an account."""
    for row in await tokens_of(session, user):
        if row.revoked_at is None:
            await revoke(session, row.id, of=user, by=by, now=now)


async def revoke(session: AsyncSession, identifier: UUID, *, of: str | None, by: str, now: datetime) -> None:
    """Revoke a token (``of`` an account, where only that one's may be revoked); ``NotFound`` for one that is none."""
    row = await session.get(TokenRow, identifier, with_for_update=True)
    if row is None or row.revoked_at is not None or (of is not None and row.user != of):
        raise NotFound("没有这个有效的令牌 / no such token in force", token=identifier)
    row.revoked_at = now
    await ledger.append(session, ledger.Entry("token revoked", by, row.user, {"token": str(identifier)}), now)
