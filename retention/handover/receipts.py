"""Who received which bag: a record, and the receiver's own signed paper, both sealed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.layout import document
from archive.seal import seal_object
from core.clock import require_utc
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, LedgerRow
from retention.handover.tables import Export, Receipt

FORMAT = "huiyin-handover-receipt/1"
KIND = "receipt"
RECEIVED = "received"
# A scanned page is a few megabytes.
LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class NewReceipt:
    """``tag_manifest`` is the SHA-256 of the bag's ``tagmanifest-sha256.txt``, as the receiver found it; ``signed`` the
    receiver's paper, a PDF or a text."""

    tag_manifest: str
    receiver: str
    received_at: datetime
    signed: Path | None = None


async def record_receipt(archive: Archive, new: NewReceipt, *, by: str, retain_until: datetime) -> Receipt:
    """Seal and record a receipt.  ``NotFound`` where no export made this bag, ``Refused`` without a receiver or for a
    paper that is empty or too large."""
    export = await _export_of(archive, new.tag_manifest)
    if not new.receiver.strip():
        raise Refused("须写明接收人 / a receipt needs a receiver", export=export.id)
    identifier = new_id()
    signed = await _seal_paper(archive, export.id, identifier, new.signed, by, retain_until) if new.signed else None
    receipt = Receipt(
        id=identifier,
        export_id=export.id,
        tag_manifest=export.tag_manifest,
        receiver=new.receiver.strip(),
        received_at=require_utc(new.received_at),
        recorded_by=by,
        signed=signed.id if signed else None,
    )

    async def add(session: AsyncSession, stored: StoredObject) -> None:
        receipt.record = stored.id
        # What the ledger says, so that the store tells the same moment.
        query = select(LedgerRow.at).where(LedgerRow.subject == str(export.id), LedgerRow.kind == RECEIVED)
        receipt.recorded_at = (await session.scalars(query.order_by(LedgerRow.seq.desc()).limit(1))).one()
        session.add(receipt)

    # The receiver's name stands in the sealed record, not in the ledger.
    facts = {"receipt": str(identifier), "tag_manifest_sha256": export.tag_manifest, "signed": signed is not None}
    await seal_object(
        archive,
        key=f"exports/{export.id}/{identifier}/receipt.json",
        kind=KIND,
        content=document(_record(receipt, signed)),
        retain_until=retain_until,
        entry=Entry(RECEIVED, by, str(export.id), facts),
        then=add,
    )
    return receipt


async def signed_receipt(session: AsyncSession, export: Export) -> Receipt:
    """The newest signed receipt of an export's bag; ``Refused`` where there is none."""
    query = select(Receipt).where(
        Receipt.export_id == export.id, Receipt.signed.is_not(None), Receipt.tag_manifest == export.tag_manifest
    )
    found = await session.scalar(query.order_by(Receipt.recorded_at.desc()).limit(1))
    if found is None:
        raise Refused(
            "没有接收方签字的回执，不得据此清理 / no signed receipt of this handover",
            export=export.id,
            remedy="huiyin export receipt … --signed FILE",
        )
    return found


def _record(receipt: Receipt, signed: StoredObject | None) -> dict[str, object]:
    return {
        "format": FORMAT,
        "export": str(receipt.export_id),
        "tag_manifest_sha256": receipt.tag_manifest,
        "receiver": receipt.receiver,
        "received_at": receipt.received_at.isoformat(),
        "recorded_by": receipt.recorded_by,
        "signed": {"key": signed.key, "sha256": signed.sha256, "size": signed.size} if signed else None,
    }


async def _export_of(archive: Archive, tag_manifest: str) -> Export:
    async with archive.database.read() as session:
        found = list(await session.scalars(select(Export).where(Export.tag_manifest == tag_manifest.strip().lower())))
    if not tag_manifest.strip() or not found:
        raise NotFound(
            "没有移交过这样的包 / no bag with this tag manifest was made here",
            tag_manifest_sha256=tag_manifest,
            remedy="give the bag itself, or the SHA-256 of its tagmanifest-sha256.txt",
        )
    if len(found) > 1:
        raise Conflict("several exports made the same bag", exports=[row.id for row in found])
    return found[0]


async def _seal_paper(
    archive: Archive, export_id: UUID, receipt_id: UUID, paper: Path, by: str, retain_until: datetime
) -> StoredObject:
    size = paper.stat().st_size
    if not 0 < size <= LARGEST:
        raise Refused("回执文件是空的或太大 / the signed receipt is empty or too large", octets=size, most=LARGEST)
    content = paper.read_bytes()
    ending = ".pdf" if content.startswith(b"%PDF-") else ".txt"
    facts = {"receipt": str(receipt_id), "sha256": hashlib.sha256(content).hexdigest()}
    return await seal_object(
        archive,
        key=f"exports/{export_id}/{receipt_id}/signed{ending}",
        kind=KIND,
        content=content,
        retain_until=retain_until,
        entry=Entry("receipt sealed", by, str(export_id), facts),
    )
