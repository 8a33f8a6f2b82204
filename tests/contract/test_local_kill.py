"""The local store, killed (SIGKILL) before each of its steps: a version is whole or not there, a lock never less.

A program forks a child for every step; the child's audit hook counts what touches the store's directory (PEP 578) and
kills it at the step that is its own.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archive.local import LocalStore
from archive.store import Version, Write
from core.errors import NotFound
from tests.acceptance.running import ROOT

CONTENT = b"evidence " * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
BEFORE, UNTIL, LATER = NOW - timedelta(days=2), NOW - timedelta(days=1), NOW + timedelta(days=500)
LONGEST = 400
KEYS = ("a/b", "a/c", "d/e")

# The work that is interrupted; its arguments: the directory of all stores, the action, the version it is about.
PROGRAM = """
import asyncio, os, signal, sys, shutil
from pathlib import Path
from archive.local import LocalStore
from archive.store import Write
from tests.contract.test_local_kill import BEFORE, CONTENT, KEYS, LATER, NOW, SHA256, UNTIL

base, action, version = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def act(root):
    store = LocalStore(root, clock=lambda: BEFORE if action.startswith("put") else NOW)
    work = {
        "put": lambda: store.put("a/b", CONTENT, sha256=SHA256, lock_until=UNTIL),
        "lengthen": lambda: store.lengthen_lock("a/b", version, LATER),
        "hold": lambda: store.hold("a/b", version, True),
        "delete": lambda: store.delete_version("a/b", version),
        "put all": lambda: store.put_all([Write(key, CONTENT, SHA256, UNTIL) for key in KEYS]),
        "delete all": lambda: store.delete_all([pair.split() for pair in version.split(",")]),
    }[action]
    asyncio.run(work())

for step in range(1, 400):
    root = base / f"killed-{step}"
    shutil.copytree(base / "origin", root)
    child = os.fork()
    if child == 0:
        left = step
        def count(event, arguments):
            global left
            if event.startswith(("open", "os.", "shutil.")) and any(str(root) in str(one) for one in arguments):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        try:
            act(root)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        print(step - 1)
        sys.exit(os.WEXITSTATUS(status))
sys.exit(4)
"""


async def listed(store: LocalStore) -> list[Version]:
    return [version async for version in store.list_versions("")]


async def content_of(store: LocalStore, version: Version) -> bytes:
    return b"".join([chunk async for chunk in store.read(version.key, version.version_id)])


async def origin(base: Path, *, filled: bool) -> Version | None:
    """A store with one version whose lock has passed, or an empty one."""
    store = LocalStore(base / "origin", clock=lambda: BEFORE)
    await store.prepare()
    written = await store.put("a/b", CONTENT, sha256=SHA256, lock_until=UNTIL) if filled else None
    await store.close()
    return written


async def killed(base: Path, action: str, version: Version | str | None) -> list[LocalStore]:
    """A store for each step before which the work was killed."""
    about = version.version_id if isinstance(version, Version) else version or ""
    command = [sys.executable, "-c", PROGRAM, str(base), action, about]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert 3 <= steps < LONGEST
    return [LocalStore(base / f"killed-{step}", clock=lambda: NOW) for step in range(1, steps + 1)]


async def test_a_version_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    await origin(tmp_path, filled=False)
    found = set()
    for store in await killed(tmp_path, "put", None):
        versions = await listed(store)
        found.add(len(versions))
        for version in versions:
            assert (version.sha256, version.size, version.lock_until) == (SHA256, len(CONTENT), UNTIL)
            assert await content_of(store, version) == CONTENT
        again = await store.put("a/b", CONTENT, sha256=SHA256, lock_until=LATER)
        assert len(await listed(store)) == len(versions) + 1
        assert await content_of(store, again) == CONTENT
        await store.close()
    assert found == {0, 1}, "it was killed before and after the version appeared"


async def test_a_lock_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    version = await origin(tmp_path, filled=True)
    assert version
    dates = set()
    for store in await killed(tmp_path, "lengthen", version):
        (left,) = await listed(store)
        dates.add(left.lock_until)
        assert await content_of(store, left) == CONTENT
        assert (await store.lengthen_lock("a/b", version.version_id, LATER)).lock_until == LATER
        await store.close()
    assert dates == {UNTIL, LATER}


async def test_a_hold_is_on_or_off_and_the_lock_untouched(tmp_path: Path) -> None:
    version = await origin(tmp_path, filled=True)
    assert version
    holds = set()
    for store in await killed(tmp_path, "hold", version):
        (left,) = await listed(store)
        holds.add(left.held)
        assert left.lock_until == UNTIL
        assert (await store.hold("a/b", version.version_id, True)).held
        await store.close()
    assert holds == {False, True}


async def test_a_deletion_happens_whole_or_not_at_all_and_can_be_done_again(tmp_path: Path) -> None:
    version = await origin(tmp_path, filled=True)
    assert version
    found = set()
    for store in await killed(tmp_path, "delete", version):
        versions = await listed(store)
        found.add(len(versions))
        if versions:
            assert versions == [version]
            assert await content_of(store, version) == CONTENT
            await store.delete_version("a/b", version.version_id)
        else:
            with pytest.raises(NotFound):
                await store.delete_version("a/b", version.version_id)
        assert await listed(store) == []
        # What a killed deletion left in the trash is removed a day later.
        for grave in (store.root / "trash").iterdir():
            os.utime(grave, (0, 0))
        await store.prepare()
        assert list((store.root / "trash").iterdir()) == []
        await store.close()
    assert found == {0, 1}


async def test_of_several_each_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    await origin(tmp_path, filled=False)
    found = set()
    for store in await killed(tmp_path, "put all", None):
        versions = await listed(store)
        found.add(len(versions))
        for version in versions:
            assert (version.sha256, version.size, version.lock_until) == (SHA256, len(CONTENT), UNTIL)
            assert await content_of(store, version) == CONTENT
        await store.close()
    assert found == {0, 1, 2, 3}


async def test_of_several_each_is_deleted_whole_or_not_at_all(tmp_path: Path) -> None:
    before = LocalStore(tmp_path / "origin", clock=lambda: BEFORE)
    await before.prepare()
    written = await before.put_all([Write(key, CONTENT, SHA256, UNTIL) for key in KEYS])
    await before.close()
    named, found = [(one.key, one.version_id) for one in written], set()
    for store in await killed(tmp_path, "delete all", ",".join(" ".join(pair) for pair in named)):
        left = await listed(store)
        found.add(len(left))
        assert all([await content_of(store, one) == CONTENT for one in left])
        refused = await store.delete_all(named)
        assert [error is None for error in refused] == [one in left for one in written]
        assert await listed(store) == []
        await store.close()
    assert found == {0, 1, 2, 3}


async def test_the_clocks_mark_is_readable_whenever_it_was_killed(tmp_path: Path) -> None:
    await origin(tmp_path, filled=False)
    for store in await killed(tmp_path, "put", None):
        mark = store.root / "clock-high-water-mark"
        assert not mark.exists() or datetime.fromisoformat(mark.read_text()) == BEFORE
        for lock in store.root.rglob("objects/**/lock.json"):
            assert json.loads(lock.read_text())["mode"] == "COMPLIANCE"
        await store.close()
