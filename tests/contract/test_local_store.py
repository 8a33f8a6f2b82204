"""What is the local store's own: its clock, its files, several processes in one directory."""

import asyncio
import hashlib
import json
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archive.local import LocalStore
from archive.local_files import in_order
from archive.store import Version
from core.errors import Damaged, NotFound, Refused, Unavailable

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONTENT = b"evidence"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Hands:
    """A clock whose hands a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def local(tmp_path: Path, clock: Hands) -> LocalStore:
    store = LocalStore(tmp_path / "store", clock=clock)
    await store.prepare()
    return store


async def put(store: LocalStore, key: str = "a/b.json", lock: timedelta = HOUR) -> Version:
    return await store.put(key, CONTENT, sha256=SHA256, lock_until=NOW + lock)


async def listed(store: LocalStore) -> list[Version]:
    return [version async for version in store.list_versions("")]


async def test_locks_pass_by_the_clock(local: LocalStore, clock: Hands) -> None:
    written = await put(local)
    clock.now = NOW + HOUR - timedelta(microseconds=1)
    with pytest.raises(Refused):
        await local.delete_version(written.key, written.version_id)
    clock.now = NOW + HOUR
    await local.delete_version(written.key, written.version_id)
    assert not (local.root / "objects" / "a").exists()
    assert list((local.root / "trash").iterdir()) == []


async def test_nothing_is_deleted_while_the_clock_has_gone_back(local: LocalStore, clock: Hands) -> None:
    written = await put(local)
    clock.now = NOW + 10 * HOUR
    await put(local, "later", lock=20 * HOUR)  # the store has seen this time
    clock.now = NOW + 2 * HOUR
    with pytest.raises(Refused, match="clock has gone back"):
        await local.delete_version(written.key, written.version_id)
    assert len(await listed(local)) == 2
    await put(local, "evidence-is-still-taken", lock=20 * HOUR)
    clock.now = NOW + 10 * HOUR
    await local.delete_version(written.key, written.version_id)


async def test_a_small_step_back_is_nothing(local: LocalStore, clock: Hands) -> None:
    written = await put(local)
    clock.now = NOW + 2 * HOUR
    await put(local, "later", lock=20 * HOUR)
    clock.now -= timedelta(seconds=2)
    await local.delete_version(written.key, written.version_id)


async def test_files_are_read_only_and_their_names_cannot_be_guessed(local: LocalStore) -> None:
    versions = [await put(local) for _ in range(3)]
    path = local.local_path(versions[0].key, versions[0].version_id)
    assert path is not None
    assert path.read_bytes() == CONTENT
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o444}
    assert len({version.version_id.partition("-")[2] for version in versions}) == 3
    assert all(len(version.version_id.partition("-")[2]) == 32 for version in versions)


async def test_a_version_appears_whole_or_not_at_all(local: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await local.put("a", tmp_path / "missing", sha256=SHA256, lock_until=NOW + HOUR)
    with pytest.raises(Damaged):
        await local.put("a", b"other", sha256=SHA256, lock_until=NOW + HOUR)
    assert await listed(local) == []
    assert list((local.root / "incoming").iterdir()) == []


async def test_what_a_crash_left_is_removed_a_day_later(local: LocalStore) -> None:
    old, young = local.root / "incoming" / "old", local.root / "incoming" / "young"
    for directory in (old, young):
        directory.mkdir()
        (directory / "data").write_bytes(b"half")
    os.utime(old, (0, 0))
    await local.prepare()
    assert not old.exists()
    assert young.exists()  # somebody may be writing it


async def test_a_lock_file_that_was_broken_is_named(local: LocalStore) -> None:
    written = await put(local)
    path = local.local_path(written.key, written.version_id)
    assert path is not None
    lock = path.with_name("lock.json")
    lock.chmod(0o644)
    lock.write_text("{")
    with pytest.raises(Damaged, match="unreadable"):
        await local.head(written.key, written.version_id)
    with pytest.raises(Damaged):
        await local.delete_version(written.key, written.version_id)


async def test_a_link_out_of_the_store_is_no_way_in(local: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("x")
    for key in ("../outside/secret", "a/../../outside/secret", "/etc/passwd"):
        with pytest.raises(ValueError, match="not a key"):
            await local.head(key, "v")
    with pytest.raises(NotFound):
        await local.head("a", "..")


async def test_a_hold_and_a_longer_lock_at_once_both_stay(local: LocalStore) -> None:
    written = await put(local)
    await asyncio.gather(
        local.hold(written.key, written.version_id, True),
        *(local.lengthen_lock(written.key, written.version_id, NOW + n * HOUR) for n in (5,) * 6),
    )
    found = await local.head(written.key, written.version_id)
    assert (found.held, found.lock_until) == (True, NOW + 5 * HOUR)


WRITER = """
import asyncio, hashlib, sys
from datetime import UTC, datetime, timedelta
from archive.local import LocalStore

async def main():
    store = LocalStore(sys.argv[1])
    await store.prepare()
    for n in range(20):
        content = f"{sys.argv[2]} {n}".encode()
        until = datetime.now(UTC) + timedelta(days=1)
        version = await store.put("shared/key", content, sha256=hashlib.sha256(content).hexdigest(), lock_until=until)
        await store.lengthen_lock("shared/key", version.version_id, until + timedelta(days=n))
    await store.close()

asyncio.run(main())
"""


async def test_several_processes_share_a_directory(tmp_path: Path) -> None:
    root = tmp_path / "store"
    command = [sys.executable, "-c", WRITER, str(root)]
    writers = [await asyncio.create_subprocess_exec(*command, str(n)) for n in range(3)]
    assert await asyncio.gather(*(writer.wait() for writer in writers)) == [0, 0, 0]
    store = LocalStore(root)
    versions = await listed(store)
    assert len({version.sha256 for version in versions}) == len(versions) == 60
    await store.self_test()


async def test_a_store_that_lets_go_fails_the_start_up_check(tmp_path: Path) -> None:
    class Careless(LocalStore):
        async def delete_version(self, key: str, version_id: str) -> None:
            shutil.rmtree(self.root / "objects" / key)

    class Shortening(LocalStore):
        async def lengthen_lock(self, key: str, version_id: str, until: datetime) -> Version:
            path = self.root / "objects" / key / f"@{version_id}" / "lock.json"
            facts = json.loads(path.read_text())
            path.unlink()
            path.write_text(json.dumps({**facts, "lock_until": until.isoformat()}))
            return await self.head(key, version_id)

    for store, promise in ((Careless(tmp_path), "cannot be deleted"), (Shortening(tmp_path), "cannot be shortened")):
        with pytest.raises(Refused, match="cannot keep evidence") as caught:
            await store.self_test()
        assert promise in str(caught.value)


async def test_the_check_removes_its_old_probes(local: LocalStore, clock: Hands) -> None:
    await local.self_test()
    clock.now = NOW + HOUR
    await local.self_test()
    assert len(await listed(local)) == 1


async def test_the_lock_lies_beside_the_bytes_in_plain_text(local: LocalStore) -> None:
    written = await put(local)
    path = local.local_path(written.key, written.version_id)
    assert path is not None
    assert json.loads(path.with_name("lock.json").read_text()) == {
        "mode": "COMPLIANCE",
        "lock_until": "2026-11-22T05:00:00+00:00",
        "held": False,
        "size": len(CONTENT),
        "sha256": SHA256,
    }


@pytest.mark.parametrize("most", [1, 2, 3, 4, 100])
def test_names_are_in_order_however_few_fit_into_memory(most: int) -> None:
    names = ["a-b", "a", "b/", "a/", "工单", "ab", "a/b"]
    assert list(in_order(iter(names), most=most)) == sorted(names)
    assert list(in_order(iter(()), most=most)) == []
