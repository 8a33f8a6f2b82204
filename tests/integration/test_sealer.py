"""The sealer on real spools: order, a damaged call, a store or a database that is away, and doing it twice."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing import active_children
from pathlib import Path
from uuid import UUID

import pytest
import soundfile
from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from archive.connect import connect_store
from archive.house import Archive
from archive.layout import REMAINS, software_version
from archive.retrieve import read_object
from archive.verify import verify_recording
from core.alerts import BACKLOG, CALL_STUCK, DATABASE_AWAY, SPOOL_DAMAGED, STORE_AWAY
from core.clock import utc_now
from core.database import Database
from core.ids import new_id
from core.jobs import JobRow
from core.ledger import LedgerRow
from core.settings import Settings
from service import spool
from service.alarms import Alarms
from service.kinds import FIND_ORDER, TRANSCRIBE
from service.sealer import CALLS_PER_LANE, Sealer
from service.sealing import AUDIO_FILE
from service.setbacks import NOTE_FILE, STUCK_AFTER, Setback
from telephony.call import CLOSED, FACTS_FILE, SIGNALLING_DIR, CallFacts, Party
from tests.conftest import missing
from tests.ports import free_port
from tests.servers import Missing
from tests.small_disk import small_disk
from tests.spools import STARTED, call, packets, tone, write_spool


def _closed_call(settings: Settings, name: str = "call") -> CallFacts:
    """A finished two-party call of two seconds in the spool."""
    facts = replace(
        call("agent", "citizen", seconds=2.0),
        recording_id=new_id(),
        sip_call_id=f"{name}@test.invalid",
        parties=(Party("agent", "8001", "坐席甲"), Party("citizen", "01055500101", "市民乙")),
        work_order="20261101000101",
        flags=("metadata missing",),
    )
    directory = settings.spool_dir / str(facts.recording_id)
    (directory / SIGNALLING_DIR).mkdir(parents=True)
    (directory / SIGNALLING_DIR / "001.xml").write_bytes("<recording>坐席</recording>".encode("gbk"))
    for stream in facts.streams:
        write_spool(directory / stream.file, packets(tone(2000)), started_at=STARTED)
    facts.save(directory)
    return facts


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(Settings(), data_dir=tmp_path / "data")


@asynccontextmanager
async def _sealing(archive: Archive, settings: Settings, alarms: Alarms | None = None) -> AsyncIterator[Sealer]:
    """A sealer at work on the spool while the block runs."""
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    done = asyncio.Event()
    sealer = Sealer(archive, settings, alarms)
    task = asyncio.create_task(sealer.run(done.is_set))
    try:
        yield sealer
    finally:
        done.set()
        await task


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - the spool has no events
            await asyncio.sleep(0.05)


async def _run_until_empty(archive: Archive, settings: Settings) -> None:
    async with _sealing(archive, settings):
        await _until(lambda: not spool.waiting(settings.spool_dir))


async def test_a_call_becomes_a_recording_and_its_jobs(archive: Archive, settings: Settings) -> None:
    facts = _closed_call(settings)
    await _run_until_empty(archive, settings)
    async with archive.database.read() as session:
        recording = await session.get(Recording, facts.recording_id)
        kinds = {row.kind: row.payload for row in await session.scalars(select(JobRow))}
        stored = {row.kind: row for row in await session.scalars(select(StoredObject))}
        [sealed] = await session.scalars(select(LedgerRow).where(LedgerRow.kind == "sealed"))
    assert recording is not None
    assert (recording.duration_ms, recording.work_order) == (2000, "20261101000101")
    assert (recording.agent_number, recording.citizen_number) == ("8001", "01055500101")
    assert recording.flags[0] == "metadata missing"
    # 2026-03-02 + 2 years: the last day is 2028-03-02, eligible at 00:00 of the next in Shanghai.
    assert recording.retain_until.isoformat() == "2028-03-02T16:00:00+00:00"
    payload = {"recording_id": str(facts.recording_id)}
    assert kinds == {TRANSCRIBE: payload, FIND_ORDER: payload}
    assert sealed.subject == str(facts.recording_id)
    assert "01055500101" not in sealed.leaf
    assert await verify_recording(archive, facts.recording_id) == []
    metadata = json.loads(await read_object(archive, stored["metadata"].id, actor="test", purpose="test"))
    assert metadata["recording"]["facts"]["signalling"][0]["base64"], "bytes that are no UTF-8 are kept all the same"
    assert not spool.call_directories(settings.spool_dir)


async def test_sealing_again_after_a_crash_changes_nothing(archive: Archive, settings: Settings) -> None:
    facts = _closed_call(settings)
    directory = settings.spool_dir / str(facts.recording_id)
    kept = {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    await _run_until_empty(archive, settings)
    # As if the process had died between the commit and the removal of the spool.
    for name, content in kept.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    await _run_until_empty(archive, settings)
    async with archive.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Recording)) == 1
        assert await session.scalar(select(func.count()).select_from(JobRow)) == 2
        assert await session.scalar(select(func.count()).select_from(StoredObject)) == 2


async def test_a_call_that_cannot_be_sealed_stands_in_nobodys_way(archive: Archive, settings: Settings) -> None:
    damaged, whole = _closed_call(settings, "damaged"), _closed_call(settings, "whole")
    directory = settings.spool_dir / str(damaged.recording_id)
    # A directory where the sealer must write its file: no retry helps before someone looks.
    (directory / AUDIO_FILE / "x").mkdir(parents=True)
    alarms = Alarms("sealer", utc_now, host="recorder-1")
    async with _sealing(archive, settings, alarms) as sealer:
        await _until(lambda: CALL_STUCK in alarms.standing)
        assert [path.name for path in spool.waiting(settings.spool_dir)] == [str(damaged.recording_id)]
        async with archive.database.read() as session:
            assert [row.id for row in await session.scalars(select(Recording))] == [whole.recording_id]
        found = Setback.load(directory)
        assert found is not None
        assert (found.tries >= STUCK_AFTER, found.error) == (True, "IsADirectoryError: Is a directory")
        assert (sealer.figures()["closed"], sealer.figures()["stuck"]) == (1, 1)
        # Someone looks, repairs, and lets it be tried again without waiting.
        shutil.rmtree(directory / AUDIO_FILE)
        (directory / NOTE_FILE).unlink()
        await _until(lambda: not spool.waiting(settings.spool_dir) and not alarms.standing)
    assert await verify_recording(archive, damaged.recording_id) == []


async def test_another_version_of_the_program_tries_at_once(archive: Archive, settings: Settings) -> None:
    directory = settings.spool_dir / str(_closed_call(settings).recording_id)
    Setback(9, utc_now(), "Damaged", "huiyin of yesterday").save(directory)
    await _run_until_empty(archive, settings)


async def test_a_setback_outlives_a_restart(archive: Archive, settings: Settings) -> None:
    held_up, free = _closed_call(settings, "held up"), _closed_call(settings, "free")
    directory = settings.spool_dir / str(held_up.recording_id)
    Setback(STUCK_AFTER, utc_now() + timedelta(minutes=5), "Damaged", software_version()).save(directory)
    async with _sealing(archive, settings) as sealer:
        await _until(lambda: sealer.sealed == 1 and sealer.figures()["stuck"] == 1)
    async with archive.database.read() as session:
        assert [row.id for row in await session.scalars(select(Recording))] == [free.recording_id]


async def test_a_store_that_is_away_stops_the_line_and_counts_against_no_call(
    archive: Archive, settings: Settings
) -> None:
    calls = [_closed_call(settings, f"call {number}") for number in range(3 * CALLS_PER_LANE)]
    away = replace(archive, store=connect_store(f"s3://key:secret@127.0.0.1:{free_port()}/evidence?secure=false"))
    alarms = Alarms("sealer", utc_now)
    async with _sealing(away, settings, alarms):
        await _until(lambda: STORE_AWAY in alarms.standing)
    await away.store.close()
    assert len(spool.waiting(settings.spool_dir)) == len(calls)
    assert not list(settings.spool_dir.glob(f"*/{NOTE_FILE}"))
    await _run_until_empty(archive, replace(settings, assemblers=1))
    async with archive.database.read() as session:
        sealed = list(await session.scalars(select(Recording.id).order_by(Recording.sealed_at)))
    # Oldest first: a call is ahead only of those that are under way with it.
    assert len(sealed) == len(calls)
    assert all(sealed.index(facts.recording_id) > at - CALLS_PER_LANE for at, facts in enumerate(calls))


async def test_a_database_that_is_away_stops_the_line(archive: Archive, settings: Settings) -> None:
    facts = _closed_call(settings)
    directory = settings.spool_dir / str(facts.recording_id)
    nowhere = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none")
    alarms = Alarms("sealer", utc_now)
    async with _sealing(replace(archive, database=nowhere), settings, alarms):
        await _until(lambda: DATABASE_AWAY in alarms.standing)
    await nowhere.close()
    assert soundfile.info(directory / AUDIO_FILE).duration == 2.0
    assert not (directory / NOTE_FILE).exists()
    await _run_until_empty(archive, settings)
    async with archive.database.read() as session:
        assert await session.get(Recording, facts.recording_id) is not None


async def test_what_cannot_be_read_is_sealed_as_it_is(archive: Archive, settings: Settings) -> None:
    facts = _closed_call(settings)
    directory = settings.spool_dir / str(facts.recording_id)
    (directory / "1.rtpdump").write_bytes(b"no rtpdump at all")
    alarms = Alarms("sealer", utc_now)
    async with _sealing(archive, settings, alarms):
        await _until(lambda: SPOOL_DAMAGED in alarms.standing)
    async with archive.database.read() as session:
        recording = await session.get(Recording, facts.recording_id)
        [remains] = await session.scalars(select(StoredObject).where(StoredObject.kind == REMAINS))
        [kept] = await session.scalars(select(LedgerRow).where(LedgerRow.kind == "kept"))
    assert recording is not None
    assert "1: spool unreadable" in recording.flags
    assert recording.duration_ms == 2000, "what is readable is saved"
    assert remains.key.endswith("/remains/1.rtpdump")
    assert remains.lock_until >= recording.retain_until
    assert kept.subject == str(facts.recording_id)
    assert await read_object(archive, remains.id, actor="test", purpose="test") == b"no rtpdump at all"
    assert await verify_recording(archive, facts.recording_id) == []
    assert not directory.exists()


async def test_damage_in_the_middle_and_a_lost_end_cost_only_what_they_hit(
    archive: Archive, settings: Settings
) -> None:
    facts = _closed_call(settings)
    directory = settings.spool_dir / str(facts.recording_id)
    whole = (directory / "0.rtpdump").read_bytes()
    middle = len(whole) // 2
    damaged = {
        # A block that the disk gave back as noise, and a file whose last half second never reached the disk.
        "0.rtpdump": whole[:middle] + bytes(range(256)) * 2 + whole[middle + 512 :],
        "1.rtpdump": whole[: len(whole) * 3 // 4 + 7],
    }
    for name, content in damaged.items():
        (directory / name).write_bytes(content)
    await _run_until_empty(archive, settings)
    async with archive.database.read() as session:
        recording = await session.get(Recording, facts.recording_id)
        remains = {row.key.rpartition("/")[2]: row for row in await session.scalars(select(StoredObject))}
    assert recording is not None
    received = {stream["label"]: stream["received"] for stream in recording.facts["streams"]}
    assert 90 <= received["0"] < 100
    assert 70 <= received["1"] < 80
    assert recording.duration_ms == 2000
    assert {"0: spool damaged", "1: spool cut short"} <= set(recording.flags)
    for name, content in damaged.items():
        assert await read_object(archive, remains[name].id, actor="test", purpose="test") == content


async def test_calls_that_wait_too_long_are_an_alert(archive: Archive, settings: Settings) -> None:
    facts = _closed_call(settings)
    directory = settings.spool_dir / str(facts.recording_id)
    Setback(1, utc_now() + timedelta(minutes=5), "Damaged", software_version()).save(directory)
    alarms = Alarms("sealer", utc_now)
    closed = (directory / FACTS_FILE).stat().st_mtime
    os.utime(directory / FACTS_FILE, (closed - 60 * settings.backlog_alert_minutes,) * 2)
    async with _sealing(archive, settings, alarms):
        await _until(lambda: BACKLOG in alarms.standing)
        (directory / NOTE_FILE).unlink()
        await _until(lambda: not alarms.standing)


async def test_a_decoder_that_dies_costs_one_try_of_one_call(archive: Archive, settings: Settings) -> None:
    facts = _closed_call(settings)
    directory = settings.spool_dir / str(facts.recording_id)
    for stream in facts.streams:
        (directory / stream.file).unlink()
        write_spool(directory / stream.file, packets(tone(6 * 60_000)), started_at=STARTED)
    other = _closed_call(settings)
    async with _sealing(archive, replace(settings, assemblers=2)):
        # Its temporary file shows that the process is at work.
        await _until(lambda: any(path.name.startswith(AUDIO_FILE) for path in directory.iterdir()))
        for child in active_children():
            child.kill()
        await _until(lambda: Setback.load(directory) is not None)
        found = Setback.load(directory)
        assert found is not None
        assert found.error.startswith("the assembling process died over this call")
        await _until(lambda: not spool.waiting(settings.spool_dir))
    async with archive.database.read() as session:
        sealed = {row.id: row.duration_ms for row in await session.scalars(select(Recording))}
    assert sealed == {facts.recording_id: 6 * 60_000, other.recording_id: 2000}


async def test_a_full_spool_is_drained_all_the_same(archive: Archive, tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", 16) as disk:
            settings = replace(Settings(), data_dir=disk.path / "data")
            calls = [_closed_call(settings) for _ in range(3)]
            disk.fill(leave=0)
            await _run_until_empty(archive, settings)
    except Missing as reason:
        missing(reason)
    for facts in calls:
        assert await verify_recording(archive, facts.recording_id) == []


async def test_thousands_of_waiting_calls_are_read_once(tmp_path: Path) -> None:
    facts = replace(call("agent"), state=CLOSED)
    for _ in range(2_000):
        directory = tmp_path / str(new_id())
        directory.mkdir()
        replace(facts, recording_id=UUID(directory.name)).write_new(directory)
        CallFacts.put_new_in_place(directory)
    backlog = spool.Backlog(tmp_path)
    backlog.look()
    names = [waiting.directory.name for waiting in backlog.waiting]
    assert (len(names), names) == (2_000, sorted(names))
    # Nothing of them is read again: they could not be.
    for name in names:
        (tmp_path / name / FACTS_FILE).unlink()
    (tmp_path / str(new_id())).mkdir()
    backlog.look()
    assert (backlog.closed, backlog.recording) == (2_000, 1)
