"""The object store on a local file system: the embedded default, with the semantics of S3 Object Lock (COMPLIANCE).

``objects/<key>/@<version>/`` holds ``data`` (the bytes, read-only) and ``lock.json`` (size, hash, lock date, hold).
Both are written and synced elsewhere and appear by one rename of their directory: there is never one without the other.

What this cannot do: root, or whoever owns the directory, can remove files and can set the machine's clock *forward*,
after which locks look passed.  A clock that comes back is noticed by a high-water mark, and nothing is deleted then.
Against administrators use an S3 store run by someone else; alterations are found by hash and ledger in any case.
"""

import dataclasses
import logging
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from archive.local_files import (
    chunks,
    copy,
    exclusively,
    make_directories,
    read_version,
    remove_empty,
    replace,
    sync_directory,
    versions_in,
    walk,
    write_lock,
)
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
from archive.store import Version, Write
from archive.threads import Threads, all_of
from core.clock import Clock, utc_now
from core.disk import sync_around
from core.errors import Damaged, HuiyinError, NotFound, Refused, Unavailable

log = logging.getLogger(__name__)
S = TypeVar("S")
T = TypeVar("T")

# The clock may step back this much (time servers do that) before deletions are refused.
CLOCK_TOLERANCE = timedelta(seconds=5)
MARK_EVERY = timedelta(seconds=60)
# Of many versions, so many in each thread.
PART = 16
LEFTOVER_SECONDS = 24 * 3600.0


@dataclasses.dataclass(frozen=True)
class Coming:
    """A version that is written, and not in its place yet."""

    incoming: Path
    directory: Path
    version: Version

    @property
    def place(self) -> Path:
        return self.directory / f"@{self.version.version_id}"


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

    async def put_all(self, writes: Sequence[Write]) -> list[Version]:
        """All are written and synced before any appears, and synced again."""
        now, _ = await self._do(self._time)
        all_coming = [
            self._coming(
                self._key_directory(each.key),
                Version(each.key, "", 0, each.sha256, require_lock(each.lock_until, now)),
                now,
            )
            for each in writes
        ]
        try:
            pairs = list(zip(all_coming, writes, strict=True))
            sizes = await self._each(lambda pair: self._write(pair[0], pair[1].content, sync=False), pairs)
            await self._sync()
            await self._each(self._appear_in, all_coming)
        except BaseException:
            await self._each(lambda coming: shutil.rmtree(coming.incoming, ignore_errors=True), all_coming)
            raise
        finally:
            await self._sync()
        return await self._each(lambda pair: _require_written(*pair), list(zip(all_coming, sizes, strict=True)))

    async def head(self, key: str, version_id: str) -> Version:
        place = self._place(key, version_id)
        return await self._do(lambda: read_version(place, key))

    async def read(
        self, key: str, version_id: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        place = self._place(key, version_id)
        await self.head(key, version_id)
        async for batch in self._threads.batches(chunks(place / "data", start, length), 1):
            for chunk in batch:
                yield chunk

    async def list_versions(self, prefix: str) -> AsyncIterator[Version]:
        start = require_prefix(prefix).rpartition("/")[0]
        top = self.root / "objects" / start
        async for versions in self._threads.batches(walk(top, f"{start}/" if start else "", prefix), 100):
            for version in versions:
                yield version

    async def versions_of(self, key: str) -> list[Version]:
        directory = self._key_directory(key)
        return await self._do(lambda: list(versions_in(directory, key)))

    async def lengthen_lock(self, key: str, version_id: str, until: datetime) -> Version:
        place = self._place(key, version_id)
        return await self._do(lambda: self._lengthen(place, key, until))

    async def hold(self, key: str, version_id: str, on: bool) -> Version:
        place = self._place(key, version_id)
        return await self._do(lambda: self._hold(place, key, on))

    async def delete_version(self, key: str, version_id: str) -> None:
        (refusal,) = await self.delete_all([(key, version_id)])
        if refusal is not None:
            raise refusal

    async def delete_all(self, versions: Sequence[tuple[str, str]]) -> list[HuiyinError | None]:
        """Each leaves the store by one rename; all of that is on the disk before any bytes are removed."""
        moment = await self._do(self._time)
        ended = await self._each(lambda pair: self._bury_or_refuse(*pair, moment), versions)
        buried = [each for each in ended if isinstance(each, Path)]
        if buried:
            await self._sync()
            await self._each(self._clear, buried)
        return [None if isinstance(each, Path) else each for each in ended]

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

    async def _sync(self) -> None:
        await self._do(lambda: sync_around(self.root))

    async def _each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """``work`` on every item, a few in each thread; the results in order."""
        parts = [items[at : at + PART] for at in range(0, len(items), PART)]
        done = await all_of([self._do(partial(_one_by_one, work, part)) for part in parts])
        return [result for part in done for result in part]

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
        sync_directory(self.root)
        now = time.time()
        for name in ("incoming", "trash"):
            for leftover in (self.root / name).iterdir():
                # Younger ones may belong to another process that is writing right now.
                if now - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    shutil.rmtree(leftover, ignore_errors=True)

    def _put(self, directory: Path, key: str, content: bytes | Path, sha256: str, lock_until: datetime) -> Version:
        now, _ = self._time()
        coming = self._coming(directory, Version(key, "", 0, sha256, require_lock(lock_until, now)), now)
        try:
            written = self._write(coming, content, sync=True)
            sync_directory(coming.incoming)
            make_directories(directory, self.root)
            self._appear(coming)
        except BaseException:
            shutil.rmtree(coming.incoming, ignore_errors=True)
            raise
        sync_directory(directory)
        return _require_written(coming, written)

    def _coming(self, directory: Path, asked: Version, now: datetime) -> Coming:
        version_id = f"{int(now.timestamp() * 1_000_000):016x}-{secrets.token_hex(16)}"
        return Coming(self.root / "incoming" / version_id, directory, dataclasses.replace(asked, version_id=version_id))

    def _write(self, coming: Coming, content: bytes | Path, *, sync: bool) -> int:
        """Bytes and lock, beside the place where they will appear; returns the size."""
        asked = coming.version
        coming.incoming.mkdir(parents=True)
        size = copy(content, coming.incoming / "data", asked.key, asked.sha256, sync=sync)
        write_lock(coming.incoming, size, asked.sha256, asked.lock_until, held=False, sync=sync)
        return size

    def _appear_in(self, coming: Coming) -> None:
        make_directories(coming.directory, self.root, sync=False)
        self._appear(coming)

    def _appear(self, coming: Coming) -> None:
        coming.incoming.rename(coming.place)

    def _lengthen(self, place: Path, key: str, until: datetime) -> Version:
        with exclusively(place, key) as version:
            date = require_later(key, version.lock_until, until)
            if date != version.lock_until:
                write_lock(place, version.size, version.sha256, date, version.held)
                sync_directory(place)
        return read_version(place, key)

    def _hold(self, place: Path, key: str, on: bool) -> Version:
        with exclusively(place, key) as version:
            write_lock(place, version.size, version.sha256, version.lock_until, on)
            sync_directory(place)
        return read_version(place, key)

    def _bury_or_refuse(self, key: str, version_id: str, moment: tuple[datetime, datetime]) -> Path | HuiyinError:
        """The place that is empty now, or why it is not."""
        try:
            place = self._place(key, version_id)
        except HuiyinError as error:
            return error
        try:
            self._bury(place, key, *moment)
        except HuiyinError as error:
            if isinstance(error, NotFound):
                # Whoever was killed while deleting it has left its bytes.
                shutil.rmtree(self._grave(place), ignore_errors=True)
            return error
        return place

    def _clear(self, place: Path) -> None:
        shutil.rmtree(self._grave(place), ignore_errors=True)
        remove_empty(place.parent, self.root / "objects")

    def _grave(self, place: Path) -> Path:
        return self.root / "trash" / place.name.lstrip("@")

    def _bury(self, place: Path, key: str, now: datetime, mark: datetime) -> None:
        """Move a version out of the store; ``Refused`` under a lock or a hold."""
        with exclusively(place, key) as version:
            require_free(key, version.lock_until, version.held, now)
            if now < mark - CLOCK_TOLERANCE:
                raise Refused(
                    "the clock has gone back, so nothing is deleted",
                    now=now.isoformat(),
                    seen_before=mark.isoformat(),
                    remedy=f"set the clock right; if it once stood in the future by mistake, remove {self._mark}",
                )
            place.rename(self._grave(place))

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
            replace(self._mark, round_up(now).isoformat().encode("ascii"))
        return now, mark


def _require_written(coming: Coming, size: int) -> Version:
    """What stands in its place now; ``Damaged`` unless it is what was asked."""
    written = read_version(coming.place, coming.version.key)
    if written != dataclasses.replace(coming.version, size=size):
        raise Damaged(
            "the local store did not keep what was written", key=written.key, version=coming.version.version_id
        )
    return written


def _one_by_one(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    return [work(item) for item in items]
