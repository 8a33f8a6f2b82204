"""Files into the payload: each is hashed while it is written, appears whole or not at all, and is written once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from archive.catalogue import StoredObject
from archive.house import Archive
from core.errors import Damaged
from retention.handover.bag import file_hashes
from retention.handover.journal import Journal, Written


@dataclass
class Counts:
    """What a run did: files and octets written, files that an earlier run had written and that are still right."""

    files: int = 0
    octets: int = 0
    reused: int = 0


@dataclass(frozen=True)
class Payload:
    """The payload of a bag in the making.  Paths are relative to the bag and begin with ``data/``."""

    bag: Path
    journal: Journal
    counts: Counts

    async def reuse(self, path: str) -> Written | None:
        """What an earlier run wrote at ``path``, if every octet of it is still there."""
        noted = self.journal.find(path)
        if noted is None or not (self.bag / path).is_file():
            return None
        hashes = await asyncio.to_thread(file_hashes, self.bag / path)
        if hashes != {"sha256": noted.sha256, "sha512": noted.sha512}:
            return None
        self.counts.reused += 1
        return noted

    async def write(self, path: str, content: bytes) -> Written:
        """A file that we make; an earlier run's is replaced if it says anything else."""
        noted = self.journal.find(path)
        if noted and noted.sha256 == hashlib.sha256(content).hexdigest():
            there = await self.reuse(path)
            if there:
                return there
        return await self._stream(path, _once(content))

    async def adopt(self, path: str, file: Path) -> Written:
        """Take over a finished file that was made elsewhere on this disk."""
        target = self._place(path)
        hashes = await asyncio.to_thread(file_hashes, file)
        written = Written(path, file.stat().st_size, **hashes)
        file.replace(target)
        self._done(written)
        return written

    async def copy(self, archive: Archive, stored: StoredObject, path: str) -> Written:
        """A sealed object, as it was sealed; ``Damaged`` names one that is not."""
        there = await self.reuse(path)
        if there and there.sha256 == stored.sha256:
            return there
        return await self._stream(path, archive.store.read(stored.key, stored.version_id), expected=stored)

    async def _stream(self, path: str, chunks: AsyncIterator[bytes], expected: StoredObject | None = None) -> Written:
        target = self._place(path)
        partial = target.with_name(target.name + ".partial")
        sha256, sha512, size = hashlib.sha256(), hashlib.sha512(), 0
        with partial.open("wb") as file:
            async for chunk in chunks:
                sha256.update(chunk)
                sha512.update(chunk)
                size += len(chunk)
                file.write(chunk)
        if expected and sha256.hexdigest() != expected.sha256:
            partial.unlink()
            raise Damaged(
                "a sealed object was altered, and cannot be handed over as genuine",
                key=expected.key,
                expected_sha256=expected.sha256,
                found_sha256=sha256.hexdigest(),
                remedy="restore it from a copy, then run the same export again",
            )
        partial.replace(target)
        written = Written(path, size, sha256.hexdigest(), sha512.hexdigest())
        self._done(written)
        return written

    def _place(self, path: str) -> Path:
        target = self.bag / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _done(self, written: Written) -> None:
        self.journal.note(written)
        self.counts.files += 1
        self.counts.octets += written.size


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
