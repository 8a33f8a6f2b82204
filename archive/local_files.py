"""How the local store lies on the disk: ``<key>/@<version>/`` with ``data`` and ``lock.json``.  All of it blocks.

``sync=False`` leaves what was written to one sync of the whole file system, before which nothing may count on it.
"""

import fcntl
import hashlib
import heapq
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from archive.lock import parse_moment
from archive.store import Version
from core.errors import Damaged, NotFound

CHUNK = 1 << 18
MOST_NAMES = 50_000


def read_version(place: Path, key: str) -> Version:
    """The facts of a version; ``Damaged`` when its bytes are gone or of another length."""
    try:
        facts = json.loads((place / "lock.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("no such version", key=key, version=place.name.lstrip("@")) from None
    except ValueError as error:
        raise Damaged("a lock file is unreadable", key=key, version=place.name.lstrip("@")) from error
    found = (place / "data").stat().st_size if (place / "data").is_file() else -1
    if found != facts["size"]:
        raise Damaged(
            "an object has the wrong length",
            key=key,
            version=place.name.lstrip("@"),
            expected=facts["size"],
            found=found,
        )
    until = parse_moment(facts["lock_until"]) if facts["lock_until"] else None
    return Version(key, place.name.lstrip("@"), facts["size"], facts["sha256"], until, facts["held"])


def list_version(place: Path, key: str) -> Version:
    """As ``read_version``, but one damaged version must not hide the others: its hash is then empty, and what can be
    read of its lock is told."""
    try:
        return read_version(place, key)
    except Damaged:
        pass
    try:
        facts = json.loads((place / "lock.json").read_bytes())
        until = parse_moment(facts["lock_until"]) if facts["lock_until"] else None
        return Version(key, place.name.lstrip("@"), facts["size"], "", until, facts["held"])
    except (ValueError, KeyError, TypeError):
        return Version(key, place.name.lstrip("@"), 0, "", None)


def write_lock(place: Path, size: int, sha256: str, until: datetime | None, held: bool, *, sync: bool = True) -> None:
    facts = {
        "mode": "COMPLIANCE",
        "lock_until": until.isoformat() if until else None,
        "held": held,
        "size": size,
        "sha256": sha256,
    }
    replace(place / "lock.json", json.dumps(facts, indent=1).encode("ascii"), sync=sync)


def replace(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace a small file atomically and durably; it is read-only afterwards."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    with temporary.open("xb") as file:
        file.write(content)
        _finish(file, sync)
    temporary.replace(path)


def copy(content: bytes | Path, target: Path, key: str, sha256: str, *, sync: bool = True) -> int:
    """Write ``content`` durably, read-only; ``Damaged`` when it does not have the hash that its sealer computed."""
    digest, size = hashlib.sha256(), 0
    source = chunks(content, 0, None) if isinstance(content, Path) else iter((content,))
    with target.open("xb") as file:
        for chunk in source:
            digest.update(chunk)
            size += file.write(chunk)
        _finish(file, sync)
    if digest.hexdigest() != sha256:
        raise Damaged("content changed before it was stored", key=key, expected=sha256, found=digest.hexdigest())
    return size


def _finish(file: BinaryIO, sync: bool) -> None:
    file.flush()
    os.fchmod(file.fileno(), 0o444)
    if sync:
        os.fsync(file.fileno())


def chunks(path: Path, start: int, length: int | None) -> Iterator[bytes]:
    left = length
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK if left is None else min(CHUNK, left)):
            left = None if left is None else left - len(chunk)
            yield chunk


@contextmanager
def exclusively(place: Path, key: str) -> Iterator[Version]:
    """Change one version at a time, across threads and processes."""
    missing = NotFound("no such version", key=key, version=place.name.lstrip("@"))
    try:
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise missing from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        # While we waited, the version may have been deleted (its directory moved away).
        if not place.is_dir():
            raise missing
        yield read_version(place, key)
    finally:
        os.close(handle)


def walk(directory: Path, path: str, prefix: str) -> Iterator[Version]:
    """Versions below ``directory`` (whose keys begin with ``path``), in the order of their keys as text."""
    for step in in_order(_steps(directory)):
        key = path + step
        if not (key.startswith(prefix) or prefix.startswith(key)):
            continue
        child = directory / step.rstrip("/")
        if step.endswith("/"):
            yield from walk(child, key, prefix)
        elif key.startswith(prefix):
            yield from versions_in(child, key)


def _steps(directory: Path) -> Iterator[str]:
    """A name can be a key and the beginning of longer keys: as text "a" < "a-b" < "a/b"."""
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("@"):
                yield entry.name
                yield f"{entry.name}/"


def in_order(names: Iterator[str], *, most: int = MOST_NAMES) -> Iterator[str]:
    """Sorted, with no more than ``most`` in memory: a directory may hold every order there ever was."""
    with ExitStack() as stack:
        runs = list[Iterator[str]]()
        while batch := sorted(islice(names, most)):
            if not runs and len(batch) < most:
                yield from batch
                return
            file = stack.enter_context(TemporaryFile("w+", encoding="utf-8", errors="surrogateescape"))
            file.writelines(f"{name}\n" for name in batch)
            file.seek(0)
            runs.append(line.rstrip("\n") for line in file)
        yield from heapq.merge(*runs)


def versions_in(directory: Path, key: str) -> Iterator[Version]:
    """The versions of one key, newest first."""
    try:
        with os.scandir(directory) as entries:
            names = sorted((entry.name for entry in entries if entry.name.startswith("@")), reverse=True)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        yield list_version(directory / name, key)


def make_directories(directory: Path, root: Path, *, sync: bool = True) -> None:
    """Create ``directory`` below ``root`` and make every new entry durable."""
    missing = [directory, *directory.parents]
    missing = [path for path in missing if path.is_relative_to(root) and not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True, mode=0o750)
        if sync:
            sync_directory(path.parent)


def remove_empty(directory: Path, top: Path) -> None:
    """Remove directories that a deletion left empty; one that is in use stays."""
    while directory != top:
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


def sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
