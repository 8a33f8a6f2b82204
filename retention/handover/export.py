"""An export from its list to its finished bag, in a directory or a ZIP file; run again, it goes on where it was."""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from archive.evidence import Proofs
from archive.house import Archive
from core.errors import Conflict, Refused
from core.note import SigningKey
from core.settings import Settings
from retention.handover.bag import validate, write_tag_manifests
from retention.handover.begin import prove_export, record_export
from retention.handover.copies import require_writable
from retention.handover.copying import Copier
from retention.handover.finishing import Finished, discard, put_in_place, record_finished, require_all_kept
from retention.handover.journal import Journal
from retention.handover.listing import chunks, write_index
from retention.handover.orders import write_orders
from retention.handover.papers import Papers
from retention.handover.proving import write_ledger
from retention.handover.scope import ALL, Scope
from retention.handover.sealing import write_tag_files
from retention.handover.tables import Export
from retention.handover.working import alone, note_export, unfinished, working_directory
from retention.handover.writing import Counts, Payload


@dataclass(frozen=True)
class Progress:
    """How far an export is: recordings, and octets written by this run."""

    done: int
    recordings: int
    octets: int
    reused: int


OnProgress = Callable[[Progress], None]


async def run_export(
    archive: Archive,
    settings: Settings,
    export_id: UUID,
    target: Path,
    *,
    key: SigningKey,
    retain_until: datetime,
    on_progress: OnProgress = lambda _: None,
) -> Finished:
    """Write an export's bag.  The ledger rows commit before the first byte.  ``Conflict`` where something else is at
    the target or another process is at it, ``Damaged`` for an object that is not what was sealed, ``Refused`` once a
    recording of it is being disposed of: then nothing of it is left."""
    work = working_directory(target)
    if unfinished(target) not in (None, export_id):
        raise Conflict("another export was begun here", directory=work, remedy="finish it, or choose another place")
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(work):
        note_export(work, export_id)
        try:
            await record_export(archive, export_id, retain_until=retain_until)
            export = await prove_export(archive, export_id, key, retain_until=retain_until)
            counts = await _write(archive, settings, export, work / "bag", target, key, on_progress)
        except Refused:
            await discard(work)
            raise
        done = await asyncio.to_thread(put_in_place, work, target, counts)
        try:
            await record_finished(archive, settings, export, done, retain_until)
        except Refused:
            await discard(work, target)
            raise
    shutil.rmtree(work)
    return done


async def _write(
    archive: Archive,
    settings: Settings,
    export: Export,
    bag: Path,
    target: Path,
    key: SigningKey,
    on_progress: OnProgress,
) -> Counts:
    """The whole bag; nothing where an interrupted run has put it in its place already."""
    if target.exists() and not bag.exists():
        return Counts()
    (bag / "data").mkdir(parents=True, exist_ok=True)
    scope, zone = Scope.from_json(export.scope), settings.timezone
    with Journal(bag.parent / "journal.db") as journal:
        payload, proofs = Payload(bag, journal, Counts()), Proofs(archive, export.head, key.verifier)
        await _write_recordings(archive, export, Copier(archive, payload, proofs, zone), on_progress)
        others = [*await write_orders(archive, payload, export, scope, zone)]
        others += await Papers(archive, payload, proofs, export, scope, zone).write()
        others += await write_ledger(archive, payload, export, key.verifier, whole=scope.kind == ALL)
        await write_index(archive, payload, export, scope, others, zone)
        await asyncio.to_thread(_remove_strays, bag, journal)
        await asyncio.to_thread(write_tag_files, bag, journal, export, scope, key, settings.organisation)
        await asyncio.to_thread(_seal_bag, bag)
        async with archive.database.read() as session:
            await require_all_kept(session, export)
        return payload.counts


async def _write_recordings(archive: Archive, export: Export, copier: Copier, on_progress: OnProgress) -> None:
    place, counts = 0, copier.payload.counts
    async for chunk in chunks(archive, export.id):
        await copier.copy(chunk)
        place += len(chunk)
        async with archive.database.write() as session:
            row = await session.get_one(Export, export.id, with_for_update=True)
            require_writable(row)
            row.written, row.bytes = place, counts.octets
        on_progress(Progress(place, export.recordings, counts.octets, counts.reused))


def _seal_bag(bag: Path) -> None:
    write_tag_manifests(bag)
    os.sync()
    validate(bag)


def _remove_strays(bag: Path, journal: Journal) -> None:
    """What an interrupted run left and nothing noted: halves of files, pages of another state."""
    for path in (bag / "data").rglob("*"):
        if path.is_file() and journal.find(path.relative_to(bag).as_posix()) is None:
            path.unlink()
