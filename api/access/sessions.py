"""Sessions: a login lasts for hours at most, and for minutes without a request; each can be ended by itself.

A session is open after the password and, where there is one, the second factor.  Between the two it is only half
open: its token lets nobody in, and the full login gets another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, String, Uuid, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from api.access.secret import digest, new_secret
from core.database import Base, UtcDateTime
from core.ids import new_id

# How long somebody may look for the telephone with the codes.
HALF_OPEN_LASTS = timedelta(minutes=5)
# Being seen is written at most this often: a page is many requests.
SEEN_EVERY = timedelta(minutes=1)


class SessionRow(Base):
    """A login.  The token itself is known only to its holder."""

    __tablename__ = "sessions"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, index=True)
    user: Mapped[str] = mapped_column(ForeignKey("users.name"), index=True)
    half_open: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # At the latest; earlier when it is not used.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    address: Mapped[str] = mapped_column(String(60), default="")
    browser: Mapped[str] = mapped_column(String(120), default="")


@dataclass(frozen=True)
class Lasts:
    """How long a session may last, altogether and unused."""

    longest: timedelta
    idle: timedelta


@dataclass(frozen=True)
class Client:
    """Where a login came from, as its owner recognises it."""

    address: str = ""
    browser: str = ""


@dataclass(frozen=True)
class Opened:
    """A fresh session: its token is shown here and never again."""

    token: str
    expires_at: datetime
    half_open: bool


async def open_session(
    session: AsyncSession, user: str, client: Client, *, now: datetime, lasts: Lasts, half_open: bool = False
) -> Opened:
    """Open one; sessions that have run out are swept on the way."""
    token, expires = new_secret(), now + (HALF_OPEN_LASTS if half_open else lasts.longest)
    await session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    session.add(
        SessionRow(
            token_sha256=digest(token),
            id=new_id(now),
            user=user,
            half_open=half_open,
            created_at=now,
            seen_at=now,
            expires_at=expires,
            address=client.address[:60],
            browser=client.browser[:120],
        )
    )
    return Opened(token, expires, half_open)


async def session_of(session: AsyncSession, token: str, now: datetime, lasts: Lasts) -> SessionRow | None:
    """The session of a token, unless it has run out."""
    row = await session.get(SessionRow, digest(token))
    return row if row is not None and is_alive(row, now, lasts) else None


def is_alive(row: SessionRow, now: datetime, lasts: Lasts) -> bool:
    """Neither too old nor unused for too long."""
    return now < row.expires_at and now - row.seen_at < lasts.idle


async def mark_seen(session: AsyncSession, row: SessionRow, now: datetime) -> None:
    """It was used: it lasts on."""
    await session.execute(update(SessionRow).where(SessionRow.token_sha256 == row.token_sha256).values(seen_at=now))


async def end_session(session: AsyncSession, token: str) -> None:
    """End the session of this token, if there is one."""
    await session.execute(delete(SessionRow).where(SessionRow.token_sha256 == digest(token)))


async def end_sessions(session: AsyncSession, user: str, *, only: UUID | None = None) -> int:
    """End the sessions of an account (or one of them); returns how many."""
    ended = delete(SessionRow).where(SessionRow.user == user)
    if only is not None:
        ended = ended.where(SessionRow.id == only)
    done = await session.execute(ended)
    return int(done.rowcount)  # type: ignore[attr-defined]


async def sessions_of(session: AsyncSession, user: str, now: datetime, lasts: Lasts) -> Sequence[SessionRow]:
    """The open sessions of an account, the last used first."""
    rows = await session.scalars(
        select(SessionRow)
        .where(SessionRow.user == user, SessionRow.half_open.is_(False))
        .order_by(SessionRow.seen_at.desc())
    )
    return [row for row in rows if is_alive(row, now, lasts)]
