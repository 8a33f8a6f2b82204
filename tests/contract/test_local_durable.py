"""A power cut: the local store counts on nothing that was not synced first, and tells of nothing before it is."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from archive.local import LocalStore
from archive.store import Write
from core.clock import utc_now
from tests.syncs import RENAME, SYNC, SYNC_ALL, Step, watched_disk

KEY = "recordings/2026/11/22/a/audio.flac"
UNTIL = utc_now() + timedelta(days=1)


def _place(steps: list[Step], what: str, end: str) -> int:
    """Where the only step of this kind on a path with this end stands."""
    (place,) = [index for index, (kind, path) in enumerate(steps) if kind == what and path.endswith(end)]
    return place


async def _watched(root: Path) -> LocalStore:
    store = LocalStore(root)
    await store.prepare()
    return store


async def test_bytes_lock_and_directory_are_synced_before_and_after_a_version_appears(tmp_path: Path) -> None:
    with watched_disk() as steps:
        store = await _watched(tmp_path)
        steps.clear()
        version = await store.put(KEY, b"sound", sha256=sha256(b"sound").hexdigest(), lock_until=UNTIL)
    await store.close()
    (_, incoming) = steps[_place(steps, SYNC, "/data")]
    appears = _place(steps, RENAME, f"/@{version.version_id}")
    before = [
        _place(steps, SYNC, "/data"),
        next(at for at, (kind, path) in enumerate(steps) if kind == SYNC and "/.lock.json-" in path),
        _place(steps, RENAME, "/lock.json"),
        _place(steps, SYNC, str(Path(incoming).parent)),
    ]
    assert before == sorted(before)
    assert before[-1] < appears
    directory = str(tmp_path / "objects" / Path(KEY))
    made = [path for kind, path in steps[:appears] if kind == SYNC]
    # Each directory on the way is new, and its entry is synced in the one above it.
    assert {str(above) for above in Path(directory).parents if above.is_relative_to(tmp_path / "objects")} <= set(made)
    assert _place(steps, SYNC, directory) > appears


async def test_several_versions_are_synced_together_before_and_after_they_appear(tmp_path: Path) -> None:
    writes = [Write(f"{KEY}.{n}", b"sound", sha256(b"sound").hexdigest(), UNTIL) for n in range(3)]
    with watched_disk() as steps:
        store = await _watched(tmp_path)
        steps.clear()
        versions = await store.put_all(writes)
    await store.close()
    first, last = (at for at, (kind, _) in enumerate(steps) if kind == SYNC_ALL)
    appear = [_place(steps, RENAME, f"/@{version.version_id}") for version in versions]
    locks = [at for at, (kind, path) in enumerate(steps) if kind == RENAME and path.endswith("/lock.json")]
    assert max(locks) < first < min(appear)
    assert max(appear) < last


async def test_a_longer_lock_and_a_hold_are_on_the_disk_before_they_are_told(tmp_path: Path) -> None:
    with watched_disk() as steps:
        store = await _watched(tmp_path)
        version = await store.put(KEY, b"sound", sha256=sha256(b"sound").hexdigest(), lock_until=UNTIL)
        for change in ("lock", "hold"):
            steps.clear()
            if change == "lock":
                await store.lengthen_lock(KEY, version.version_id, UNTIL + timedelta(days=1))
            else:
                await store.hold(KEY, version.version_id, True)
            (written, replaced, synced) = steps
            assert (written[0], replaced[0], synced[0]) == (SYNC, RENAME, SYNC), change
            assert ("/.lock.json-" in written[1], replaced[1][-10:]) == (True, "/lock.json")
            assert synced[1].endswith(f"/@{version.version_id}")
    await store.close()


async def test_what_was_deleted_is_gone_on_the_disk_before_its_bytes_are(tmp_path: Path) -> None:
    moment = utc_now()
    with watched_disk() as steps:
        store = LocalStore(tmp_path, clock=lambda: moment)
        await store.prepare()
        until = moment + timedelta(seconds=1)
        version = await store.put(KEY, b"sound", sha256=sha256(b"sound").hexdigest(), lock_until=until)
        moment += timedelta(days=1)
        steps.clear()
        await store.delete_version(KEY, version.version_id)
    await store.close()
    kinds = [(kind, path) for kind, path in steps if "/trash/" in path or kind == SYNC_ALL]
    assert [kind for kind, _ in kinds] == [RENAME, SYNC_ALL]
