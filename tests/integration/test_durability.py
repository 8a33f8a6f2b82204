"""Ended calls on their way to a real disk: slow, full, failing, or never reached."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.disk import sync_file_system
from core.ids import new_id
from service.spool import finish_interrupted, waiting
from telephony.call import CLOSED, FACTS_FILE, CallFacts
from telephony.durability import FACTS_NOT_SAVED, SPOOL_NOT_SYNCED, Durability
from tests.full_disk import files_of_at_most
from tests.spools import STARTED
from tests.syncs import SYNC, watched_disk


@dataclass
class Disk:
    """The real one, which a test may hold up or make fail."""

    open: threading.Event = field(default_factory=threading.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def sync(self, directory: int) -> None:
        self.loop.call_soon_threadsafe(self.asked.set)
        assert self.open.wait(240)
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync_file_system(directory)


@dataclass
class House:
    """A spool directory, what syncs it, and the calls that were told as finished."""

    spool: Path
    disk: Disk
    durability: Durability
    written: threading.Event
    told: "asyncio.Queue[tuple[CallFacts, Path]]"

    def call(self) -> tuple[CallFacts, Path]:
        """A call in progress."""
        facts = CallFacts(new_id(), "call@example.invalid", STARTED)
        directory = self.spool / str(facts.recording_id)
        directory.mkdir()
        (directory / "1.rtpdump").write_bytes(b"sound")
        facts.save(directory)
        return facts, directory

    def end(self, facts: CallFacts, directory: Path) -> CallFacts:
        """End a call; returns its final facts."""
        closed = replace(facts, state=CLOSED, end_reason="bye", ended_at=STARTED)
        self.durability.close(closed, directory)
        return closed

    async def finished(self) -> tuple[CallFacts, Path]:
        return await asyncio.wait_for(self.told.get(), 240)


@asynccontextmanager
async def house(tmp_path: Path) -> AsyncIterator[House]:
    told: asyncio.Queue[tuple[CallFacts, Path]] = asyncio.Queue()
    disk = Disk()

    def finished(facts: CallFacts, directory: Path) -> None:
        told.put_nowait((facts, directory))

    written = threading.Event()
    written.set()
    durability = Durability(tmp_path, finished, written=lambda _: written.is_set(), sync=disk.sync)
    durability.start()
    try:
        yield House(tmp_path, disk, durability, written, told)
    finally:
        disk.open.set()
        await durability.stop()


async def test_a_call_closes_only_when_the_disk_has_it_and_nobody_waits(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        first, second = home.call(), home.call()
        closed = home.end(*first)
        await asyncio.wait_for(home.disk.asked.wait(), 240)
        # The disk is slow: the loop runs on, further calls begin and end, and none of them is closed yet.
        later = home.end(*second)
        assert [CallFacts.load(directory) for _, directory in (first, second)] == [first[0], second[0]]
        assert waiting(tmp_path) == []
        assert home.told.empty()
        home.disk.open.set()
        assert await home.finished() == (closed, first[1])
        assert await home.finished() == (later, second[1])
        assert waiting(tmp_path) == [first[1], second[1]]
        assert sorted(path.name for path in first[1].iterdir()) == ["1.rtpdump", FACTS_FILE]


async def test_a_crash_before_the_sync_leaves_a_call_that_the_next_start_finishes(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        facts, directory = home.call()
        home.end(facts, directory)
        await asyncio.wait_for(home.disk.asked.wait(), 240)
        # What a crash would leave now: the new facts lie beside those in force.
        (found,) = finish_interrupted(tmp_path)
        assert (found.interrupted, found.end_reason, found.state) == (True, "interrupted", CLOSED)
        assert CallFacts.load(directory) == found


async def test_a_full_disk_is_asked_again_until_it_has_room(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.disk.open.set()
        facts, directory = home.call()
        with files_of_at_most(16):
            home.end(facts, directory)
            await _until(lambda: home.durability.unsaved == 1)
            assert CallFacts.load(directory) == facts
            assert home.told.empty()
        saved, where = await home.finished()
        assert (saved.flags, where, home.durability.unsaved) == ((FACTS_NOT_SAVED,), directory, 0)
        assert CallFacts.load(directory) == saved


async def test_a_call_waits_for_the_rest_of_its_sound(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.disk.open.set()
        home.written.clear()
        facts, directory = home.call()
        home.end(facts, directory)
        await _until(lambda: home.durability.unsaved == 1)
        assert CallFacts.load(directory) == facts
        assert home.told.empty()
        home.written.set()
        assert (await home.finished())[0].flags == (FACTS_NOT_SAVED,)
        assert CallFacts.load(directory).state == CLOSED


async def test_stopping_on_a_full_disk_leaves_the_call_to_the_next_start(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.disk.open.set()
        facts, directory = home.call()
        with files_of_at_most(16):
            home.end(facts, directory)
            await home.durability.stop()
            assert (await home.finished())[0].flags == (FACTS_NOT_SAVED,)
        assert CallFacts.load(directory) == facts
        assert [found.recording_id for found in finish_interrupted(tmp_path)] == [facts.recording_id]


async def test_a_failing_sync_flags_only_the_calls_whose_files_are_hit(tmp_path: Path) -> None:
    with watched_disk() as steps:
        await _fail_one_of_two(tmp_path)
    # Every other file was asked for by itself: that the whole could not be synced says nothing of it.
    asked = {Path(path).name for kind, path in steps if kind == SYNC}
    assert {"1.rtpdump", FACTS_FILE} <= asked


async def _fail_one_of_two(directory: Path) -> None:
    async with house(directory) as home:
        home.disk.fails = True
        sound, hit = home.call(), home.call()
        # A file that cannot be synced by itself either: it cannot even be opened.
        (hit[1] / "2.rtpdump").symlink_to(directory / "nowhere")
        home.end(*sound)
        home.end(*hit)
        home.disk.open.set()
        assert (await home.finished())[0].flags == ()
        assert (await home.finished())[0].flags == (SPOOL_NOT_SYNCED,)
        assert CallFacts.load(hit[1]).flags == (SPOOL_NOT_SYNCED,)


async def test_everything_is_synced_at_the_end(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.disk.open.set()
        await home.durability.stop()
        assert home.disk.asked.is_set()


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(240):
        while not reached():  # noqa: ASYNC110 - the thread's result is what is waited for
            await asyncio.sleep(0.01)
