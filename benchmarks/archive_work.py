"""What the archive's benchmark does with really sealed recordings: disposal and verification."""

import asyncio
import hashlib
import itertools
import multiprocessing
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from archive.house import Archive
from archive.ledger_key import ensure_ledger_key, trusted_keys
from archive.local import LocalStore
from archive.seal import NewRecording, NewTurn, seal_recording, seal_transcript
from benchmarks.memory import peak_megabytes
from core.clock import utc_now
from core.database import Database
from core.ids import new_id
from core.settings import Settings, load
from retention.batches import approve_batch, confirm_batch, list_batch
from retention.execution import execute_confirmed
from retention.rule import keep_until
from service.migrate import migrate
from service.verification import verify

Tell = Callable[[str, int, int], None]
# More writers of one SQLite file than this wait for each other too long.
AT_ONCE = 4
SMALL, LARGE = 4 << 10, 2 << 20
TURN = NewTurn("citizen", 1500, 3500, "问题已经解决了，我很满意。", 0.9, False, [])


class Clock:
    """Stands at ``behind`` the present until it is set to nothing: recordings of long ago are sealed that way."""

    def __init__(self, behind: timedelta = timedelta(0)) -> None:
        self.behind = behind

    def __call__(self) -> datetime:
        return utc_now() - self.behind


async def open_archive(directory: Path, clock: Clock) -> tuple[Archive, Settings]:
    """A fresh archive on SQLite and the local store."""
    settings = load({"HUIYIN_DATA_DIR": str(directory)})
    directory.mkdir(exist_ok=True)
    await migrate(settings)
    store = LocalStore(directory / "store", clock=clock)
    await store.prepare()
    return Archive(Database(settings.database), store, clock), settings


async def seal_many(
    archive: Archive, settings: Settings, count: int, audio_size: int, tell: Callable[[int], None]
) -> None:
    """Recordings with a text, several at once; every one has other audio."""
    limit, work = asyncio.Semaphore(AT_ONCE), archive.clock()
    noise, done = os.urandom(audio_size), itertools.count(1)

    async def one(number: int) -> None:
        async with limit:
            began = work - timedelta(minutes=5)
            recording = NewRecording(
                id=new_id(), sip_call_id=f"{number}@gateway.test", started_at=began,
                ended_at=began + timedelta(minutes=1), duration_ms=60_000, agent_number="8001", agent_name="回访员甲",
                citizen_number="13800000000", citizen_name="测试市民", work_order="", interrupted=False, flags=(),
                facts={"streams": []},
            )  # fmt: skip
            path = settings.data_dir / f"{number}.flac"
            await asyncio.to_thread(path.write_bytes, recording.id.bytes + noise)
            until = keep_until(settings, recording.ended_at, archive.clock())
            await seal_recording(archive, recording, path, retain_until=until)
            path.unlink()
            await seal_transcript(
                archive, recording.id, {"engine": "benchmark"}, [TURN], author="system", reason="first text",
                retain_until=until, expected_version=0,
            )  # fmt: skip
            tell(next(done))

    await asyncio.gather(*(one(number) for number in range(count)))


@asynccontextmanager
async def _set_up(directory: Path, clock: Clock) -> AsyncIterator[tuple[Archive, Settings]]:
    """An archive to be filled: what is only set up need not survive a loss of power, which would take ten times as
    long."""
    archive, settings = await open_archive(directory, clock)
    event.listen(archive.database.engine.sync_engine, "connect", _do_not_sync)
    sync, os.fsync = os.fsync, lambda fd: None
    try:
        yield archive, settings
    finally:
        os.fsync = sync
        await close(archive)
    os.sync()


def _do_not_sync(connection: Any, _record: object) -> None:
    connection.cursor().execute("PRAGMA synchronous = OFF")


async def close(archive: Archive) -> None:
    await archive.store.close()
    await archive.database.close()


async def disposal(directory: Path, count: int, tell: Tell) -> float:
    """Recordings disposed of in a second on the local store: deleted, looked for, certified and concluded."""
    clock = Clock(behind=timedelta(days=2 * 366 + 5))
    began = time.perf_counter()
    async with _set_up(directory, clock) as (archive, settings):
        await seal_many(archive, settings, count, SMALL, lambda done: tell("sealed", done, count))
    sealed = time.perf_counter() - began
    clock.behind = timedelta(0)
    archive, settings = await open_archive(directory, clock)
    batch = await list_batch(archive, settings, now=clock())
    assert batch is not None
    for decide, person in ((approve_batch, "first"), (confirm_batch, "second")):
        async with archive.database.write() as session:
            await decide(session, batch.id, by=person, now=clock())
    began = time.perf_counter()
    done = await execute_confirmed(archive, settings, now=clock())
    took = time.perf_counter() - began
    await close(archive)
    assert len(done.disposed) == count, done.refused[:3]
    print(f"disposal: {count:,} recordings in {took:.1f} s (sealed in {sealed:.0f} s)", flush=True)
    return round(count / took, 1)


async def verification(directory: Path, megabytes: int, tell: Tell) -> dict[str, float]:
    """The speed of ``huiyin verify --all`` against reading and hashing the same files, and its memory, each in a
    process of its own.  Half of the objects first, then all, so that memory that grows with them shows."""
    half = max(1, megabytes * (1 << 20) // LARGE // 2)
    peaks: list[float] = []
    for _ in range(2):
        async with _set_up(directory, Clock()) as (archive, settings):
            ensure_ledger_key(settings)
            await seal_many(archive, settings, half, LARGE, lambda done: tell("sealed to verify", done, half))
        raw, seconds, peak, octets = await asyncio.to_thread(_compare, directory)
        peaks.append(peak)
    print(
        f"verification: {octets / 1e6:,.0f} MB at {octets / 1e6 / seconds:,.0f} MB/s, read and hashed plainly at "
        f"{octets / 1e6 / raw:,.0f} MB/s (target: half); peak {peaks[0]:.0f} MB with half of it, {peaks[1]:.0f} MB "
        "with all",
        flush=True,
    )
    return {"verify_ratio_to_raw_sha256": round(raw / seconds, 3), "verify_peak_mb": round(peaks[-1], 1)}


def _compare(directory: Path) -> tuple[float, float, float, int]:
    """In turns, from the disk each time: seconds of reading plainly and of verifying, peak MB, octets."""
    files = [path for path in (directory / "store" / "objects").rglob("data") if path.is_file()]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        _forget(files)
        first = processes.apply(_read_plainly, (files,))
        _forget(files)
        seconds, peak = processes.apply(_verify_all, (directory,))
        _forget(files)
        second = processes.apply(_read_plainly, (files,))
    return (first + second) / 2, seconds, peak, sum(path.stat().st_size for path in files)


def _forget(files: Sequence[Path]) -> None:
    """Let the kernel drop the files from its cache."""
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_plainly(files: Sequence[Path]) -> float:
    began = time.perf_counter()
    for path in files:
        with path.open("rb", buffering=0) as file:
            hashlib.file_digest(file, "sha256")
    return time.perf_counter() - began


def _verify_all(directory: Path) -> tuple[float, float]:
    """Seconds, and this process's peak memory in MB."""

    async def run() -> float:
        archive, settings = await open_archive(directory, Clock())
        began = time.perf_counter()
        faults = await verify(archive, trusted_keys(settings), on_progress=lambda _: None)
        took = time.perf_counter() - began
        await close(archive)
        assert not faults, faults[:3]
        return took

    return asyncio.run(run()), peak_megabytes()
