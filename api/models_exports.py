"""What the HTTP API takes and answers about handovers."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from api.failing import failure_view
from api.models import FailureView, Model
from core.jobs import JobRow
from retention.handover.purge import Purge
from retention.handover.tables import Export, Receipt


class ExportScope(Model):
    """``from`` and ``to`` (inclusive, local days) for a period; ``name`` for an order's number, or a case."""

    kind: Literal["all", "period", "order", "case"]
    since: date | None = Field(default=None, alias="from")
    to: date | None = None
    name: str | None = Field(default=None, max_length=120)


class ExportRequest(Model):
    scope: ExportScope
    purpose: str = Field(min_length=2, max_length=200)


class ReceiptForm(Model):
    """``tag_manifest`` is the SHA-256 of the bag's ``tagmanifest-sha256.txt`` as the receiver found it; ``signed`` the
    receiver's own paper, PDF or text, without which nothing is purged; ``received_at`` is now where it is absent."""

    tag_manifest: str = Field(pattern=r"^[0-9A-Fa-f]{64}$")
    receiver: str = Field(min_length=1, max_length=200)
    received_at: AwareDatetime | None = None
    signed: bytes | None = Field(default=None, json_schema_extra={"format": "binary"})


class ReceiptView(Model):
    id: UUID
    export: UUID
    tag_manifest: str
    receiver: str
    received_at: datetime
    recorded_by: str
    recorded_at: datetime
    signed: bool


class PurgeAnswer(Model):
    """Disposals proposed; recordings that may not go yet (``reasons``: some of them); those with a disposal already."""

    proposed: int
    refused: int
    already: int
    reasons: list[str]


class ExportView(Model):
    """``written`` of ``recordings`` are in the bag; ``failure`` is why the last attempt stopped.  ``tag_manifest``, a
    SHA-256, names the finished bag, for the receipt.  Our copy goes at ``expires_at``, or went at ``removed_at``."""

    id: UUID
    scope: dict[str, Any]
    purpose: str
    asked_by: str
    asked_at: datetime
    state: str
    recordings: int
    written: int
    bytes: int
    tag_manifest: str
    finished_at: datetime | None
    expires_at: datetime | None
    removed_at: datetime | None
    removed_why: str
    receipts: list[ReceiptView]
    job: str
    failure: FailureView | None


class ExportList(Model):
    items: list[ExportView]
    next: str | None


def receipt_view(row: Receipt) -> ReceiptView:
    return ReceiptView(
        id=row.id,
        export=row.export_id,
        tag_manifest=row.tag_manifest,
        receiver=row.receiver,
        received_at=row.received_at,
        recorded_by=row.recorded_by,
        recorded_at=row.recorded_at,
        signed=row.signed is not None,
    )


def export_view(row: Export, receipts: Sequence[Receipt], job: JobRow | None) -> ExportView:
    return ExportView(
        id=row.id,
        scope=row.scope,
        purpose=row.purpose,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        state=row.state,
        recordings=row.recordings,
        written=row.written,
        bytes=row.bytes,
        tag_manifest=row.tag_manifest,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        removed_at=row.removed_at,
        removed_why=row.removed_why,
        receipts=[receipt_view(each) for each in receipts],
        job=job.state if job else "",
        failure=failure_view(job),
    )


def purge_answer(done: Purge) -> PurgeAnswer:
    return PurgeAnswer(proposed=done.proposed, refused=done.refused, already=done.already, reasons=list(done.reasons))
