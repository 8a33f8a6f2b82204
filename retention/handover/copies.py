"""The copies of recordings that an export makes, and how they go: when they expire, and with what they hold.

A bag that was asked for through the API lies in our own directory, to be fetched; nights remove it when its days are
over, a disposal as soon as one of its recordings goes.  What is out of our hands already (fetched, or written by the
command line to wherever its user wanted it) is named in the certificate of disposal, with its receipts.
"""

import asyncio
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.house import Archive
from core.errors import Conflict, HuiyinError, Refused, with_cause
from core.ledger import Entry, LedgerRow, append
from core.settings import Settings
from retention.handover.tables import DONE, Export, ExportItem, Receipt
from retention.handover.working import someone_writes, working_directory

REMOVED, HANDED_OUT = "export removed", "handed out"
EXPIRED, DISPOSAL = "expired", "disposal"
SYSTEM = "system"
UNSEEN = (
    "看不到移交包目录，到期的副本未能清除；请在本机挂载该目录"
    " / the directory of handovers is not there and expired copies were not removed: mount it on this machine"
)
UNKNOWN = (
    "移交包目录中有来历不明的文件，可能是录音副本，请查明后删除"
    " / an unknown file in the directory of handovers, perhaps a copy of recordings: find out, then delete it"
)


@dataclass
class Sweep:
    """Exports of which a night removed our copy, and files in our directory that nobody knows of or can remove."""

    removed: list[UUID] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)


def bag_file(settings: Settings, export_id: UUID) -> Path:
    """Where our copy of an export lies."""
    return settings.exports / f"{export_id}.zip"


def kept_until(settings: Settings, since: datetime) -> datetime:
    """When our copy of a bag that is finished (or asked for) now expires."""
    return since + timedelta(days=settings.export_days)


def require_writable(export: Export) -> None:
    """``Refused`` for an export whose copies are gone: a list that was made once is never filled again."""
    if export.removed_at is not None:
        raise Refused(
            "移交包已按期限或因录音处置而清除 / this export was removed",
            export=export.id,
            why=export.removed_why,
            remedy="ask for a new export",
        )


async def strike_off(
    session: AsyncSession, recordings: Sequence[UUID], now: datetime
) -> Mapping[UUID, list[dict[str, Any]]]:
    """Mark every export with one of the recordings as removed, in the caller's transaction, with its ledger row.

    Returned, by recording, is what its certificate says of each copy; ``remove_files`` has still to follow."""
    pairs = (
        await session.execute(
            select(ExportItem.recording_id, Export)
            .join(Export, Export.id == ExportItem.export_id)
            .where(ExportItem.recording_id.in_(recordings))
            .order_by(Export.asked_at, Export.id)
            .with_for_update(of=Export)
        )
    ).all()
    exports = {export.id: export for _, export in pairs}
    for export in exports.values():
        if export.removed_at is None and (export.here or export.state != DONE):
            await _mark(session, export, DISPOSAL, now)
    told = await _told(session, exports)
    found: dict[UUID, list[dict[str, Any]]] = {recording: [] for recording in recordings}
    for recording, export in pairs:
        found[recording].append(told[export.id])
    return found


async def _mark(session: AsyncSession, export: Export, why: str, now: datetime) -> None:
    export.removed_at, export.removed_why = now, why
    facts = {"why": why, "tag_manifest_sha256": export.tag_manifest or None}
    await append(session, Entry(REMOVED, SYSTEM, str(export.id), facts), now)


async def _told(session: AsyncSession, exports: Mapping[UUID, Export]) -> Mapping[UUID, dict[str, Any]]:
    """What a certificate says of each export: no name and no number."""
    if not exports:
        return {}
    receipts: dict[UUID, list[str]] = {identifier: [] for identifier in exports}
    query = select(Receipt.export_id, Receipt.id, Receipt.signed).where(Receipt.export_id.in_(exports))
    for export_id, receipt, signed in await session.execute(query.order_by(Receipt.id)):
        receipts[export_id].append(f"{receipt}{' signed' if signed else ''}")
    subjects = [str(identifier) for identifier in exports]
    counted = select(LedgerRow.subject, func.count()).where(
        LedgerRow.subject.in_(subjects), LedgerRow.kind == HANDED_OUT
    )
    handed = dict((await session.execute(counted.group_by(LedgerRow.subject))).all())
    return {
        identifier: {
            "export": str(identifier),
            "asked_at": export.asked_at.isoformat(),
            "finished": export.state == DONE,
            "tag_manifest_sha256": export.tag_manifest or None,
            "kept_by_us": export.here,
            "removed": export.removed_why or None,
            "handed_out": handed.get(str(identifier), 0),
            "receipts": receipts[identifier],
        }
        for identifier, export in exports.items()
    }


async def remove_files(settings: Settings, copies: Iterable[Mapping[str, Any]]) -> None:
    """Delete our own files of the copies that a certificate names; doing it again is harmless.

    ``Refused`` where our directory is not there to be looked into, ``Conflict`` while a process still writes one."""
    ours = [UUID(each["export"]) for each in copies if each["kept_by_us"]]
    if ours and not settings.exports.is_dir():
        raise Refused(
            "看不到移交包目录，无法确认副本已删除 / the directory of exports is not there",
            directory=settings.exports,
            remedy="mount it here, or make an empty one where nothing was ever exported",
        )
    for export_id in ours:
        await asyncio.to_thread(_remove, bag_file(settings, export_id))


def _remove(bag: Path) -> None:
    work = working_directory(bag)
    if someone_writes(work):
        raise Conflict("a process still writes an export that was removed", directory=work, remedy="it will stop soon")
    shutil.rmtree(work, ignore_errors=True)
    bag.with_name(bag.name + ".partial").unlink(missing_ok=True)
    bag.unlink(missing_ok=True)
    if bag.exists() or work.exists():
        raise Refused("our copy of an export cannot be deleted", file=bag, remedy="see to its permissions")


async def remove_expired(archive: Archive, settings: Settings, *, now: datetime) -> Sweep:
    """Remove our copies whose days are over, and what an interrupted removal left; name files that nobody knows."""
    moment, sweep = min(now, archive.clock()), Sweep()
    over = select(Export).where(Export.here, Export.removed_at.is_(None), Export.expires_at <= moment)
    if not await asyncio.to_thread(settings.exports.is_dir):
        async with archive.database.read() as session:
            if (await session.scalars(over.limit(1))).first() is not None:
                sweep.faults[str(settings.exports)] = UNSEEN
        return sweep
    async with archive.database.write() as session:
        for export in await session.scalars(over.order_by(Export.asked_at).with_for_update()):
            await _mark(session, export, EXPIRED, moment)
            sweep.removed.append(export.id)
    names = await asyncio.to_thread(_names, settings.exports)
    known = {export_id for export_id in names.values() if export_id is not None}
    async with archive.database.read() as session:
        rows = {row.id: row for row in await session.scalars(select(Export).where(Export.id.in_(known)))}
    for name, export_id in names.items():
        row = rows.get(export_id) if export_id else None
        if row is None:
            sweep.faults[name] = UNKNOWN
        elif row.removed_at is not None:
            await _remove_or_tell(bag_file(settings, row.id), sweep)
    return sweep


async def _remove_or_tell(bag: Path, sweep: Sweep) -> None:
    try:
        await asyncio.to_thread(_remove, bag)
    except HuiyinError as error:
        sweep.faults[bag.name] = with_cause("移交包副本未能删除", "the copy of a handover was not deleted", error)


def _names(directory: Path) -> dict[str, UUID | None]:
    """What lies in our directory, and the export that each belongs to by its name."""
    names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    return {name: _export_of(name) for name in names}


def _export_of(name: str) -> UUID | None:
    try:
        return UUID(name.partition(".")[0])
    except ValueError:
        return None
