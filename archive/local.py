"""The object store on a local file system: the embedded default, with the semantics of S3 Object Lock (COMPLIANCE).

``objects/<key>/@<version>/`` holds ``data`` (the bytes, read-only) and ``lock.json`` (size, hash, lock date, hold).
Both are written and synced elsewhere and appear by one rename of their directory: there is never one without the other.

What this cannot do: root, or whoever owns the directory, can remove files and can set the machine's clock *forward*,
after which locks look passed.  A clock that comes back is noticed by a high-water mark, and nothing is deleted then.
Against administrators use an S3 store run by someone else; alterations are found by hash and ledger in any case.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from archive.lock import (
    parse_moment,
    require_free,
    require_key,
    require_later,
    require_lock,
    require_prefix,
    require_version,
    round_up,
)
from archive.self_test import UNDELETED, UNSHORTENED, Attacks, attack_probe
from archive.store import Version
from archive.threads import Threads
from core.clock import Clock, utc_now
from core.errors import Damaged, NotFound, Refused, Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK = 1 << 18
# The clock may step back this much (time servers do that) before deletions are refused.
CLOCK_TOLERANCE = timedelta(seconds=5)
MARK_EVERY = timedelta(seconds=60)
LEFTOVER_SECONDS = 24 * 3600.0


class LocalStore:
    """An object store in one directory, which several processes may use at once."""

    def __init__(self, root: str | Path, *, clock: Clock = utc_now) -> None:
        self.root = Path(root).absolute()
        self._clock = clock
        self._threads = Threads("local-store", 8)

    async def prepare(self) -> None:
        await self._do(self._prepare)

    async def put(self, key: str, content: bytes | Path, *, sha256: str, lock_until: datetime) -> Version:
        directory = self._key_directory(key)
        return await self._do(lambda: self._put(directory, key, content, sha256, lock_until))

    async def head(self, key: str, version_id: str) -> Version:
        place = self._place(key, version_id)
        return await self._do(lambda: _read_version(place, key))

    async def read(
        self, key: str, version_id: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        place = self._place(key, version_id)
        await self.head(key, version_id)
        async for chunks in self._threads.batches(_chunks(place / "data", start, length), 1):
            for chunk in chunks:
                yield chunk

    async def list_versions(self, prefix: str) -> AsyncIterator[Version]:
        start = require_prefix(prefix).rpartition("/")[0]
        top = self.root / "objects" / start
        async for versions in self._threads.batches(_walk(top, f"{start}/" if start else "", prefix), 100):
            for version in versions:
                yield version

    async def lengthen_lock(self, key: str, version_id: str, until: datetime) -> Version:
        place = self._place(key, version_id)
        return await self._do(lambda: self._lengthen(place, key, until))

    async def hold(self, key: str, version_id: str, on: bool) -> Version:
        place = self._place(key, version_id)
        return await self._do(lambda: self._hold(place, key, on))

    async def delete_version(self, key: str, version_id: str) -> None:
        place = self._place(key, version_id)
        await self._do(lambda: self._delete(place, key))

    def local_path(self, key: str, version_id: str) -> Path | None:
        return self._place(key, version_id) / "data"

    async def self_test(self) -> None:
        await self.prepare()
        attacks: Attacks = {
            UNDELETED: lambda probe: self.delete_version(probe.key, probe.version_id),
            UNSHORTENED: lambda probe: self.lengthen_lock(probe.key, probe.version_id, self._clock()),
        }
        await attack_probe(self, self._clock, attacks, directory=self.root)

    async def expiring_rules(self) -> list[str]:
        return []

    async def ping(self) -> None:
        if not await self._do((self.root / "objects").is_dir):
            raise Unavailable("the local store's directory is not there", directory=self.root)

    async def close(self) -> None:
        self._threads.close()

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await self._threads.run(work)
        except OSError as error:
            raise Unavailable("the local store failed", directory=self.root, error=error.strerror) from error

    def _key_directory(self, key: str) -> Path:
        return self.root / "objects" / require_key(key)

    def _place(self, key: str, version_id: str) -> Path:
        return self._key_directory(key) / f"@{require_version(key, version_id)}"

    def _prepare(self) -> None:
        for name in ("objects", "incoming", "trash"):
            (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o750)
        _sync_directory(self.root)
        now = time.time()
        for name in ("incoming", "trash"):
            for leftover in (self.root / name).iterdir():
                # Younger ones may belong to another process that is writing right now.
                if now - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    shutil.rmtree(leftover, ignore_errors=True)

    def _put(self, directory: Path, key: str, content: bytes | Path, sha256: str, lock_until: datetime) -> Version:
        now, _ = self._time()
        date = require_lock(lock_until, now)
        version_id = f"{int(now.timestamp() * 1_000_000):016x}-{secrets.token_hex(16)}"
        incoming = self.root / "incoming" / version_id
        incoming.mkdir(parents=True)
        try:
            size = _copy(content, incoming / "data", key, sha256)
            _write_lock(incoming, size, sha256, date, held=False)
            _sync_directory(incoming)
            _make_directories(directory, self.root)
            place = directory / f"@{version_id}"
            incoming.rename(place)
        except BaseException:
            shutil.rmtree(incoming, ignore_errors=True)
            raise
        _sync_directory(directory)
        written = _read_version(place, key)
        if written != Version(key, version_id, size, sha256, date):
            raise Damaged("the local store did not keep what was written", key=key, version=version_id)
        return written

    def _lengthen(self, place: Path, key: str, until: datetime) -> Version:
        with _exclusively(place, key) as version:
            date = require_later(key, version.lock_until, until)
            if date != version.lock_until:
                _write_lock(place, version.size, version.sha256, date, version.held)
                _sync_directory(place)
        return _read_version(place, key)

    def _hold(self, place: Path, key: str, on: bool) -> Version:
        with _exclusively(place, key) as version:
            _write_lock(place, version.size, version.sha256, version.lock_until, on)
            _sync_directory(place)
        return _read_version(place, key)

    def _delete(self, place: Path, key: str) -> None:
        now, mark = self._time()
        with _exclusively(place, key) as version:
            require_free(key, version.lock_until, version.held, now)
            if now < mark - CLOCK_TOLERANCE:
                raise Refused(
                    "the clock has gone back, so nothing is deleted",
                    now=now.isoformat(),
                    seen_before=mark.isoformat(),
                    remedy=f"set the clock right; if it once stood in the future by mistake, remove {self._mark}",
                )
            grave = self.root / "trash" / place.name.lstrip("@")
            place.rename(grave)
            _sync_directory(place.parent)
        shutil.rmtree(grave, ignore_errors=True)
        _remove_empty(place.parent, self.root / "objects")

    @property
    def _mark(self) -> Path:
        return self.root / "clock-high-water-mark"

    def _time(self) -> tuple[datetime, datetime]:
        """The clock's time and the latest time that it ever showed here, which is kept once a minute."""
        now = self._clock()
        try:
            mark = parse_moment(self._mark.read_text(encoding="ascii"))
        except FileNotFoundError:
            mark = now - MARK_EVERY - MARK_EVERY
        if now < mark - CLOCK_TOLERANCE:
            log.warning("the clock has gone back", extra={"facts": {"now": now, "seen_before": mark}})
        if now > mark + MARK_EVERY:
            _replace(self._mark, round_up(now).isoformat().encode("ascii"))
        return now, mark


def _read_version(place: Path, key: str) -> Version:
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


def _list_version(place: Path, key: str) -> Version:
    """As ``_read_version``, but one damaged version must not hide the others: its hash is then empty, and what can be
    read of its lock is told."""
    try:
        return _read_version(place, key)
    except Damaged:
        pass
    try:
        facts = json.loads((place / "lock.json").read_bytes())
        until = parse_moment(facts["lock_until"]) if facts["lock_until"] else None
        return Version(key, place.name.lstrip("@"), facts["size"], "", until, facts["held"])
    except (ValueError, KeyError, TypeError):
        return Version(key, place.name.lstrip("@"), 0, "", None)


def _write_lock(place: Path, size: int, sha256: str, until: datetime | None, held: bool) -> None:
    facts = {
        "mode": "COMPLIANCE",
        "lock_until": until.isoformat() if until else None,
        "held": held,
        "size": size,
        "sha256": sha256,
    }
    _replace(place / "lock.json", json.dumps(facts, indent=1).encode("ascii"))


def _replace(path: Path, content: bytes) -> None:
    """Replace a small file atomically and durably; it is read-only afterwards."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
    temporary.replace(path)


def _copy(content: bytes | Path, target: Path, key: str, sha256: str) -> int:
    """Write ``content`` durably, read-only; ``Damaged`` when it does not have the hash that its sealer computed."""
    digest, size = hashlib.sha256(), 0
    source = _chunks(content, 0, None) if isinstance(content, Path) else iter((content,))
    with target.open("xb") as file:
        for chunk in source:
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        raise Damaged("content changed before it was stored", key=key, expected=sha256, found=digest.hexdigest())
    return size


def _chunks(path: Path, start: int, length: int | None) -> Iterator[bytes]:
    left = length
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK if left is None else min(CHUNK, left)):
            left = None if left is None else left - len(chunk)
            yield chunk


@contextmanager
def _exclusively(place: Path, key: str) -> Iterator[Version]:
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
        yield _read_version(place, key)
    finally:
        os.close(handle)


def _walk(directory: Path, path: str, prefix: str) -> Iterator[Version]:
    """Versions below ``directory`` (whose keys begin with ``path``), in the order of their keys as text."""
    try:
        names = [entry.name for entry in os.scandir(directory) if entry.is_dir()]
    except FileNotFoundError:
        return
    # A name can be a key and the beginning of longer keys: as text "a" < "a-b" < "a/b".
    for step in sorted(step for name in names if not name.startswith("@") for step in (name, f"{name}/")):
        key = path + step
        if not (key.startswith(prefix) or prefix.startswith(key)):
            continue
        child = directory / step.rstrip("/")
        if step.endswith("/"):
            yield from _walk(child, key, prefix)
        elif key.startswith(prefix):
            for version in sorted((entry.name for entry in os.scandir(child)), reverse=True):
                if version.startswith("@"):
                    yield _list_version(child / version, key)


def _make_directories(directory: Path, root: Path) -> None:
    """Create ``directory`` below ``root`` and make every new entry durable."""
    missing = [directory, *directory.parents]
    missing = [path for path in missing if path.is_relative_to(root) and not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True, mode=0o750)
        _sync_directory(path.parent)


def _remove_empty(directory: Path, top: Path) -> None:
    """Remove directories that a deletion left empty; one that is in use stays."""
    while directory != top:
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
