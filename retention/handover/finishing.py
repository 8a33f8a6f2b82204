"""The end of an export: the bag at its place, what is sealed of it, and what becomes of one that may not finish."""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, Recording, StoredObject
from archive.house import Archive
from archive.layout import document
from archive.seal import seal_object
from core.errors import Refused
from core.ledger import Entry, LedgerRow
from core.settings import Settings
from retention.handover.bag import file_hashes
from retention.handover.begin import KIND, export_key
from retention.handover.copies import kept_until, require_writable
from retention.handover.journal import Journal
from retention.handover.tables import DONE, Export, ExportItem
from retention.handover.writing import Counts
from retention.handover.zipping import zip_bag

FINISHED, FORMAT = "export finished", "huiyin-export-bag/1"


@dataclass(frozen=True)
class Finished:
    """A finished bag.  ``tag_manifest`` is the SHA-256 that a receipt names, ``octets`` those of the payload."""

    path: Path
    tag_manifest: str
    octets: int
    counts: Counts


def put_in_place(work: Path, target: Path, counts: Counts) -> Finished:
    """Move the bag to its target or make it a ZIP file there; blocking.  What an interrupted run did is left alone."""
    bag = work / "bag"
    if bag.exists() and target.suffix == ".zip":
        zip_bag(bag, target)
    elif bag.exists():
        bag.replace(target)
    tags = (bag if bag.exists() else target) / "tagmanifest-sha256.txt"
    with Journal(work / "journal.db") as journal:
        return Finished(target, file_hashes(tags)["sha256"], journal.totals()[0], counts)


async def record_finished(
    archive: Archive, settings: Settings, export: Export, done: Finished, until: datetime
) -> None:
    """Seal which bag it became; ``Refused`` where a recording of it went meanwhile.  Done already: nothing changes."""
    facts: dict[str, object] = {"recordings": export.recordings, "tag_manifest_sha256": done.tag_manifest}

    async def finished(session: AsyncSession, _: StoredObject) -> None:
        row = await session.get_one(Export, export.id, with_for_update=True)
        require_writable(row)
        await require_all_kept(session, export)
        row.state, row.tag_manifest, row.written, row.bytes = DONE, done.tag_manifest, row.recordings, done.octets
        # What the ledger says, so that the store tells the same moment.
        query = select(LedgerRow.at).where(LedgerRow.subject == str(export.id), LedgerRow.kind == FINISHED)
        row.finished_at = (await session.scalars(query)).one()
        row.expires_at = kept_until(settings, row.finished_at) if row.here else None

    if export.here:
        facts["kept_days"] = settings.export_days
    await seal_object(
        archive,
        key=export_key(export.id, "bag.json"),
        kind=KIND,
        content=document(_bag(export, done)),
        retain_until=until,
        entry=Entry(FINISHED, export.asked_by, str(export.id), facts),
        then=finished,
    )


def _bag(export: Export, done: Finished) -> dict[str, object]:
    return {
        "format": FORMAT,
        "export": str(export.id),
        "tag_manifest_sha256": done.tag_manifest,
        "recordings": export.recordings,
        "octets": done.octets,
        "head": export.head,
        "head_at": export.head_at.isoformat() if export.head_at else None,
    }


async def require_all_kept(session: AsyncSession, export: Export) -> None:
    """``Refused`` where a recording of an export has gone, or is about to."""
    gone = select(func.count()).select_from(ExportItem).join(Recording, Recording.id == ExportItem.recording_id)
    gone = gone.where(ExportItem.export_id == export.id, Recording.life != KEPT)
    if count := await session.scalar(gone):
        raise Refused(
            "移交期间有录音进入处置 / recordings of this export are being disposed of",
            export=export.id,
            recordings=count,
            remedy="ask for a new export, which will not list them",
        )


async def discard(work: Path, target: Path | None = None) -> None:
    """Delete the copies of an export that may not be finished, and with ``target`` its bag."""
    for place in (work, *([target] if target else [])):
        if place.is_dir():
            await asyncio.to_thread(shutil.rmtree, place)
        else:
            await asyncio.to_thread(place.unlink, missing_ok=True)
