"""Reading evidence: the ledger row commits first, then the whole object is checked against its hash, then it is shown.

The local store's own file is handed out; from a remote store a copy is fetched into a cache, checked at each use.
"""

import asyncio
import atexit
import hashlib
import os
import secrets
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from archive import layout
from archive.catalogue import StoredObject
from archive.house import Archive
from archive.seal import SYSTEM, hash_file, object_facts
from archive.store import Version
from core import ledger
from core.errors import Damaged, NotFound

CACHE_BYTES = 1 << 30

_cache_lock = threading.Lock()
_cache: Path | None = None


@dataclass(frozen=True)
class SealedFile:
    """A verified file, for reading only and at once: a cached copy may be removed later."""

    path: Path
    size: int
    sha256: str
    media_type: str


async def open_audio(archive: Archive, recording_id: UUID, *, actor: str, purpose: str) -> SealedFile:
    """A recording's verified audio, after "read" is in the ledger.  ``NotFound``, ``Damaged`` or ``Unavailable``."""
    return await open_sealed(archive, await _audio_object(archive, recording_id), actor=actor, purpose=purpose)


async def open_sealed(archive: Archive, stored: StoredObject, *, actor: str, purpose: str) -> SealedFile:
    """Any sealed sound, verified, after "read" is in the ledger."""
    await _record_read(archive, stored, actor, purpose)
    path = await sealed_audio(archive, stored)
    return SealedFile(path, stored.size, stored.sha256, layout.media_type(stored.key))


async def read_object(archive: Archive, object_id: UUID, *, actor: str, purpose: str) -> bytes:
    """Any sealed object's verified bytes, after "read" is in the ledger; meant for documents, not for audio."""
    async with archive.database.read() as session:
        stored = await session.get(StoredObject, object_id)
    if stored is None:
        raise NotFound("no such object", object=object_id)
    await _record_read(archive, stored, actor, purpose)
    return await read_verified(archive, stored)


async def fetch_audio(archive: Archive, recording_id: UUID, target: Path, *, purpose: str = "transcription") -> None:
    """A verified copy of a recording's audio at ``target``, read in the name of the system."""
    stored = await _audio_object(archive, recording_id)
    await _record_read(archive, stored, SYSTEM, purpose)
    await _copy(archive, stored, target)


async def read_verified(archive: Archive, stored: StoredObject | Version) -> bytes:
    """An object's bytes, checked against its hash; no ledger row: for checks that show nobody anything."""
    content = b"".join([chunk async for chunk in archive.store.read(stored.key, stored.version_id)])
    _require(stored, hashlib.sha256(content).hexdigest())
    return content


async def _audio_object(archive: Archive, recording_id: UUID) -> StoredObject:
    async with archive.database.read() as session:
        stored = await session.scalar(
            select(StoredObject)
            .where(StoredObject.recording_id == recording_id, StoredObject.kind == layout.AUDIO)
            .order_by(StoredObject.created_at)
            .limit(1)
        )
    if stored is None:
        raise NotFound("no audio of such a recording", recording=recording_id)
    return stored


async def _record_read(archive: Archive, stored: StoredObject, actor: str, purpose: str) -> None:
    subject = str(stored.recording_id or stored.id)
    facts = {"kind": stored.kind, "purpose": purpose, "object": object_facts(stored)}
    async with archive.database.write() as session:
        await ledger.append(session, ledger.Entry("read", actor, subject, facts), archive.clock())


async def sealed_audio(archive: Archive, stored: StoredObject) -> Path:
    """A verified file, for reading at once; whoever asks has written into the ledger why."""
    path = archive.store.local_path(stored.key, stored.version_id)
    if path is not None:
        await archive.store.head(stored.key, stored.version_id)
        _require(stored, (await asyncio.to_thread(hash_file, path))[0])
        return path
    cached = _cache_directory() / f"{stored.id}-{stored.sha256}"
    if cached.exists() and (await asyncio.to_thread(hash_file, cached))[0] == stored.sha256:
        os.utime(cached)
        return cached
    await _copy(archive, stored, cached)
    await asyncio.to_thread(_trim, cached.parent, CACHE_BYTES)
    return cached


async def _copy(archive: Archive, stored: StoredObject, target: Path) -> None:
    """Write the object beside ``target`` and move it there once its hash is right."""
    digest = hashlib.sha256()
    partial = target.with_name(f"{target.name}.{secrets.token_hex(8)}")
    try:
        with partial.open("xb") as file:
            async for chunk in archive.store.read(stored.key, stored.version_id):
                digest.update(chunk)
                file.write(chunk)
        _require(stored, digest.hexdigest())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _require(stored: StoredObject | Version, found: str) -> None:
    if found != stored.sha256:
        raise Damaged(
            "a sealed object was altered",
            key=stored.key,
            version=stored.version_id,
            expected_sha256=stored.sha256,
            found_sha256=found,
        )


def _cache_directory() -> Path:
    """A directory that only this account can enter, removed when the process ends."""
    global _cache
    with _cache_lock:
        if _cache is None:
            _cache = Path(tempfile.mkdtemp(prefix="huiyin-audio-"))
            atexit.register(shutil.rmtree, _cache, ignore_errors=True)
        return _cache


def _trim(directory: Path, limit: int) -> None:
    """Remove the copies used longest ago until the rest fits."""
    files = sorted(((path.stat(), path) for path in directory.iterdir()), key=lambda item: -item[0].st_mtime)
    total = 0
    for stat, path in files:
        total += stat.st_size
        if total > limit:
            path.unlink(missing_ok=True)
