"""Sealing: objects first (each checked by HEAD), then one transaction for catalogue, ledger and what comes next.

A crash between the two leaves locked objects that no row names; sealing again finds them by key and hash and goes on.
No object holds the time of its sealing, so that the same facts give the same bytes; the ledger row tells the time.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from archive import layout
from archive.catalogue import KEPT, SEALED, TEXT_DONE, Call, Recording, StoredObject, TurnRow
from archive.house import Archive, Then
from archive.lock import round_up
from archive.peaks import compute_peaks
from archive.search_index import index_turns, remove_turns
from archive.store import Version
from archive.teams import team_at
from core import ledger
from core.clock import require_utc
from core.errors import Conflict, NotFound
from core.ids import new_id

SYSTEM = "system"


@dataclass(frozen=True)
class NewRecording:
    """A finished call, ready to be sealed.  ``facts`` (call facts, stream statistics, raw signalling) must be JSON."""

    id: UUID
    sip_call_id: str
    started_at: datetime
    ended_at: datetime
    duration_ms: int
    agent_number: str
    agent_name: str
    citizen_number: str
    citizen_name: str
    work_order: str
    interrupted: bool
    flags: tuple[str, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class NewTurn:
    """One turn of a transcript; milliseconds from the recording's start, ``words`` as in ``TurnRow``."""

    party: str
    start_ms: int
    end_ms: int
    text: str
    confidence: float
    overlaps: bool
    words: list[list[Any]]


async def seal_recording(
    archive: Archive, recording: NewRecording, audio: Path, *, retain_until: datetime, then: Then | None = None
) -> Recording:
    """Seal a call's audio and facts; a recording that is sealed already is returned as it is, and ``then`` not run."""
    there = await _find_recording(archive, recording.id)
    if there is not None:
        return there
    until = round_up(retain_until)
    sha256, size = await asyncio.to_thread(hash_file, audio)
    audio_object = await _store(
        archive, layout.audio_key(recording.id, recording.started_at), layout.AUDIO, audio, sha256, until, recording.id
    )
    content = _metadata(recording, sha256, size)
    metadata_object = await store_bytes(
        archive,
        layout.metadata_key(recording.id, recording.started_at),
        layout.METADATA,
        content,
        until,
        recording.id,
    )
    peaks = await asyncio.to_thread(compute_peaks, audio)
    try:
        async with archive.database.write() as session:
            there = await session.get(Recording, recording.id)
            if there is None:
                there = _row(recording, archive.clock(), until)
                await _commit_recording(session, there, (audio_object, metadata_object), then)
                session.add(peaks.row(there.id))
            return there
    except IntegrityError:
        # Another process sealed the same recording between our look and our commit.
        there = await _find_recording(archive, recording.id)
        if there is None:
            raise
        return there


async def seal_transcript(
    archive: Archive,
    recording_id: UUID,
    content: Mapping[str, Any],
    turns: Sequence[NewTurn],
    *,
    author: str,
    reason: str,
    retain_until: datetime,
    expected_version: int,
    then: Then | None = None,
) -> int:
    """Seal the next version of a recording's text and return its number.  ``Conflict`` unless ``expected_version`` is
    the present one.  All objects of the recording are locked until ``retain_until`` if that is later."""
    number = expected_version + 1
    async with archive.database.write() as session:
        # The row is locked before the object is put: of two who seal the same version at once, in whichever processes,
        # the second is refused before it leaves a locked object that no row will name.
        recording = await _lock_recording(session, recording_id)
        _require_version(recording, expected_version)
        until = max(round_up(retain_until), recording.retain_until)
        replaced = await _transcript_hash(session, recording, expected_version)
        wrapped = layout.document(
            {
                "format": layout.TRANSCRIPT_FORMAT,
                "recording_id": str(recording_id),
                "version": number,
                "author": author,
                "reason": reason,
                "replaces_sha256": replaced,
                "turns": [asdict(turn) for turn in turns],
                "content": content,
            }
        )
        key = layout.transcript_key(recording_id, recording.started_at, number)
        stored = await store_bytes(archive, key, layout.TRANSCRIPT, wrapped, until, recording_id)
        now = archive.clock()
        await _lengthen_all(archive, session, recording, until)
        await _add_object(archive, session, stored, recording)
        await _replace_turns(session, recording_id, number, turns)
        recording.text_state, recording.text_error, recording.text_version = TEXT_DONE, "", number
        recording.text_final_at, recording.text_confidence = now, mean_confidence(turns)
        kind = "transcribed" if expected_version == 0 else "corrected"
        facts = {"version": number, "replaces_sha256": replaced, "retain_until": recording.retain_until.isoformat()}
        await _record(session, ledger.Entry(kind, author, str(recording_id), facts), (stored,), now)
        if then is not None:
            await then(session)
    return number


async def seal_object(
    archive: Archive,
    *,
    key: str,
    kind: str,
    content: bytes | Path,
    retain_until: datetime,
    entry: ledger.Entry,
    recording_id: UUID | None = None,
    then: Callable[[AsyncSession, StoredObject], Awaitable[None]] | None = None,
) -> StoredObject:
    """Seal anything else (link, report, certificate).  The object's key, version and hash join the entry's facts.

    What is sealed already under this key with this content is returned as it is, and ``then`` not run."""
    until = round_up(retain_until)
    if isinstance(content, bytes):
        stored = await store_bytes(archive, key, kind, content, until, recording_id)
    else:
        sha256, _ = await asyncio.to_thread(hash_file, content)
        stored = await _store(archive, key, kind, content, sha256, until, recording_id)
    async with archive.database.write() as session:
        # Locked before looking, so that two who seal the same object look one after the other.
        recording = None if recording_id is None else await _lock_recording(session, recording_id)
        there = await session.scalar(
            select(StoredObject).where(StoredObject.key == key, StoredObject.version_id == stored.version_id)
        )
        if there is not None:
            return there
        await _add_object(archive, session, stored, recording)
        await _record(session, entry, (stored,), archive.clock())
        if then is not None:
            await then(session, stored)
    return stored


async def lengthen(archive: Archive, recording_id: UUID, until: datetime, *, why: str, actor: str) -> None:
    """Lock every object of a recording until ``until`` where that is later; nothing is ever shortened."""
    async with archive.database.write() as session:
        recording = await _lock_recording(session, recording_id)
        if await _lengthen_all(archive, session, recording, round_up(until)):
            facts = {"retain_until": recording.retain_until.isoformat(), "why": why}
            await ledger.append(session, ledger.Entry("locked", actor, str(recording_id), facts), archive.clock())


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and size of a file; blocking."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def object_facts(stored: StoredObject) -> dict[str, object]:
    """How the ledger names an object: all that the catalogue would need to name it again."""
    return {
        "id": str(stored.id),
        "kind": stored.kind,
        "key": stored.key,
        "version_id": stored.version_id,
        "sha256": stored.sha256,
        "size": stored.size,
    }


def _metadata(recording: NewRecording, sha256: str, size: int) -> bytes:
    plain = asdict(recording)
    plain["id"] = str(recording.id)
    for name in ("started_at", "ended_at"):
        plain[name] = require_utc(plain[name]).isoformat()
    return layout.document(
        {
            "format": layout.RECORDING_FORMAT,
            "software": f"huiyin {layout.software_version()}",
            "recording": plain,
            "objects": {"audio.flac": {"sha256": sha256, "size": size}},
        }
    )


def _row(recording: NewRecording, now: datetime, until: datetime) -> Recording:
    values = {**asdict(recording), "flags": list(recording.flags), "facts": dict(recording.facts)}
    return Recording(**values, sealed_at=now, retain_until=until)


async def store_bytes(
    archive: Archive, key: str, kind: str, content: bytes, until: datetime, recording_id: UUID | None
) -> StoredObject:
    """Put bytes (or take what an interrupted attempt left) and return the row that the caller has still to commit."""
    return await _store(archive, key, kind, content, hashlib.sha256(content).hexdigest(), until, recording_id)


async def _store(
    archive: Archive,
    key: str,
    kind: str,
    content: bytes | Path,
    sha256: str,
    until: datetime,
    recording_id: UUID | None,
) -> StoredObject:
    """Put the content, or take the identical version that an interrupted attempt left; the row is not added yet."""
    version = await _find_version(archive, key, sha256)
    if version is None:
        version = await archive.store.put(key, content, sha256=sha256, lock_until=until)
    elif version.lock_until is None or version.lock_until < until:
        version = await archive.store.lengthen_lock(key, version.version_id, until)
    assert version.lock_until is not None
    return StoredObject(
        id=new_id(),
        recording_id=recording_id,
        kind=kind,
        key=key,
        version_id=version.version_id,
        size=version.size,
        sha256=version.sha256,
        lock_until=version.lock_until,
        created_at=archive.clock(),
    )


async def _find_version(archive: Archive, key: str, sha256: str) -> Version | None:
    async for version in archive.store.list_versions(key):
        if version.key == key and version.sha256 == sha256 and not version.marker:
            return version
    return None


async def _commit_recording(
    session: AsyncSession, recording: Recording, objects: Sequence[StoredObject], then: Then | None
) -> None:
    session.add(recording)
    await session.flush()
    session.add_all(objects)
    await _mark_call_sealed(session, recording)
    facts = {"retain_until": recording.retain_until.isoformat(), "interrupted": recording.interrupted}
    entry = ledger.Entry("sealed", SYSTEM, str(recording.id), facts)
    await _record(session, entry, objects, recording.sealed_at)
    # Behind the ledger's lock, which those who give numbers to teams take too.
    recording.team = await team_at(session, recording.agent_number, recording.started_at)
    if then is not None:
        await then(session)


async def _mark_call_sealed(session: AsyncSession, recording: Recording) -> None:
    call = await session.get(Call, recording.id, with_for_update=True)
    if call is None:
        call = Call(id=recording.id, sip_call_id=recording.sip_call_id, started_at=recording.started_at)
        session.add(call)
    call.state, call.ended_at, call.work_order = SEALED, recording.ended_at, recording.work_order


async def _record(session: AsyncSession, entry: ledger.Entry, objects: Sequence[StoredObject], now: datetime) -> None:
    facts = {**entry.facts, "objects": [object_facts(stored) for stored in objects]}
    await ledger.append(session, ledger.Entry(entry.kind, entry.actor, entry.subject, facts), now)


async def _find_recording(archive: Archive, recording_id: UUID) -> Recording | None:
    async with archive.database.read() as session:
        return await session.get(Recording, recording_id)


async def _lock_recording(session: AsyncSession, recording_id: UUID) -> Recording:
    """The recording's row, locked: what changes its objects or its hold waits in line."""
    recording = await session.get(Recording, recording_id, with_for_update=True)
    if recording is None:
        raise NotFound("no such recording", recording=recording_id)
    if recording.life != KEPT:
        raise Conflict("this recording has been disposed of", recording=recording_id)
    return recording


def _require_version(recording: Recording, expected: int) -> None:
    if recording.text_version != expected:
        raise Conflict(
            "有人先保存了新的一版 / the text has moved on",
            recording=recording.id,
            expected_version=expected,
            found=recording.text_version,
        )


async def _transcript_hash(session: AsyncSession, recording: Recording, number: int) -> str | None:
    key = layout.transcript_key(recording.id, recording.started_at, number)
    return await session.scalar(
        select(StoredObject.sha256).where(StoredObject.recording_id == recording.id, StoredObject.key == key)
    )


async def _add_object(
    archive: Archive, session: AsyncSession, stored: StoredObject, recording: Recording | None
) -> None:
    session.add(stored)
    await session.flush()
    if recording is not None and recording.held:
        await archive.store.hold(stored.key, stored.version_id, True)


async def _lengthen_all(archive: Archive, session: AsyncSession, recording: Recording, until: datetime) -> bool:
    """Lengthen in the store first: a crash before the commit leaves longer locks than the catalogue says, never
    shorter ones."""
    objects = await session.scalars(
        select(StoredObject).where(StoredObject.recording_id == recording.id, StoredObject.lock_until < until)
    )
    changed = recording.retain_until < until
    for stored in objects.all():
        version = await archive.store.lengthen_lock(stored.key, stored.version_id, until)
        assert version.lock_until is not None
        stored.lock_until, changed = version.lock_until, True
    recording.retain_until = max(recording.retain_until, until)
    return changed


async def _replace_turns(session: AsyncSession, recording_id: UUID, number: int, turns: Sequence[NewTurn]) -> None:
    await remove_turns(session, recording_id)
    rows = [
        TurnRow(recording_id=recording_id, version=number, ordinal=ordinal, **asdict(turn))
        for ordinal, turn in enumerate(turns)
    ]
    session.add_all(rows)
    await session.flush()
    await index_turns(session, rows)


def mean_confidence(turns: Sequence[NewTurn]) -> float | None:
    """The mean confidence of the text, each turn by its length in characters."""
    characters = sum(len(turn.text) for turn in turns)
    return sum(turn.confidence * len(turn.text) for turn in turns) / characters if characters else None
