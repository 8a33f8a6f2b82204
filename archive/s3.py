"""The object store over S3 with Object Lock (COMPLIANCE), for any compatible server; the only minio importer.

Servers differ in what they do with a lock, so every write is followed by a HEAD of that version, and what it tells is
compared with what was asked.  The SDK's own retries are off: each of them could leave one more locked version.
"""

import asyncio
import hashlib
import io
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.retention import Retention

from archive.lock import (
    parse_moment,
    require_free,
    require_key,
    require_later,
    require_lock,
    require_prefix,
    require_version,
)
from archive.s3_errors import ABSENT, BUCKET_IS_THERE, NO_LOCK_CONFIGURATION, refusal
from archive.self_test import UNDELETED, UNSHORTENED, attack_probe
from archive.store import PROBE_LOCK, Version, Write
from archive.threads import Threads, all_of, refusal_of
from core.clock import Clock, utc_now
from core.errors import Damaged, HuiyinError, NotFound, Refused, Unavailable

T = TypeVar("T")

CHUNK = 1 << 18
CONNECTIONS = 16
# Of a listing, so many HEADs at a time: a listing of millions must leave connections for the others.
HEADS = 8
BATCH = 100
# Above this an upload goes in parts: a single request is held in memory as a whole.
LARGEST_SINGLE = 256 << 20
PART = 64 << 20
SMALLEST_PART = 5 << 20
# Waits (seconds) before a write is tried again, after looking whether the first attempt arrived after all.
RETRY_WAITS = (0.2, 1.0)


class S3Store:
    """An object store in one bucket, which must have been created with object lock on (``prepare`` does)."""

    def __init__(
        self, endpoint: str, bucket: str, *, key: str, secret: str,
        secure: bool = True, region: str | None = None, authorities: Path | None = None, clock: Clock = utc_now,
    ) -> None:  # fmt: skip
        self.endpoint, self.bucket = endpoint, bucket
        self.largest_single, self.part = LARGEST_SINGLE, PART
        self._clock = clock
        self._threads = Threads("s3-store", CONNECTIONS)
        self._http = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(connect=5, read=60),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(authorities) if authorities else None,
        )
        self._client = Minio(
            endpoint, access_key=key, secret_key=secret, secure=secure, region=region, http_client=self._http
        )

    async def prepare(self) -> None:
        await self._do(self._prepare, "")

    async def put(self, key: str, content: bytes | Path, *, sha256: str, lock_until: datetime) -> Version:
        require_key(key)
        date = require_lock(lock_until, self._clock())
        return await self._do(lambda: self._put(key, content, sha256, date), key)

    async def put_all(self, writes: Sequence[Write]) -> list[Version]:
        return await all_of([self.put(w.key, w.content, sha256=w.sha256, lock_until=w.lock_until) for w in writes])

    async def head(self, key: str, version_id: str) -> Version:
        require_version(key, version_id)
        return await self._do(lambda: self._head(key, version_id)[0], key)

    async def read(
        self, key: str, version_id: str, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        require_version(key, version_id)
        if length == 0:
            return
        chunks = self._threads.batches(self._chunks(key, version_id, start, length or 0), 1)
        async for batch in self._mapped(chunks, key):
            yield batch[0]

    async def list_versions(self, prefix: str) -> AsyncIterator[Version]:
        require_prefix(prefix)
        async for batch in self._mapped(self._threads.batches(self._list(prefix), BATCH), prefix):
            for version in await self._look_at(batch):
                yield version

    async def versions_of(self, key: str) -> list[Version]:
        require_key(key)
        return await self._look_at(await self._do(lambda: [each for each in self._list(key) if each.key == key], key))

    async def lengthen_lock(self, key: str, version_id: str, until: datetime) -> Version:
        require_version(key, version_id)
        return await self._do(lambda: self._lengthen(key, version_id, until), key)

    async def hold(self, key: str, version_id: str, on: bool) -> Version:
        require_version(key, version_id)
        return await self._do(lambda: self._hold(key, version_id, on), key)

    async def delete_version(self, key: str, version_id: str) -> None:
        require_version(key, version_id)
        await self._do(lambda: self._delete(key, version_id), key)

    async def delete_all(self, versions: Sequence[tuple[str, str]]) -> list[HuiyinError | None]:
        return await all_of([refusal_of(self.delete_version(*version)) for version in versions])

    def local_path(self, key: str, version_id: str) -> Path | None:
        return None

    async def self_test(self) -> None:
        await self._do(self._require_object_lock, "")
        attacks = {UNDELETED: self._attack_by_deleting, UNSHORTENED: self._attack_by_shortening}
        await attack_probe(self, self._clock, attacks, endpoint=self.endpoint, bucket=self.bucket)

    async def expiring_rules(self) -> list[str]:
        return await self._do(self._expiring_rules, "")

    async def ping(self) -> None:
        if not await self._do(lambda: self._client.bucket_exists(self.bucket), ""):
            raise Unavailable("the bucket is not there", store=self.endpoint, bucket=self.bucket)

    async def close(self) -> None:
        self._threads.close()
        self._http.clear()

    async def _do(self, work: Callable[[], T], key: str) -> T:
        try:
            return await self._threads.run(work)
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._translated(error, key) from error

    async def _mapped(self, source: AsyncIterator[T], key: str) -> AsyncIterator[T]:
        try:
            async for item in source:
                yield item
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._translated(error, key) from error

    def _translated(self, error: Exception, key: str) -> HuiyinError:
        where = {"store": self.endpoint, "bucket": self.bucket, "key": key}
        if isinstance(error, S3Error):
            return refusal(error.code or "", error.response.status, where)
        return Unavailable("the object store does not answer", **where, error=type(error).__name__)

    def _prepare(self) -> None:
        if not self._client.bucket_exists(self.bucket):
            try:
                self._client.make_bucket(self.bucket, object_lock=True)
            except S3Error as error:
                if error.code not in BUCKET_IS_THERE:
                    raise
        self._require_object_lock()

    def _require_object_lock(self) -> None:
        try:
            self._client.get_object_lock_config(self.bucket)
        except S3Error as error:
            if error.code not in NO_LOCK_CONFIGURATION:
                raise
            raise Refused(
                "this bucket was created without object lock, so it cannot keep evidence",
                store=self.endpoint,
                bucket=self.bucket,
                remedy="name a new bucket in HUIYIN_STORE_URL; it is created with object lock",
            ) from error

    def _expiring_rules(self) -> list[str]:
        found = self._client.get_bucket_lifecycle(self.bucket)
        return [
            rule.rule_id or "unnamed"
            for rule in (found.rules if found else ())
            if rule.status == ENABLED and (rule.expiration or rule.noncurrent_version_expiration)
        ]

    def _put(self, key: str, content: bytes | Path, sha256: str, date: datetime) -> Version:
        found = _hash(content)
        if found != sha256:
            raise Damaged("content changed before it was stored", key=key, expected=sha256, found=found)
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        write = secrets.token_hex(16)  # tells our own version from an earlier one of the same content
        for wait in (*RETRY_WAITS, None):
            try:
                version_id = self._write(key, content, size, {"sha256": sha256, "write": write}, date)
                break
            except (ServerError, InvalidResponseError, urllib3.exceptions.HTTPError, S3Error) as error:
                if isinstance(error, S3Error) and error.response.status < 500:
                    raise
                if wait is None:
                    raise
                time.sleep(wait)
                arrived = self._find_write(key, write)
                if arrived is not None:
                    version_id = arrived
                    break
        return self._require_written(Version(key, version_id, size, sha256, date))

    def _write(self, key: str, content: bytes | Path, size: int, metadata: dict[str, str], date: datetime) -> str:
        with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as source:
            written = self._client.put_object(
                self.bucket,
                key,
                source,
                size,
                metadata=dict(metadata),
                retention=Retention(COMPLIANCE, date),
                part_size=max(size, SMALLEST_PART) if size <= self.largest_single else self.part,
            )
        if not written.version_id:
            raise Refused("the object store keeps no versions", store=self.endpoint, bucket=self.bucket)
        return written.version_id

    def _find_write(self, key: str, write: str) -> str | None:
        """The version that an attempt left although its answer was lost."""
        for listed in self._list(key):
            if listed.key == key and not listed.marker:
                headers = self._head(key, listed.version_id)[1]
                if headers.get("x-amz-meta-write") == write:
                    return listed.version_id
        return None

    def _require_written(self, asked: Version) -> Version:
        """HEAD what was written; a lock that the server dropped is set once more before we give up."""
        found, headers = self._head(asked.key, asked.version_id)
        if found.lock_until is None or headers.get("x-amz-object-lock-mode") != COMPLIANCE:
            assert asked.lock_until is not None
            self._set_lock(asked.key, asked.version_id, asked.lock_until)
            found, headers = self._head(asked.key, asked.version_id)
        if headers.get("x-amz-object-lock-mode") != COMPLIANCE or found != asked:
            raise Refused("the object store did not keep what was asked", asked=asked, found=found)
        return found

    def _head(self, key: str, version_id: str) -> tuple[Version, dict[str, str]]:
        found = self._client.stat_object(self.bucket, key, version_id=version_id)
        headers = {name.lower(): value for name, value in (found.metadata or {}).items()}
        until = headers.get("x-amz-object-lock-retain-until-date")
        return Version(
            key,
            version_id,
            found.size or 0,
            headers.get("x-amz-meta-sha256", ""),
            parse_moment(until) if until else None,
            headers.get("x-amz-object-lock-legal-hold") == "ON",
        ), headers

    def _list(self, prefix: str) -> Iterator[Version]:
        """Names only: a listing tells neither hash nor lock."""
        for listed in self._client.list_objects(self.bucket, prefix=prefix, include_version=True, recursive=True):
            assert listed.object_name
            assert listed.version_id
            yield Version(listed.object_name, listed.version_id, 0, "", None, marker=bool(listed.is_delete_marker))

    async def _look_at(self, listed: Sequence[Version]) -> list[Version]:
        """HEAD each, several at once; without those that were deleted since they were listed."""
        limit = asyncio.Semaphore(HEADS)

        async def one(each: Version) -> Version | None:
            if each.marker:
                return each
            async with limit:
                with suppress(NotFound):
                    return await self._do(lambda: self._head(each.key, each.version_id)[0], each.key)
            return None

        return [found for found in await all_of([one(each) for each in listed]) if found is not None]

    def _chunks(self, key: str, version_id: str, start: int, length: int) -> Iterator[bytes]:
        """Reads on where the server broke off.  ``Damaged`` when it answers, and again and again not with these bytes:
        servers that find rot inside themselves say "internal error"."""
        given, waits = 0, iter(RETRY_WAITS)
        while True:
            try:
                for chunk in self._answered(key, version_id, start + given, length - given if length else 0):
                    given += len(chunk)
                    yield chunk
                return
            except (ServerError, InvalidResponseError, urllib3.exceptions.HTTPError, S3Error) as error:
                if isinstance(error, S3Error) and error.response.status < 500:
                    raise
                wait = next(waits, None)
                if wait is None:
                    self._head(key, version_id)  # a server that is away has not damaged anything
                    raise Damaged(
                        "the object store does not give back what it keeps", key=key, version=version_id,
                        from_octet=start + given,
                    ) from error  # fmt: skip
                time.sleep(wait)

    def _answered(self, key: str, version_id: str, start: int, length: int) -> Iterator[bytes]:
        try:
            response = self._client.get_object(self.bucket, key, start, length, version_id=version_id)
        except S3Error as error:
            if error.code == "InvalidRange":  # nothing lies beyond the end
                return
            raise
        try:
            yield from response.stream(CHUNK)
        finally:
            response.close()
            response.release_conn()

    def _set_lock(self, key: str, version_id: str, date: datetime) -> None:
        self._client.set_object_retention(self.bucket, key, Retention(COMPLIANCE, date), version_id=version_id)

    def _lengthen(self, key: str, version_id: str, until: datetime) -> Version:
        present, _ = self._head(key, version_id)
        date = require_later(key, present.lock_until, until)
        if date == present.lock_until:
            return present
        self._set_lock(key, version_id, date)
        found, _ = self._head(key, version_id)
        if found.lock_until is None or found.lock_until < date:
            raise Refused("the object store did not lengthen the lock", key=key, asked=date, found=found.lock_until)
        return found

    def _hold(self, key: str, version_id: str, on: bool) -> Version:
        self._head(key, version_id)
        change = self._client.enable_object_legal_hold if on else self._client.disable_object_legal_hold
        change(self.bucket, key, version_id=version_id)
        found, _ = self._head(key, version_id)
        if found.held != on:
            raise Refused("the object store did not change the hold", key=key, asked=on, found=found.held)
        return found

    def _delete(self, key: str, version_id: str) -> None:
        try:
            found, _ = self._head(key, version_id)
            require_free(key, found.lock_until, found.held, self._clock())
        except S3Error as error:
            # HEAD of a delete marker, which nothing protects, looks on some servers like that of nothing at all.
            if error.code not in ABSENT or not self._is_marker(key, version_id):
                raise
        self._client.remove_object(self.bucket, key, version_id=version_id)
        if self._is_there(key, version_id):
            raise Refused("the object store says deleted, but the version is there", key=key, version=version_id)

    def _is_there(self, key: str, version_id: str) -> bool:
        try:
            self._head(key, version_id)
        except S3Error as error:
            if error.code in ABSENT:
                return False
            raise
        return True

    def _is_marker(self, key: str, version_id: str) -> bool:
        return any(each.marker and each.version_id == version_id for each in self._list(key))

    async def _attack_by_deleting(self, probe: Version) -> None:
        """By every way that the protocol offers, past our own checks."""

        def attack() -> None:
            with suppress(S3Error):
                self._client.remove_object(self.bucket, probe.key, version_id=probe.version_id)
            named = [DeleteObject(probe.key, probe.version_id)]
            with suppress(S3Error):
                list(self._client.remove_objects(self.bucket, named, bypass_governance_mode=True))

        await self._do(attack, probe.key)

    async def _attack_by_shortening(self, probe: Version) -> None:
        def attack() -> None:
            assert probe.lock_until is not None
            with suppress(S3Error):
                self._set_lock(probe.key, probe.version_id, probe.lock_until - PROBE_LOCK / 2)

        await self._do(attack, probe.key)


def _hash(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
