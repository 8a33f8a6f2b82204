"""Before a byte leaves: the list of recordings, a ledger row for each of them and one for the whole, a signed head."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Uuid, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, Recording
from archive.heads import newest_head, sign_head
from archive.house import Archive
from core.errors import NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append
from core.note import SigningKey
from core.proofs import tree_size
from retention.handover.scope import Scope, condition
from retention.handover.tables import LISTED, RECORDED, WRITING, Export, ExportItem

EXPORTED = "exported"
BATCH = 500


async def list_export(
    session: AsyncSession,
    scope: Scope,
    *,
    purpose: str,
    by: str,
    now: datetime,
    zone: ZoneInfo,
    held: Sequence[UUID] = (),
) -> Export:
    """A new export with its list of recordings.  ``Refused`` without a purpose, ``NotFound`` where there is nothing."""
    if not purpose.strip():
        raise Refused("移交须写明用途 / an export needs a purpose", remedy="say what it is for, and for whom")
    export = Export(
        id=new_id(), scope=scope.to_json(), purpose=purpose.strip(), asked_by=by, asked_at=now, state=LISTED
    )
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


async def record_export(archive: Archive, export_id: UUID) -> None:
    """A row ``exported`` for each recording, then one for the export; what an earlier run committed is not repeated."""
    while not await _record_batch(archive, export_id):
        pass


async def _record_batch(archive: Archive, export_id: UUID) -> bool:
    async with archive.database.write() as session:
        export = await session.get_one(Export, export_id, with_for_update=True)
        if export.state != LISTED:
            return True
        now = archive.clock()
        wanted = select(ExportItem.recording_id).where(
            ExportItem.export_id == export_id,
            ExportItem.ordinal >= export.recorded,
            ExportItem.ordinal < export.recorded + BATCH,
        )
        recordings = list(await session.scalars(wanted.order_by(ExportItem.ordinal)))
        facts = {"export": str(export_id), "purpose": export.purpose}
        for recording in recordings:
            await append(session, Entry(EXPORTED, export.asked_by, str(recording), facts), now)
        export.recorded += len(recordings)
        if export.recorded == export.recordings:
            await _record_whole(session, export, now)
        return export.state != LISTED


async def _record_whole(session: AsyncSession, export: Export, now: datetime) -> None:
    facts = {
        "scope": export.scope["kind"],
        "purpose": export.purpose,
        "recordings": export.recordings,
        "list_sha256": await list_digest(session, export.id),
    }
    await append(session, Entry(EXPORTED, export.asked_by, str(export.id), facts), now)
    export.state = RECORDED


async def list_digest(session: AsyncSession, export_id: UUID) -> str:
    """SHA-256 over the identifiers of an export's recordings, a line each, in their own order."""
    digest = hashlib.sha256()
    rows = await session.stream_scalars(
        select(ExportItem.recording_id)
        .where(ExportItem.export_id == export_id)
        .order_by(ExportItem.recording_id)
        .execution_options(yield_per=1000)
    )
    async for recording in rows:
        digest.update(f"{recording}\n".encode())
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
