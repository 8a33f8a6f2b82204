"""Tables of handovers: exports, the recordings that each one lists, and the receipts for their bags."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

# listed ─▶ recorded (its ledger rows are committed) ─▶ writing (its signed head is known) ─▶ done.  An export that is
# interrupted stays where it is until it is run again.
LISTED, RECORDED, WRITING, DONE = "listed", "recorded", "writing", "done"


class Export(Base):
    """One handover.  ``head`` is the signed head that proves it; ``tag_manifest`` (SHA-256) names its finished bag."""

    __tablename__ = "exports"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    scope: Mapped[dict[str, Any]] = mapped_column(JSON)
    purpose: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(String(120))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(10))
    recordings: Mapped[int] = mapped_column(default=0)
    recorded: Mapped[int] = mapped_column(default=0)
    written: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    head: Mapped[str] = mapped_column(Text, default="")
    head_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tag_manifest: Mapped[str] = mapped_column(String(64), default="")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Whether we keep the bag (``copies.bag_file``) until it is fetched, as for one asked for through the API; what the
    # command line writes lies where its user wanted it, out of our hands.
    here: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    # When our copy went, and why; an export that was not finished by then never will be.
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed_why: Mapped[str] = mapped_column(String(10), default="")


class ExportItem(Base):
    """One recording of an export: the list is made once, so that a resumed export hands over the same."""

    __tablename__ = "export_items"
    __table_args__ = (Index("ix_export_items_recording", "recording_id"),)

    export_id: Mapped[UUID] = mapped_column(ForeignKey("exports.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))


class Receipt(Base):
    """Who received which bag.  ``record`` is its sealed object (objects.id), ``signed`` the receiver's paper."""

    __tablename__ = "export_receipts"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    export_id: Mapped[UUID] = mapped_column(ForeignKey("exports.id"), index=True)
    tag_manifest: Mapped[str] = mapped_column(String(64))
    receiver: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str] = mapped_column(String(120))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    record: Mapped[UUID] = mapped_column(Uuid)
    signed: Mapped[UUID | None] = mapped_column(Uuid)
