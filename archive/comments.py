"""Comments at a second of a recording.  Each is sealed beside the sound, so that a rebuild brings it back; none is ever
changed or removed: whoever was wrong says so in another."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, Text, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive import layout
from archive.catalogue import Recording, StoredObject
from archive.house import Archive
from archive.seal import seal_object
from core.clock import require_utc
from core.database import Base, UtcDateTime
from core.errors import NotFound, Refused
from core.ids import new_id
from core.ledger import Entry

FORMAT = "huiyin-comment/1"
COMMENTED = "commented"


class Comment(Base):
    """Who said what about which millisecond."""

    __tablename__ = "comments"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


async def add_comment(archive: Archive, recording_id: UUID, *, at_ms: int, text: str, by: str) -> Comment:
    """Seal a comment.  ``NotFound``; ``Refused`` for no words or a moment outside the recording."""
    async with archive.database.read() as session:
        recording = await session.get(Recording, recording_id)
    if recording is None:
        raise NotFound("no such recording", recording=recording_id)
    if not text.strip():
        raise Refused("备注没有内容 / a comment needs words", recording=recording_id)
    if not 0 <= at_ms <= recording.duration_ms:
        raise Refused("时间不在录音之内 / outside the recording", at_ms=at_ms, expected=f"0 … {recording.duration_ms}")
    row = Comment(
        id=new_id(), recording_id=recording_id, at_ms=at_ms, text=text.strip(), by=by, at=require_utc(archive.clock())
    )

    async def then(session: AsyncSession, _stored: StoredObject) -> None:
        session.add(row)

    await seal_object(
        archive,
        key=layout.comment_key(recording_id, recording.started_at, row.id),
        kind=layout.COMMENT,
        content=content_of(row),
        retain_until=recording.retain_until,
        entry=Entry(COMMENTED, by, str(recording_id), {"comment": str(row.id), "at_ms": at_ms}),
        recording_id=recording_id,
        then=then,
    )
    return row


def content_of(row: Comment) -> bytes:
    """The document that is sealed of a comment: the same row always gives the same bytes."""
    return layout.document(_told(row))


def _told(row: Comment) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": str(row.id),
        "recording_id": str(row.recording_id),
        "at_ms": row.at_ms,
        "text": row.text,
        "by": row.by,
        "at": row.at.isoformat(),
    }


def comment_of(document: Mapping[str, Any]) -> Comment:
    """The row that a sealed comment tells of; ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
    return Comment(
        id=UUID(document["id"]),
        recording_id=UUID(document["recording_id"]),
        at_ms=int(document["at_ms"]),
        text=str(document["text"]),
        by=str(document["by"]),
        at=datetime.fromisoformat(document["at"]),
    )


async def comments_of(session: AsyncSession, recording_id: UUID) -> list[Comment]:
    """A recording's comments, in the order of its seconds."""
    query = select(Comment).where(Comment.recording_id == recording_id).order_by(Comment.at_ms, Comment.at)
    return list(await session.scalars(query))
