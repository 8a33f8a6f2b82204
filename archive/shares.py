"""A link under which somebody without an account hears one recording, or a redacted copy of it, for a while.

The token is 256 random bits and is known only to whoever got the link: the table has its SHA-256.  Every opening and
every listening is a row of the ledger that names the link, so that each link has a log of its own.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive.catalogue import KEPT, Recording
from archive.redaction_copies import usable
from core import ledger
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id

LONGEST = timedelta(days=30)
MADE, REVOKED, OPENED, READ = "share made", "share revoked", "share opened", "read"
_ACTOR = "share "


class Share(Base):
    """One link to one recording."""

    __tablename__ = "shares"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    # The redacted copy that it leads to, and to nothing else; null: to the recording itself.
    redaction_id: Mapped[UUID | None] = mapped_column(ForeignKey("redactions.id"))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(String(120))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_by: Mapped[str] = mapped_column(String(120), default="")
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def opens(self, now: datetime) -> bool:
        """Whether the link still leads anywhere."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True)
class NewShare:
    """A fresh link: its token is shown here and never again."""

    share: Share
    token: str


@dataclass(frozen=True)
class Access:
    """Somebody opened a link (from an ``address``) or listened under it (``READ``; the address is that of opening)."""

    what: str
    at: datetime
    address: str


async def make_share(
    session: AsyncSession,
    recording_id: UUID,
    *,
    purpose: str,
    lasts: timedelta,
    by: str,
    now: datetime,
    redaction_id: UUID | None = None,
) -> NewShare:
    """Make a link, in the caller's transaction; ``Refused`` without a purpose or for longer than ``LONGEST``.  One to a
    redacted copy ends with the copy."""
    if not purpose.strip():
        raise Refused("请写明用途 / a share needs a purpose", recording=recording_id)
    if not timedelta(0) < lasts <= LONGEST:
        raise Refused("分享时长超出允许范围 / out of range", expected=f"at most {LONGEST.days} days")
    recording = await session.get(Recording, recording_id, with_for_update=True)
    if recording is None:
        raise NotFound("no such recording", recording=recording_id)
    if recording.life != KEPT:
        raise Conflict("this recording has been disposed of", recording=recording_id)
    until = now + lasts
    if redaction_id is not None:
        until = min(until, (await usable(session, recording_id, redaction_id, now)).expires_at)
    token = secrets.token_urlsafe(32)
    row = Share(
        id=new_id(),
        recording_id=recording_id,
        redaction_id=redaction_id,
        token_sha256=_digest(token),
        purpose=purpose.strip(),
        made_by=by,
        made_at=now,
        expires_at=until,
    )
    session.add(row)
    # All that the table holds: a row that anybody changes, removes or adds later is named by verification.
    facts = {"share": str(row.id), "purpose": row.purpose, "expires_at": row.expires_at.isoformat()}
    facts["token_sha256"] = row.token_sha256
    if redaction_id is not None:
        facts["redaction"] = str(redaction_id)
    await ledger.append(session, ledger.Entry(MADE, by, str(recording_id), facts), now)
    return NewShare(row, token)


async def revoke_share(session: AsyncSession, recording_id: UUID, share_id: UUID, *, by: str, now: datetime) -> Share:
    """End a link at once; one that was ended before stays as it is.  ``NotFound`` for no such link."""
    row = await session.get(Share, share_id, with_for_update=True)
    if row is None or row.recording_id != recording_id:
        raise NotFound("no such share", share=share_id)
    if row.revoked_at is None:
        row.revoked_at, row.revoked_by = now, by
        await ledger.append(session, ledger.Entry(REVOKED, by, str(recording_id), {"share": str(share_id)}), now)
    return row


async def open_share(session: AsyncSession, token: str, *, now: datetime) -> Share:
    """The link of this token; ``NotFound`` for a wrong, expired or revoked one alike."""
    row = await session.scalar(select(Share).where(Share.token_sha256 == _digest(token)))
    if row is None or not row.opens(now):
        raise NotFound("链接无效或已过期 / this link is wrong or has expired")
    return row


async def note_opened(session: AsyncSession, share: Share, *, address: str, now: datetime) -> None:
    """Write into the ledger that the link was opened, before anything is shown."""
    facts = {"share": str(share.id), "address": address[:60]}
    await ledger.append(session, ledger.Entry(OPENED, actor_of(share), str(share.recording_id), facts), now)


def actor_of(share: Share) -> str:
    """Whom the ledger names: nobody is logged in, so the link itself."""
    return f"{_ACTOR}{share.id}"


async def shares_of(session: AsyncSession, recording_id: UUID) -> list[Share]:
    """A recording's links, newest first."""
    query = select(Share).where(Share.recording_id == recording_id).order_by(Share.made_at.desc())
    return list(await session.scalars(query))


async def accesses_of(session: AsyncSession, recording_id: UUID) -> dict[UUID, list[Access]]:
    """Who used each of a recording's links, oldest first."""
    rows = await session.scalars(
        select(ledger.LedgerRow)
        .where(
            ledger.LedgerRow.subject == str(recording_id),
            ledger.LedgerRow.kind.in_((OPENED, READ)),
            ledger.LedgerRow.actor.startswith(_ACTOR),
        )
        .order_by(ledger.LedgerRow.seq)
    )
    found: dict[UUID, list[Access]] = {}
    for row in rows:
        address = str(json.loads(row.leaf)["facts"].get("address", ""))
        found.setdefault(UUID(row.actor.removeprefix(_ACTOR)), []).append(Access(row.kind, row.at, address))
    return found


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
