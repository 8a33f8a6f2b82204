"""Files into the payload: each is hashed while it is written, appears whole or not at all, and is written once.

All of it is done in threads, several files at a time: hashing and writing leave the interpreter's lock to the others.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from archive.catalogue import StoredObject
from archive.house import Archive
from core.errors import Damaged
from retention.handover.bag import file_hashes
from retention.handover.journal import Journal, Written

CHUNK = 1 << 20
# Files that are written at the same time: bounds memory, descriptors and the store's connections.
AT_ONCE = 8


@dataclass
class Counts:
    """What a run did: files and octets written, files that an earlier run had written and that are still right."""

    files: int = 0
    octets: int = 0
    reused: int = 0


class _Sink:
    """A file in the making beside its place, with both hashes of what was written."""

    def __init__(self, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._target, self._partial = target, target.with_name(target.name + ".partial")
        self._file = self._partial.open("wb")
        self._hashes = hashlib.sha256(), hashlib.sha512()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        for digest in self._hashes:
            digest.update(chunk)
        self._size += self._file.write(chunk)

    def finish(self, path: str, expected: StoredObject | None = None) -> Written:
        """The file takes its place; ``Damaged`` where it is not what was sealed."""
        self._file.close()
        sha256, sha512 = (digest.hexdigest() for digest in self._hashes)
        if expected and sha256 != expected.sha256:
            raise Damaged(
                "a sealed object was altered, and cannot be handed over as genuine",
                key=expected.key,
                expected_sha256=expected.sha256,
                found_sha256=sha256,
                remedy="restore it from a copy, then run the same export again",
            )
        self._partial.replace(self._target)
        return Written(path, self._size, sha256, sha512)

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Payload:
    """The payload of a bag in the making.  Paths are relative to the bag and begin with ``data/``."""

    bag: Path
    journal: Journal
    counts: Counts
    _limit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def reuse(self, path: str, sha256: str) -> Written | None:
        """What an earlier run wrote at ``path``, if it has this hash and every octet of it is still there."""
        noted = self.journal.find(path)
        if noted is None or noted.sha256 != sha256:
            return None
        if not await asyncio.to_thread(_holds, self.bag / path, noted):
            return None
        self.counts.reused += 1
        return noted

    async def write(self, path: str, content: bytes) -> Written:
        """A file that we make; an earlier run's is replaced if it says anything else."""
        [written] = await self.write_all({path: content})
        return written

    async def write_all(self, files: Mapping[str, bytes]) -> list[Written]:
        """Several small files that we make, by path."""
        found = {
            path: await self.reuse(path, hashlib.sha256(content).hexdigest()) if self.journal.find(path) else None
            for path, content in files.items()
        }
        new = {path: content for path, content in files.items() if found[path] is None}
        if new:
            async with self._limit:
                made = await asyncio.to_thread(lambda: [_write(self.bag, *each) for each in new.items()])
            found.update({written.path: self._done(written) for written in made})
        return [written for written in found.values() if written is not None]

    async def adopt(self, path: str, file: Path) -> Written:
        """Take over a finished file that was made elsewhere on this disk."""
        return self._done(await asyncio.to_thread(_adopt, self.bag, path, file))

    async def copy(self, archive: Archive, stored: StoredObject, path: str) -> Written:
        """A sealed object, as it was sealed; ``Damaged`` names one that is not."""
        async with self._limit:
            there = await self.reuse(path, stored.sha256)
            if there:
                return there
            place = archive.store.local_path(stored.key, stored.version_id)
            if place is not None and await asyncio.to_thread(place.is_file):
                return self._done(await asyncio.to_thread(_copy, place, self.bag, path, stored))
            return self._done(await self._fetch(archive, stored, path))

    async def _fetch(self, archive: Archive, stored: StoredObject, path: str) -> Written:
        with await asyncio.to_thread(_Sink, self.bag / path) as sink:
            async for chunk in archive.store.read(stored.key, stored.version_id):
                await asyncio.to_thread(sink.add, chunk)
            return await asyncio.to_thread(sink.finish, path, stored)

    def _done(self, written: Written) -> Written:
        self.journal.note(written)
        self.counts.files += 1
        self.counts.octets += written.size
        return written


def _holds(file: Path, noted: Written) -> bool:
    return file.is_file() and file_hashes(file) == {"sha256": noted.sha256, "sha512": noted.sha512}


def _write(bag: Path, path: str, content: bytes) -> Written:
    with _Sink(bag / path) as sink:
        sink.add(content)
        return sink.finish(path)


def _copy(place: Path, bag: Path, path: str, stored: StoredObject) -> Written:
    with _Sink(bag / path) as sink:
        for chunk in _chunks(place):
            sink.add(chunk)
        return sink.finish(path, stored)


def _chunks(place: Path) -> Iterator[bytes]:
    with place.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _adopt(bag: Path, path: str, file: Path) -> Written:
    target = bag / path
    target.parent.mkdir(parents=True, exist_ok=True)
    written = Written(path, file.stat().st_size, **file_hashes(file))
    file.replace(target)
    return written
