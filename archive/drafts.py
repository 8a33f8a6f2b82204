"""What a person has begun at a recording and not finished: a draft of its text, and the second where they stopped.

Both belong to one person and one recording.  A draft holds only the turns that were touched; each counts by itself, so
that two windows of one person never overwrite each other's turns.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text, delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime
from core.errors import Conflict


class Draft(Base):
    """Texts by the turn's number (as a word: JSON knows no other), on top of version ``base_version``."""

    __tablename__ = "drafts"

    user: Mapped[str] = mapped_column(String(60), primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), primary_key=True, index=True)
    base_version: Mapped[int]
    texts: Mapped[dict[str, str]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text, default="")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ListeningPlace(Base):
    """Where a person stopped listening."""

    __tablename__ = "listening_places"

    user: Mapped[str] = mapped_column(String(60), primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), primary_key=True, index=True)
    position_ms: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


async def read_draft(session: AsyncSession, user: str, recording_id: UUID) -> Draft | None:
    """The person's draft, if there is one."""
    return await session.get(Draft, (user, recording_id))


async def write_draft(
    session: AsyncSession,
    user: str,
    recording_id: UUID,
    changes: Mapping[int, str | None],
    *,
    base_version: int,
    reason: str | None,
    now: datetime,
) -> Draft:
    """Take the changed turns into the draft (``None`` takes one out again); ``Conflict`` when the draft there is on top
    of another version.  A draft without turns is kept, so that its reason is not lost."""
    row = await session.get(Draft, (user, recording_id), with_for_update=True)
    if row is None:
        row = Draft(user=user, recording_id=recording_id, base_version=base_version, texts={}, reason="")
        session.add(row)
    if row.base_version != base_version:
        raise Conflict(
            "草稿建立在另一版文字之上 / the draft is on top of another version",
            recording=recording_id,
            expected_version=row.base_version,
            found=base_version,
        )
    texts = {**row.texts, **{str(ordinal): text for ordinal, text in changes.items() if text is not None}}
    for ordinal in (ordinal for ordinal, text in changes.items() if text is None):
        texts.pop(str(ordinal), None)
    row.texts, row.updated_at = texts, now
    row.reason = row.reason if reason is None else reason
    return row


async def replace_draft(
    session: AsyncSession,
    user: str,
    recording_id: UUID,
    texts: Mapping[int, str],
    *,
    base_version: int,
    reason: str,
    now: datetime,
) -> Draft:
    """A draft that was brought onto another version takes the place of the one there."""
    await drop_draft(session, user, recording_id)
    row = Draft(
        user=user,
        recording_id=recording_id,
        base_version=base_version,
        texts={str(ordinal): text for ordinal, text in texts.items()},
        reason=reason,
        updated_at=now,
    )
    session.add(row)
    return row


async def drop_draft(session: AsyncSession, user: str, recording_id: UUID) -> None:
    """The person gave it up, or it has become a version."""
    await session.execute(delete(Draft).where(Draft.user == user, Draft.recording_id == recording_id))


async def note_place(session: AsyncSession, user: str, recording_id: UUID, position_ms: int, now: datetime) -> None:
    """Remember where the person is."""
    row = await session.get(ListeningPlace, (user, recording_id), with_for_update=True)
    if row is None:
        row = ListeningPlace(user=user, recording_id=recording_id)
        session.add(row)
    row.position_ms, row.at = position_ms, now


async def place_of(session: AsyncSession, user: str, recording_id: UUID) -> int:
    """Where the person stopped, in milliseconds; 0 for nowhere."""
    row = await session.get(ListeningPlace, (user, recording_id))
    return row.position_ms if row else 0
