"""Compare store, catalogue and ledger about one recording, reading every byte."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive import layout
from archive.catalogue import DISPOSED, Recording, StoredObject
from archive.house import Archive
from archive.retrieve import read_verified
from archive.store import Version
from core.errors import Damaged, NotFound
from core.ledger import LedgerRow


@dataclass(frozen=True)
class Fault:
    """One thing that is not as it should be, by name."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


async def verify_recording(archive: Archive, recording_id: UUID) -> list[Fault]:
    """Every fault of a recording's objects; empty when all is as it was sealed.  ``NotFound`` for no such recording."""
    async with archive.database.read() as session:
        recording = await session.get(Recording, recording_id)
        if recording is None:
            raise NotFound("no such recording", recording=recording_id)
        objects = (await session.scalars(select(StoredObject).where(StoredObject.recording_id == recording_id))).all()
        recorded = await _recorded_objects(session, recording_id)
    if recording.life == DISPOSED:
        return [fault async for fault in _left_over(archive, recording)]
    faults = [fault for stored in objects for fault in await _check_object(archive, recording, stored)]
    faults += _compare_ledger(objects, recorded)
    faults += await _check_extra(archive, recording, objects)
    return faults


async def _check_object(archive: Archive, recording: Recording, stored: StoredObject) -> list[Fault]:
    try:
        version = await archive.store.head(stored.key, stored.version_id)
    except NotFound:
        return [Fault(f"{stored.key}: missing", f"version {stored.version_id}", "nothing")]
    except Damaged as error:
        return [Fault(f"{stored.key}: altered", stored.sha256, str(error))]
    faults = list(_check_lock(recording, stored, version))
    try:
        content = await read_verified(archive, stored)
    except Damaged as error:
        faults.append(Fault(f"{stored.key}: altered", stored.sha256, str(error.facts.get("found_sha256", error))))
    else:
        if stored.kind == layout.METADATA:
            faults += await _check_metadata(archive, recording, content)
    return faults


def _check_lock(recording: Recording, stored: StoredObject, version: Version) -> Iterator[Fault]:
    due = max(stored.lock_until, recording.retain_until)
    if version.lock_until is None:
        yield Fault(f"{stored.key}: unlocked", due.isoformat(), "no lock")
    elif version.lock_until < due:
        yield Fault(f"{stored.key}: lock too short", due.isoformat(), version.lock_until.isoformat())
    if recording.held and not version.held:
        yield Fault(f"{stored.key}: not held", "a legal hold", "none")


async def _check_metadata(archive: Archive, recording: Recording, content: bytes) -> list[Fault]:
    """The facts object names the audio's hash: objects cannot be swapped between recordings."""
    said = json.loads(content)
    async with archive.database.read() as session:
        query = select(StoredObject.sha256).where(
            StoredObject.recording_id == recording.id, StoredObject.kind == layout.AUDIO
        )
        found = await session.scalar(query)
    audio, identifier = said["objects"]["audio.flac"]["sha256"], said["recording"]["id"]
    faults = []
    if audio != found:
        faults.append(Fault("metadata.json: names another audio", audio, str(found)))
    if identifier != str(recording.id):
        faults.append(Fault("metadata.json: belongs to another recording", str(recording.id), identifier))
    return faults


async def _recorded_objects(session: AsyncSession, recording_id: UUID) -> list[dict[str, Any]]:
    """What was sealed, as the ledger tells it: such entries name ``objects`` (one that is only used: ``object``)."""
    query = select(LedgerRow.leaf).where(LedgerRow.subject == str(recording_id)).order_by(LedgerRow.seq)
    rows = await session.scalars(query)
    return [item for leaf in rows for item in json.loads(leaf)["facts"].get("objects", ())]


def _compare_ledger(objects: Iterable[StoredObject], recorded: Iterable[dict[str, Any]]) -> list[Fault]:
    said = {(item["key"], item["version_id"]): item["sha256"] for item in recorded}
    shown = {(stored.key, stored.version_id): stored.sha256 for stored in objects}
    faults = [Fault(f"{key}: not in the catalogue", said[key, v], "nothing") for key, v in said.keys() - shown.keys()]
    faults += [Fault(f"{key}: not in the ledger", "an entry", "none") for key, v in shown.keys() - said.keys()]
    faults += [
        Fault(f"{place[0]}: catalogue and ledger disagree", said[place], shown[place])
        for place in said.keys() & shown.keys()
        if said[place] != shown[place]
    ]
    return sorted(faults, key=lambda fault: fault.what)


async def _check_extra(archive: Archive, recording: Recording, objects: Iterable[StoredObject]) -> list[Fault]:
    """Versions that nothing names.  An identical one is what two sealers at once leave, and harmless."""
    known = {(stored.key, stored.version_id) for stored in objects}
    hashes = {(stored.key, stored.sha256) for stored in objects}
    faults = []
    async for version in archive.store.list_versions(layout.recording_prefix(recording.id, recording.started_at)):
        if version.marker:
            faults.append(Fault(f"{version.key}: hidden by a delete marker", "no marker", version.version_id))
        elif (version.key, version.version_id) not in known and (version.key, version.sha256) not in hashes:
            faults.append(Fault(f"{version.key}: extra version", "none", version.version_id))
    return faults


async def _left_over(archive: Archive, recording: Recording) -> AsyncIterator[Fault]:
    async for version in archive.store.list_versions(layout.recording_prefix(recording.id, recording.started_at)):
        yield Fault(f"{version.key}: left over after disposal", "nothing", version.version_id)
