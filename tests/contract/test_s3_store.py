"""What is particular to S3: servers that lose answers, drop locks, hide versions or were set up wrongly."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from minio import Minio

from archive.connect import connect_store
from archive.s3 import SMALLEST_PART, S3Store
from archive.store import ObjectStore, Version
from core.clock import utc_now
from core.errors import Refused, Unavailable
from tests.ports import LOOPBACK
from tests.servers import Seaweed, start_seaweed

YEAR = timedelta(days=365)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def put(store: ObjectStore, key: str, content: bytes = b"evidence") -> Version:
    return await store.put(key, content, sha256=sha256(content), lock_until=utc_now() + YEAR)


@pytest.fixture
def client(seaweed: Seaweed) -> Minio:
    """The server behind our back."""
    return Minio(f"{LOOPBACK}:{seaweed.port}", access_key=seaweed.key, secret_key=seaweed.secret, secure=False)


@pytest.fixture
def bucket() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
async def locked(seaweed: Seaweed, bucket: str) -> AsyncIterator[S3Store]:
    store = connect_store(seaweed.url(bucket))
    assert isinstance(store, S3Store)
    await store.prepare()
    yield store
    await store.close()


async def test_a_bucket_without_object_lock_is_refused(seaweed: Seaweed, client: Minio, bucket: str) -> None:
    client.make_bucket(bucket)
    store = connect_store(seaweed.url(bucket))
    for check in (store.prepare, store.self_test):
        with pytest.raises(Refused, match="without object lock") as caught:
            await check()
        assert "HUIYIN_STORE_URL" in str(caught.value.facts["remedy"])
    with pytest.raises((Refused, Unavailable)):
        await put(store, "a")
    await store.close()


async def test_preparing_twice_at_once_is_harmless(seaweed: Seaweed, bucket: str) -> None:
    stores = [connect_store(seaweed.url(bucket)) for _ in range(3)]
    await asyncio.gather(*(store.prepare() for store in stores))
    for store in stores:
        await store.ping()
        await store.close()


async def test_a_bucket_that_is_not_there_is_unavailable(seaweed: Seaweed, bucket: str) -> None:
    store = connect_store(seaweed.url(bucket))
    with pytest.raises(Unavailable):
        await store.ping()
    with pytest.raises(Unavailable):
        await put(store, "a")
    await store.close()


async def test_a_wrong_secret_is_told_without_showing_it(seaweed: Seaweed, bucket: str) -> None:
    store = connect_store(f"s3://{seaweed.key}:wrong%2Fsecret@{LOOPBACK}:{seaweed.port}/{bucket}?secure=false")
    with pytest.raises((Unavailable, Refused)) as caught:
        await put(store, "a")
    assert "wrong" not in str(caught.value)
    await store.close()


async def test_a_plain_deletion_hides_and_removes_nothing(locked: S3Store, client: Minio, bucket: str) -> None:
    written = await put(locked, "a/b")
    client.remove_object(bucket, "a/b")
    found = [version async for version in locked.list_versions("a/")]
    assert [version for version in found if not version.marker] == [written]
    (marker,) = [version for version in found if version.marker]
    await locked.delete_version("a/b", marker.version_id)
    assert [version async for version in locked.list_versions("a/")] == [written]


async def test_a_large_file_goes_in_parts_and_keeps_its_lock(locked: S3Store, tmp_path: Path) -> None:
    locked.largest_single, locked.part = 1 << 20, SMALLEST_PART
    content = bytes(range(256)) * (12 << 12)
    path = tmp_path / "large"
    path.write_bytes(content)
    until = (utc_now() + YEAR).replace(microsecond=0)
    written = await locked.put("large", path, sha256=sha256(content), lock_until=until)
    assert (written.size, written.lock_until) == (len(content), until)
    read = b"".join([chunk async for chunk in locked.read("large", written.version_id)])
    assert sha256(read) == written.sha256
    with pytest.raises(Refused):
        await locked.delete_version("large", written.version_id)


async def test_a_server_that_stops_is_unavailable_and_then_there_again() -> None:
    with start_seaweed() as server:
        store = connect_store(server.url("bucket"))
        await store.prepare()
        written = await put(store, "a")
    with pytest.raises(Unavailable):
        await store.head("a", written.version_id)
    with pytest.raises(Unavailable):
        [chunk async for chunk in store.read("a", written.version_id)]
    await store.close()
