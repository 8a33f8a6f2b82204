"""Before a byte leaves: the list of recordings, a ledger row for each of them and one for the whole, a signed head.

The list and what was asked for are sealed objects (``exports/<id>/``), so that the store tells of every export.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Uuid, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, Recording, StoredObject
from archive.heads import newest_head, sign_head
from archive.house import Archive
from archive.layout import document
from archive.seal import seal_object
from core.errors import NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append_all
from core.note import SigningKey
from core.proofs import tree_size
from retention.handover.copies import require_writable
from retention.handover.scope import Scope, condition
from retention.handover.tables import LISTED, RECORDED, WRITING, Export, ExportItem

EXPORTED, LIST_SEALED = "exported", "export listed"
KIND, PREFIX, FORMAT = "export", "exports/", "huiyin-export/1"
BATCH = 500


def export_key(export_id: UUID, name: str) -> str:
    """Where a document of an export is sealed."""
    return f"{PREFIX}{export_id}/{name}"


async def list_export(
    session: AsyncSession,
    scope: Scope,
    *,
    purpose: str,
    by: str,
    now: datetime,
    zone: ZoneInfo,
    held: Sequence[UUID] = (),
    expires_at: datetime | None = None,
) -> Export:
    """A new export with its list of recordings; one that expires is kept by us until then.  ``Refused`` without a
    purpose, ``NotFound`` where there is nothing."""
    if not purpose.strip():
        raise Refused("移交须写明用途 / an export needs a purpose", remedy="say what it is for, and for whom")
    export = Export(
        id=new_id(), scope=scope.to_json(), purpose=purpose.strip(), asked_by=by, asked_at=now, state=LISTED
    )
    export.here, export.expires_at = expires_at is not None, expires_at
    session.add(export)
    await session.flush()
    place = func.row_number().over(order_by=(Recording.started_at, Recording.id)) - 1
    wanted = select(literal(export.id, Uuid), place, Recording.id).where(
        condition(scope, zone, held), Recording.life == KEPT
    )
    await session.execute(insert(ExportItem).from_select(["export_id", "ordinal", "recording_id"], wanted))
    counted = select(func.count()).select_from(ExportItem).where(ExportItem.export_id == export.id)
    export.recordings = await session.scalar(counted) or 0
    if not export.recordings:
        raise NotFound("范围内没有录音 / there is no recording in this scope", scope=scope.chinese())
    return export


async def record_export(archive: Archive, export_id: UUID, *, retain_until: datetime) -> None:
    """A row ``exported`` for each recording, then one for the export with what is sealed of it; what an earlier run
    committed is not repeated.  ``Refused`` for an export that was removed."""
    while await _record_batch(archive, export_id):
        pass
    async with archive.database.read() as session:
        export = await session.get_one(Export, export_id)
    require_writable(export)
    if export.state == LISTED:
        await _record_whole(archive, export, retain_until)


async def _record_batch(archive: Archive, export_id: UUID) -> bool:
    """Whether there was anything left to record."""
    async with archive.database.write() as session:
        export = await session.get_one(Export, export_id, with_for_update=True)
        if export.state != LISTED or export.recorded == export.recordings:
            return False
        wanted = select(ExportItem.recording_id).where(
            ExportItem.export_id == export_id,
            ExportItem.ordinal >= export.recorded,
            ExportItem.ordinal < export.recorded + BATCH,
        )
        recordings = list(await session.scalars(wanted.order_by(ExportItem.ordinal)))
        facts = {"export": str(export_id), "purpose": export.purpose}
        rows = [Entry(EXPORTED, export.asked_by, str(recording), facts) for recording in recordings]
        await append_all(session, rows, archive.clock())
        export.recorded += len(recordings)
        return True


async def _record_whole(archive: Archive, export: Export, retain_until: datetime) -> None:
    with tempfile.TemporaryDirectory(prefix="huiyin-") as directory:
        place = Path(directory) / "recordings.txt"
        digest = await _write_list(archive, export.id, place)
        await seal_object(
            archive,
            key=export_key(export.id, "recordings.txt"),
            kind=KIND,
            content=place,
            retain_until=retain_until,
            entry=Entry(LIST_SEALED, export.asked_by, str(export.id), {"recordings": export.recordings}),
        )

    async def recorded(session: AsyncSession, _: StoredObject) -> None:
        row = await session.get_one(Export, export.id, with_for_update=True)
        row.state = RECORDED

    facts = {
        "scope": export.scope["kind"],
        "purpose": export.purpose,
        "recordings": export.recordings,
        "list_sha256": digest,
    }
    await seal_object(
        archive,
        key=export_key(export.id, "export.json"),
        kind=KIND,
        content=document(_asked(export, digest)),
        retain_until=retain_until,
        entry=Entry(EXPORTED, export.asked_by, str(export.id), facts),
        then=recorded,
    )


def _asked(export: Export, digest: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "export": str(export.id),
        "scope": export.scope,
        "purpose": export.purpose,
        "asked_by": export.asked_by,
        "asked_at": export.asked_at.isoformat(),
        "recordings": export.recordings,
        "list_sha256": digest,
        "kept_by_us_until": export.expires_at.isoformat() if export.expires_at else None,
    }


async def _write_list(archive: Archive, export_id: UUID, place: Path) -> str:
    """The identifiers of an export's recordings, a line each, in their own order; its SHA-256 is returned."""
    digest = hashlib.sha256()
    query = select(ExportItem.recording_id).where(ExportItem.export_id == export_id).order_by(ExportItem.recording_id)
    with await asyncio.to_thread(place.open, "wb") as file:
        async with archive.database.read() as session:
            rows = await session.stream_scalars(query.execution_options(yield_per=1000))
            async for part in rows.partitions():
                lines = "".join(f"{recording}\n" for recording in part).encode()
                digest.update(lines)
                file.write(lines)
    return digest.hexdigest()


async def prove_export(archive: Archive, export_id: UUID, key: SigningKey, *, retain_until: datetime) -> Export:
    """The export with the signed head that all its proofs lead to; it covers every row of ``record_export``."""
    async with archive.database.read() as session:
        export = await session.get_one(Export, export_id)
        size = await tree_size(session)
    if export.state != RECORDED:
        return export
    # The head is signed before its own rows are added, so a head of this size covers what was recorded.
    head = await newest_head(archive, at_least=size)
    if head is None:
        head = await sign_head(archive, key, retain_until=retain_until, actor=export.asked_by)
    async with archive.database.write() as session:
        export = await session.get_one(Export, export_id, with_for_update=True)
        if export.state == RECORDED:
            export.head, export.head_at, export.state = head.note, archive.clock(), WRITING
    return export
