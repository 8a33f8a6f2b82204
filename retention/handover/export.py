"""An export from its list to its finished bag, in a directory or a ZIP file; run again, it goes on where it was."""

import asyncio
import fcntl
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from archive.catalogue import Recording
from archive.evidence import Proofs
from archive.house import Archive
from core.errors import Conflict
from core.ledger import Entry, append
from core.note import SigningKey
from core.settings import Settings
from retention.handover import pages
from retention.handover.bag import file_hashes, validate, write_tag_manifests
from retention.handover.begin import prove_export, record_export
from retention.handover.copying import Copier
from retention.handover.journal import Journal
from retention.handover.papers import write_orders, write_reports
from retention.handover.proving import write_ledger
from retention.handover.scope import ALL, Scope
from retention.handover.sealing import write_tag_files
from retention.handover.tables import DONE, Export, ExportItem
from retention.handover.writing import Counts, Payload
from retention.handover.zipping import zip_bag

# Recordings that are asked for and copied together.
CHUNK = 20
DAYS_AT_ONCE = 500


@dataclass(frozen=True)
class Progress:
    """How far an export is: recordings, and octets written by this run."""

    done: int
    recordings: int
    octets: int
    reused: int


@dataclass(frozen=True)
class Finished:
    """A finished bag.  ``tag_manifest`` is the SHA-256 that a receipt names."""

    path: Path
    tag_manifest: str
    counts: Counts


OnProgress = Callable[[Progress], None]


def working_directory(target: Path) -> Path:
    """Where an export is put together, beside its target."""
    return target.with_name(target.name + ".work")


def unfinished(target: Path) -> UUID | None:
    """The export that was begun for this target and interrupted; ``None`` where the place is free.  ``Conflict`` where
    something else is there."""
    note = working_directory(target) / "export.json"
    if note.exists():
        return UUID(json.loads(note.read_text(encoding="utf-8"))["export"])
    if target.exists():
        raise Conflict("there is something at the target", target=target, remedy="choose another place")
    return None


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
    the target or another process is at it, ``Damaged`` for an object that is not what was sealed."""
    work = working_directory(target)
    if unfinished(target) not in (None, export_id):
        raise Conflict("another export was begun here", directory=work, remedy="finish it, or choose another place")
    await record_export(archive, export_id)
    export = await prove_export(archive, export_id, key, retain_until=retain_until)
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(work):
        _note_export(work, export_id)
        bag = work / "bag"
        if not target.exists() or bag.exists():
            counts = await _write(archive, settings, export, bag, key, on_progress)
            await asyncio.to_thread(_finish, bag, target)
        else:
            counts = Counts()
        finished = Finished(target, await asyncio.to_thread(_tag_manifest, work, target), counts)
        await _record_finished(archive, export, finished)
    shutil.rmtree(work)
    return finished


async def _write(
    archive: Archive, settings: Settings, export: Export, bag: Path, key: SigningKey, on_progress: OnProgress
) -> Counts:
    (bag / "data").mkdir(parents=True, exist_ok=True)
    scope, zone = Scope.from_json(export.scope), settings.timezone
    with Journal(bag.parent / "journal.db") as journal:
        payload = Payload(bag, journal, Counts())
        proofs = Proofs(archive, export.head, key.verifier)
        copier, place = Copier(archive, payload, proofs, zone), 0
        async for chunk in _chunks(archive, export.id):
            await copier.copy(chunk)
            place += len(chunk)
            await _note_progress(archive, export.id, place, payload.counts.octets)
            on_progress(Progress(place, export.recordings, payload.counts.octets, payload.counts.reused))
        others = [*await write_orders(archive, payload, export, scope, zone)]
        others += await write_reports(archive, payload, scope)
        await write_ledger(archive, payload, export, key.verifier, whole=scope.kind == ALL)
        others += [
            ("ledger/export.proof.json", "台账证明 ledger"),
            ("ledger/verifier-key.txt", "验证公钥 verifier key"),
        ]
        await _write_index(archive, payload, export, scope, others, settings)
        await asyncio.to_thread(_remove_strays, bag, journal)
        await asyncio.to_thread(write_tag_files, bag, journal, export, scope, key, settings.organisation)
        await asyncio.to_thread(_seal_bag, bag)
        return payload.counts


def _seal_bag(bag: Path) -> None:
    write_tag_manifests(bag)
    os.sync()
    validate(bag)


async def _chunks(archive: Archive, export_id: UUID, size: int = CHUNK) -> AsyncIterator[list[UUID]]:
    """The recordings of an export, in order."""
    for place in count(0, size):
        query = select(ExportItem.recording_id).where(
            ExportItem.export_id == export_id, ExportItem.ordinal >= place, ExportItem.ordinal < place + size
        )
        async with archive.database.read() as session:
            chunk = list(await session.scalars(query.order_by(ExportItem.ordinal)))
        if not chunk:
            return
        yield chunk


async def _write_index(
    archive: Archive, payload: Payload, export: Export, scope: Scope, others: list[tuple[str, str]], settings: Settings
) -> None:
    days: list[pages.DayCount] = []
    async for day, recordings in _by_day(archive, export.id, settings):
        days.append(pages.DayCount(day, len(recordings)))
        page = pages.day_page(day, recordings, settings.timezone)
        await payload.write(f"data/{pages.day_path(day)}", page.encode())
    await payload.write("data/index.html", pages.index_page(export, scope, days, others).encode())


async def _by_day(archive: Archive, export_id: UUID, settings: Settings) -> AsyncIterator[tuple[date, list[Recording]]]:
    """The list is in order of time, so a day's recordings follow each other."""
    day, recordings = None, list[Recording]()
    async for chunk in _chunks(archive, export_id, DAYS_AT_ONCE):
        async with archive.database.read() as session:
            rows = await session.scalars(select(Recording).where(Recording.id.in_(chunk)))
            found = {row.id: row for row in rows}
        for recording in (found[identifier] for identifier in chunk):
            its_day = pages.local_day(recording.started_at, settings.timezone)
            if day is not None and its_day != day:
                yield day, recordings
                recordings = []
            day = its_day
            recordings.append(recording)
    if day is not None:
        yield day, recordings


def _remove_strays(bag: Path, journal: Journal) -> None:
    """What an interrupted run left and nothing noted: halves of files, pages of another state."""
    for path in (bag / "data").rglob("*"):
        if path.is_file() and journal.find(path.relative_to(bag).as_posix()) is None:
            path.unlink()


def _finish(bag: Path, target: Path) -> None:
    if target.suffix == ".zip":
        zip_bag(bag, target)
    else:
        bag.replace(target)


def _tag_manifest(work: Path, target: Path) -> str:
    bag = work / "bag" if (work / "bag").exists() else target
    return file_hashes(bag / "tagmanifest-sha256.txt")["sha256"]


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """One process at a time works on a target; the lock ends with the process."""
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("another process writes this export", directory=work, remedy="wait for it") from None
        yield


def _note_export(work: Path, export_id: UUID) -> None:
    note = work / "export.json"
    if not note.exists():
        partial = work / "export.json.partial"
        partial.write_text(json.dumps({"export": str(export_id)}), encoding="utf-8")
        partial.replace(note)


async def _note_progress(archive: Archive, export_id: UUID, place: int, octets: int) -> None:
    async with archive.database.write() as session:
        export = await session.get_one(Export, export_id)
        export.written, export.bytes = place, octets


async def _record_finished(archive: Archive, export: Export, finished: Finished) -> None:
    async with archive.database.write() as session:
        row = await session.get_one(Export, export.id, with_for_update=True)
        if row.state == DONE:
            return
        now = archive.clock()
        row.state, row.tag_manifest, row.finished_at, row.written = DONE, finished.tag_manifest, now, row.recordings
        facts = {"recordings": row.recordings, "tag_manifest_sha256": finished.tag_manifest}
        await append(session, Entry("export finished", row.asked_by, str(row.id), facts), now)
