"""Who is told, what each is told, and how far the ledger has been read for it.

A delivery holds identifiers that stay in tombstones too, never a number, a name or text, and is pruned within days: a
disposal leaves it alone.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

# Why a subscriber is switched off: a person did it, or its answer was 410.
BY_PERSON, GONE = "person", "gone"
ANSWER_LENGTH = 120


class Webhook(Base):
    """A subscriber.  ``since_seq``: the first row of the ledger that it is told of.  Secrets are sealed
    (``core.sealed_secrets``); the old one signs too until ``old_until``.  ``delivered_at``, ``given_up_at``: the last
    time that a message was taken, and that one was given up."""

    __tablename__ = "webhooks"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    label: Mapped[str] = mapped_column(String(60))
    url: Mapped[str] = mapped_column(String(500))
    events: Mapped[list[str]] = mapped_column(JSON)
    active: Mapped[bool]
    stopped: Mapped[str] = mapped_column(String(10), default="")
    since_seq: Mapped[int] = mapped_column(BigInteger)
    secret: Mapped[str] = mapped_column(Text)
    old_secret: Mapped[str] = mapped_column(Text, default="")
    old_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(60))
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    given_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WebhookDelivery(Base):
    """One message to one subscriber, by identifiers that sort by time.  ``body`` is sent as it stands; ``status``,
    ``outcome`` and ``answer`` are the last try's."""

    __tablename__ = "webhook_deliveries"
    # However much waits for one that is away, its next tries are found at once.
    __table_args__ = (Index("ix_webhook_deliveries_due", "webhook_id", "state", "next_try_at"),)

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id"), primary_key=True)
    message: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    event: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    status: Mapped[int | None]
    outcome: Mapped[str] = mapped_column(String(20), default="")
    answer: Mapped[str] = mapped_column(String(ANSWER_LENGTH), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class WebhookCursor(Base):
    """How far was read, in one row: the next row of the ledger, and since when each alert stood that was told."""

    __tablename__ = "webhook_cursor"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    alerts: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
