"""Reading objects to the last byte: each against its hash, documents also against what the catalogue shows of them.

Files of the local store are hashed where they lie, in threads (SHA-256 runs beside Python); from a remote store several
come at once, in chunks.  Only documents (facts and texts, a few kilobytes each) are held as a whole.
"""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archive import faults
from archive.faults import Fault
from archive.house import Archive
from archive.threads import Threads
from core.errors import Damaged, NotFound
from core.ledger import canonical

AT_ONCE = 8
LARGEST_DOCUMENT = 64 << 20
_DOCUMENT = re.compile(r"recordings/[0-9/]+/[^/]+/(metadata|transcript\.v\d+)\.json")


@dataclass(frozen=True)
class Reading:
    """One object to be read.  ``shown`` is what the catalogue shows of it: columns of the recording for
    ``metadata.json``, ``turns`` for the newest text."""

    key: str
    version_id: str
    size: int
    sha256: str
    owner: str = ""
    audio_sha256: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> bool:
        """Whether the content is looked into, beyond its hash."""
        return bool(_DOCUMENT.fullmatch(self.key)) and self.size <= LARGEST_DOCUMENT


class Inspector:
    """Reads objects of one store; ``close`` gives its threads back."""

    def __init__(self, archive: Archive) -> None:
        self._store = archive.store
        self._threads = Threads("verify", min(AT_ONCE, os.cpu_count() or 1))
        self._limit = asyncio.Semaphore(AT_ONCE)

    def close(self) -> None:
        self._threads.close()

    async def read(self, batch: Sequence[Reading]) -> list[tuple[Reading, list[Fault]]]:
        """Read a batch, in one thread where its bytes lie on this machine."""
        paths = [self._store.local_path(each.key, each.version_id) for each in batch]
        if all(path is not None for path in paths):
            return await self._threads.run(
                lambda: [(each, _read_file(path, each)) for each, path in zip(batch, paths, strict=True) if path]
            )
        found = await asyncio.gather(*(self._fetch(each) for each in batch))
        return list(zip(batch, found, strict=True))

    async def _fetch(self, reading: Reading) -> list[Fault]:
        digest, content = hashlib.sha256(), bytearray()
        try:
            async with self._limit:
                async for chunk in self._store.read(reading.key, reading.version_id):
                    digest.update(chunk)
                    if reading.document:
                        content += chunk
        except NotFound:
            return [_missing(reading)]
        except Damaged as error:
            return [Fault(reading.key, faults.ALTERED, reading.sha256, str(error))]
        return list(_judge(reading, digest.hexdigest(), bytes(content)))


def _read_file(path: Path, reading: Reading) -> list[Fault]:
    try:
        with path.open("rb", buffering=0) as file:
            if reading.document:
                content = file.readall()
                return list(_judge(reading, hashlib.sha256(content).hexdigest(), content))
            return list(_judge(reading, hashlib.file_digest(file, "sha256").hexdigest(), b""))
    except (FileNotFoundError, NotADirectoryError):
        return [_missing(reading)]
    except OSError as error:
        return [Fault(reading.key, faults.UNREADABLE, f"{reading.size} bytes", error.strerror or str(error))]


def _missing(reading: Reading) -> Fault:
    return Fault(reading.key, faults.MISSING, f"version {reading.version_id}", "nothing")


def _judge(reading: Reading, found: str, content: bytes) -> Iterator[Fault]:
    if found != reading.sha256:
        yield Fault(reading.key, faults.ALTERED, reading.sha256, found)
    elif reading.document:
        yield from check_document(reading, content)


def check_document(reading: Reading, content: bytes) -> Iterator[Fault]:
    """The facts object names its recording and the audio's hash, a text its recording; what the catalogue shows must
    be what they say."""
    check = _check_facts if reading.key.endswith("/metadata.json") else _check_text
    try:
        yield from list(check(reading, json.loads(content)))
    except (ValueError, KeyError, TypeError) as error:
        yield Fault(reading.key, faults.UNREADABLE, "a document of ours", type(error).__name__)


def digest(value: Any) -> str:
    """One short text for a JSON value, the same wherever it was kept: many are held while they are compared."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def turn_digest(turn: Mapping[str, Any]) -> str:
    """Of all that a turn says: who, when, what, how certain, and the times of its words."""
    return digest({**turn, "confidence": float(turn["confidence"])})


def _check_facts(reading: Reading, said: Mapping[str, Any]) -> Iterator[Fault]:
    if (identifier := said["recording"]["id"]) != reading.owner:
        yield Fault(reading.key, faults.OTHERS, reading.owner, identifier)
    if (audio := said["objects"]["audio.flac"]["sha256"]) != reading.audio_sha256:
        yield Fault(reading.key, faults.OTHER_AUDIO, reading.audio_sha256 or "no audio", audio)
    sealed = {**said["recording"], "facts": digest(said["recording"]["facts"])}
    # Only the columns' names: their values are people's.
    different = [name for name, value in reading.shown.items() if sealed.get(name) != value]
    if different:
        yield Fault(reading.key, faults.OTHER_FACTS, "the sealed values", f"others in {', '.join(different)}")


def _check_text(reading: Reading, said: Mapping[str, Any]) -> Iterator[Fault]:
    if (identifier := said["recording_id"]) != reading.owner:
        yield Fault(reading.key, faults.OTHERS, reading.owner, identifier)
    if "turns" not in reading.shown:
        return
    sealed = [turn_digest(turn) for turn in said["turns"]]
    shown = list(reading.shown["turns"])
    if sealed != shown:
        first = next((place for place, pair in enumerate(zip(sealed, shown, strict=False)) if pair[0] != pair[1]), None)
        where = f"turn {first} differs" if first is not None else f"{len(shown)} turns"
        yield Fault(reading.key, faults.OTHER_TEXT, f"{len(sealed)} turns as sealed", where)
