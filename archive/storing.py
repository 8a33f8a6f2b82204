"""Several small objects of one kind put at once: the store syncs them together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.store import Version, Write
from archive.threads import all_of
from core.ids import new_id


@dataclass(frozen=True)
class Document:
    """The bytes of one object, and the recording that it is about."""

    key: str
    content: bytes
    recording_id: UUID

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


async def store_documents(
    archive: Archive, kind: str, documents: Sequence[Document], until: datetime
) -> list[StoredObject]:
    """Put them, or take the identical versions that an interrupted attempt left; the caller has to commit the rows."""
    there = await all_of([_find(archive, document, until) for document in documents])
    new = [document for document, version in zip(documents, there, strict=True) if version is None]
    written = iter(await archive.store.put_all([Write(each.key, each.content, each.sha256, until) for each in new]))
    return [
        _row(archive, kind, document, version or next(written))
        for document, version in zip(documents, there, strict=True)
    ]


async def _find(archive: Archive, document: Document, until: datetime) -> Version | None:
    for version in await archive.store.versions_of(document.key):
        if version.sha256 == document.sha256 and not version.marker:
            if version.lock_until is None or version.lock_until < until:
                return await archive.store.lengthen_lock(version.key, version.version_id, until)
            return version
    return None


def _row(archive: Archive, kind: str, document: Document, version: Version) -> StoredObject:
    assert version.lock_until is not None
    return StoredObject(
        id=new_id(),
        recording_id=document.recording_id,
        kind=kind,
        key=document.key,
        version_id=version.version_id,
        size=version.size,
        sha256=version.sha256,
        lock_until=version.lock_until,
        created_at=archive.clock(),
    )
