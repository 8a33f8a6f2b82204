"""One contract, two stores: the local one, and S3 against a real server."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archive.connect import connect_store
from archive.store import ObjectStore, Version, Write
from core.clock import utc_now
from core.errors import Damaged, NotFound, Refused, SettingsError, Unavailable
from tests.locks import short_lock
from tests.ports import free_port

CONTENT = b"dialogue " * 50_000
YEAR = timedelta(days=365)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def put(store: ObjectStore, key: str, content: bytes = CONTENT, lock: timedelta = YEAR) -> Version:
    return await store.put(key, content, sha256=sha256(content), lock_until=utc_now() + lock)


async def everything(store: ObjectStore, version: Version, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.read(version.key, version.version_id, start=start, length=length)])


async def listed(store: ObjectStore, prefix: str) -> list[Version]:
    return [version async for version in store.list_versions(prefix)]


async def test_a_version_is_kept_as_it_was_put(any_store: ObjectStore) -> None:
    until = datetime(2031, 5, 6, 7, 8, 9, 1, tzinfo=UTC)
    written = await any_store.put("recordings/a/audio.flac", CONTENT, sha256=sha256(CONTENT), lock_until=until)
    assert (written.size, written.sha256, written.held) == (len(CONTENT), sha256(CONTENT), False)
    assert written.lock_until == datetime(2031, 5, 6, 7, 8, 10, tzinfo=UTC)  # rounded up
    assert await any_store.head(written.key, written.version_id) == written
    assert await everything(any_store, written) == CONTENT


async def test_a_file_is_kept_like_bytes(any_store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "audio.flac"
    path.write_bytes(CONTENT)
    written = await any_store.put("a/audio.flac", path, sha256=sha256(CONTENT), lock_until=utc_now() + YEAR)
    assert await everything(any_store, written) == CONTENT


async def test_an_empty_object_is_an_object(any_store: ObjectStore) -> None:
    assert await everything(any_store, await put(any_store, "empty", b"")) == b""


@pytest.mark.parametrize(
    ("start", "length"), [(0, 10), (7, 0), (9, 300_000), (len(CONTENT) - 3, None), (len(CONTENT) + 5, None)]
)
async def test_any_range_can_be_read(any_store: ObjectStore, start: int, length: int | None) -> None:
    written = await put(any_store, "ranges")
    expected = CONTENT[start:] if length is None else CONTENT[start : start + length]
    assert await everything(any_store, written, start, length) == expected


async def test_the_same_key_again_is_another_version(any_store: ObjectStore) -> None:
    first = await put(any_store, "twice", b"one")
    second = await put(any_store, "twice", b"two")
    assert first.version_id != second.version_id
    assert await listed(any_store, "twice") == [second, first]  # newest first
    assert await everything(any_store, first) == b"one"


async def test_listing_is_by_key_and_prefix(any_store: ObjectStore) -> None:
    keys = ["a/b/c.json", "a/b-1.json", "a/b.json", "b/x.json", "a/b/d"]
    for key in keys:
        await put(any_store, key, key.encode())
    assert [version.key for version in await listed(any_store, "")] == sorted(keys)
    assert [version.key for version in await listed(any_store, "a/b/")] == ["a/b/c.json", "a/b/d"]
    assert [version.key for version in await listed(any_store, "a/b-")] == ["a/b-1.json"]
    assert await listed(any_store, "nothing/") == []


async def test_a_lock_is_only_lengthened(any_store: ObjectStore) -> None:
    written = await put(any_store, "lock")
    assert written.lock_until is not None
    later = await any_store.lengthen_lock("lock", written.version_id, written.lock_until + YEAR)
    assert later.lock_until == written.lock_until + YEAR
    assert await any_store.lengthen_lock("lock", written.version_id, later.lock_until) == later
    with pytest.raises(Refused, match="only ever lengthened"):
        await any_store.lengthen_lock("lock", written.version_id, later.lock_until - timedelta(seconds=1))
    assert await any_store.head("lock", written.version_id) == later


async def test_lock_dates_that_make_no_sense_are_refused(any_store: ObjectStore) -> None:
    with pytest.raises(Refused, match="future"):
        await put(any_store, "past", lock=-timedelta(seconds=5))
    with pytest.raises(Refused, match="2100"):
        await put(any_store, "far", lock=80 * YEAR)
    assert await listed(any_store, "") == []


async def test_nothing_is_deleted_before_its_date_or_under_a_hold(any_store: ObjectStore) -> None:
    lock = await short_lock(any_store)
    written = await put(any_store, "short", b"x", lock)
    assert written.lock_until is not None
    with pytest.raises(Refused, match="lock forbids"):
        await any_store.delete_version("short", written.version_id)
    held = await any_store.hold("short", written.version_id, True)
    assert held.held
    await asyncio.sleep((written.lock_until - utc_now()).total_seconds() + 0.5)
    with pytest.raises(Refused, match="hold"):
        await any_store.delete_version("short", written.version_id)
    assert not (await any_store.hold("short", written.version_id, False)).held
    assert await everything(any_store, written) == b"x"
    await any_store.delete_version("short", written.version_id)
    assert await listed(any_store, "") == []
    with pytest.raises(NotFound):
        await any_store.head("short", written.version_id)
    with pytest.raises(NotFound):
        await any_store.delete_version("short", written.version_id)


async def test_several_are_written_and_deleted_as_one_by_one(any_store: ObjectStore) -> None:
    await any_store.prepare()
    soon = utc_now() + await short_lock(any_store)
    wanted = [Write(f"many/{number}.json", b"%d" % number, sha256(b"%d" % number), soon) for number in range(30)]
    held, *rest = written = await any_store.put_all(wanted)
    assert [(one.key, one.sha256, one.size) for one in written] == [
        (one.key, one.sha256, len(one.content)) for one in wanted if isinstance(one.content, bytes)
    ]
    assert await listed(any_store, "many/") == sorted(written, key=lambda one: one.key)
    assert await everything(any_store, rest[-1]) == b"29"
    refused = await any_store.delete_all([(one.key, one.version_id) for one in written])
    assert {type(each) for each in refused} == {Refused}
    await any_store.hold(held.key, held.version_id, True)
    await asyncio.sleep((max(one.lock_until for one in written if one.lock_until) - utc_now()).total_seconds() + 0.5)
    twice = [(one.key, one.version_id) for one in (held, *rest, rest[0])]
    kept, first, *others, again = [type(each) for each in await any_store.delete_all(twice)]
    assert (kept, others) == (Refused, [type(None)] * 28)
    # They go side by side: one of the two finds the version, whichever it is.
    assert {first, again} == {type(None), NotFound}
    assert [one.key for one in await listed(any_store, "many/")] == [held.key]


async def test_one_of_several_that_is_wrong_is_refused(any_store: ObjectStore) -> None:
    until = utc_now() + YEAR
    wanted = [Write("some/a", b"a", sha256(b"a"), until), Write("some/b", b"b", sha256(b"other"), until)]
    with pytest.raises(Damaged):
        await any_store.put_all(wanted)
    assert "some/b" not in [one.key for one in await listed(any_store, "some/")]


async def test_the_versions_of_a_key_are_not_those_of_longer_keys(any_store: ObjectStore) -> None:
    first = await put(any_store, "one/key", b"first")
    second = await put(any_store, "one/key", b"second")
    await put(any_store, "one/key-2", b"other")
    await put(any_store, "one/key/3", b"other")
    assert await any_store.versions_of("one/key") == [second, first]
    assert await any_store.versions_of("one") == []


async def test_a_long_listing_is_whole_and_in_order(any_store: ObjectStore) -> None:
    until = utc_now() + YEAR
    wanted = [Write(f"long/{number:04d}", b"", sha256(b""), until) for number in range(230)]
    await any_store.put_all(wanted)
    assert [one.key for one in await listed(any_store, "long/")] == [one.key for one in wanted]


async def test_a_hold_does_not_need_or_change_a_date(any_store: ObjectStore) -> None:
    written = await put(any_store, "held")
    once = await any_store.hold("held", written.version_id, True)
    assert await any_store.hold("held", written.version_id, True) == once
    assert once.lock_until == written.lock_until
    released = await any_store.hold("held", written.version_id, False)
    assert released == written == await any_store.hold("held", written.version_id, False)


async def test_what_is_not_there_is_not_found(any_store: ObjectStore) -> None:
    written = await put(any_store, "there", b"x")
    for key, version in (("there", "0" * 32), ("elsewhere", written.version_id), ("there", "../../there")):
        with pytest.raises(NotFound):
            await any_store.head(key, version)
        with pytest.raises(NotFound):
            [chunk async for chunk in any_store.read(key, version)]
        with pytest.raises(NotFound):
            await any_store.lengthen_lock(key, version, utc_now() + 2 * YEAR)
        with pytest.raises(NotFound):
            await any_store.hold(key, version, True)
        with pytest.raises(NotFound):
            await any_store.delete_version(key, version)


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.hidden", "a/@b", "a b", "a\\b", "回访", "a\n", "x" * 401]
)
async def test_what_is_not_a_key_is_refused(any_store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        await put(any_store, key)
    with pytest.raises(ValueError, match="not a key"):
        await any_store.head(key, "v")


async def test_content_that_changed_after_hashing_is_not_stored(any_store: ObjectStore) -> None:
    with pytest.raises(Damaged):
        await any_store.put("changed", b"other", sha256=sha256(b"one"), lock_until=utc_now() + YEAR)
    assert await listed(any_store, "") == []


async def test_many_writers_of_one_key_each_get_a_version(any_store: ObjectStore) -> None:
    versions = await asyncio.gather(*(put(any_store, "busy", bytes([n])) for n in range(12)))
    assert len({version.version_id for version in versions}) == 12
    assert sorted(v.sha256 for v in await listed(any_store, "busy")) == sorted(v.sha256 for v in versions)


async def test_the_start_up_check_passes_and_may_be_repeated(any_store: ObjectStore) -> None:
    await any_store.self_test()
    await any_store.self_test()
    await any_store.ping()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    store = connect_store(f"s3://key:secret@127.0.0.1:{free_port()}/bucket?secure=false")
    with pytest.raises(Unavailable):
        await store.ping()
    with pytest.raises(Unavailable):
        await put(store, "a")
    with pytest.raises(Unavailable):
        await listed(store, "")
    await store.close()


async def test_a_directory_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = connect_store(f"file://{tmp_path}/none")
    with pytest.raises(Unavailable):
        await store.ping()
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://a/b",
        "file://host/dir",
        "s3://host/bucket",
        "s3://k:s@h/a/b",
        "s3://k:s@h/b",
        "s3://k:s@h/bucket?secure=perhaps",
        "s3://k:s@h/bucket?x=1",
    ],
)
def test_a_wrong_address_is_named_without_its_secret(url: str) -> None:
    with pytest.raises(SettingsError, match="HUIYIN_STORE_URL") as caught:
        connect_store(url)
    assert "k:s" not in str(caught.value)
