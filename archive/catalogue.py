"""The catalogue's tables: signalled calls, sealed recordings, their objects, and the turns of their transcripts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime
from core.telephone import person_of

# A call's way: signalled ─▶ sealed, or signalled ─▶ missing (found by the nightly reconciliation), missing ─▶ sealed.
SIGNALLED, SEALED, MISSING = "signalled", "sealed", "missing"
# A recording's text: pending ─▶ done | failed (the job can be tried again).
TEXT_PENDING, TEXT_DONE, TEXT_FAILED = "pending", "done", "failed"
# A recording's life: kept ─▶ disposing (its deletion has begun; nothing joins or holds it) ─▶ disposed (its row
# remains).
KEPT, DISPOSING, DISPOSED = "kept", "disposing", "disposed"
# Keys are octets, not words: they are in the order of the store's listing on every database.
KEY = String(400).with_variant(String(400, collation="C"), "postgresql")


class Call(Base):
    """A call that signalling announced, whether or not a recording came of it: the other side of reconciliation."""

    __tablename__ = "calls"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)  # also the recording's identifier
    sip_call_id: Mapped[str] = mapped_column(String(255), index=True)
    state: Mapped[str] = mapped_column(String(10), index=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    work_order: Mapped[str] = mapped_column(String(64), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    # The team of the agent's number, as far as signalling named one: whose agents see and may pause the call.
    team: Mapped[str] = mapped_column(String(60), default="", server_default="")


def _party(column: str) -> Callable[[Any], str]:
    """Written with the row: who the number in ``column`` stands for."""
    return lambda context: person_of(context.get_current_parameters().get(column) or "")


class Recording(Base):
    """A sealed recording.  ``work_order`` is the number that came with the call, if any; links are in workorders."""

    __tablename__ = "recordings"
    __table_args__ = (
        Index("ix_recordings_retain", "life", "retain_until"),
        Index("ix_recordings_citizen", "citizen_number", "started_at"),
        Index("ix_recordings_agent", "agent_number", "started_at"),
        Index("ix_recordings_team", "team", "started_at"),
        # Behind the columns that are searched, those by which most are passed over without reading their row, which
        # is kilobytes long: what waits for a person is few among many.
        Index("ix_recordings_started_at", "started_at", "id", "life"),
        Index("ix_recordings_text", "text_state", "started_at", "text_version", "text_confidence"),
        # Cases hold persons, in whichever of its forms a number was signalled.
        Index("ix_recordings_citizen_person", "citizen_person"),
        Index("ix_recordings_agent_person", "agent_person"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    sip_call_id: Mapped[str] = mapped_column(String(255), index=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    agent_number: Mapped[str] = mapped_column(String(64), default="")
    agent_name: Mapped[str] = mapped_column(String(120), default="")
    # The team that the agent's number had at the time of the call (`archive.teams`); empty: none.
    team: Mapped[str] = mapped_column(String(60), default="", server_default="")
    citizen_number: Mapped[str] = mapped_column(String(64), default="")
    citizen_name: Mapped[str] = mapped_column(String(120), default="")
    # The two numbers as they are compared.
    agent_person: Mapped[str] = mapped_column(String(64), default=_party("agent_number"), server_default="")
    citizen_person: Mapped[str] = mapped_column(String(64), default=_party("citizen_number"), server_default="")
    work_order: Mapped[str] = mapped_column(String(64), default="", index=True)
    interrupted: Mapped[bool] = mapped_column(default=False)
    flags: Mapped[list[str]] = mapped_column(JSON)
    # Stream statistics and everything else of metadata.json that pages show.
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    text_state: Mapped[str] = mapped_column(String(10), default=TEXT_PENDING)
    text_error: Mapped[str] = mapped_column(Text, default="")
    text_version: Mapped[int] = mapped_column(default=0)
    text_final_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    text_confidence: Mapped[float | None]
    retain_until: Mapped[datetime] = mapped_column(UtcDateTime)
    held: Mapped[bool] = mapped_column(default=False)
    life: Mapped[str] = mapped_column(String(10), default=KEPT)
    disposed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def _when_created(context: Any) -> Any:
    """Sealing compares what it wrote: an object counts as looked at from then on."""
    return context.get_current_parameters()["created_at"]


class StoredObject(Base):
    """One object version in the store.  ``kind``: audio, metadata, transcript, link, report, certificate, nightly."""

    __tablename__ = "objects"
    __table_args__ = (UniqueConstraint("key", "version_id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID | None] = mapped_column(ForeignKey("recordings.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(KEY)
    version_id: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    lock_until: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # When its bytes, and when its lock, were last looked at and found right.
    verified_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, default=_when_created)
    lock_checked_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, default=_when_created)


class TurnRow(Base):
    """One turn of the newest transcript version.  Times are milliseconds from the recording's start."""

    __tablename__ = "turns"
    __table_args__ = (UniqueConstraint("recording_id", "ordinal"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"))
    version: Mapped[int]
    ordinal: Mapped[int]
    party: Mapped[str] = mapped_column(String(10))
    start_ms: Mapped[int] = mapped_column(BigInteger)
    end_ms: Mapped[int] = mapped_column(BigInteger)
    text: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float]
    overlaps: Mapped[bool] = mapped_column(default=False)
    # [[start_ms, end_ms, text, probability], …]
    words: Mapped[list[Any]] = mapped_column(JSON)
