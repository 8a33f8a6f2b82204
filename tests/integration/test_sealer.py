"""The sealer on real spools: order, a damaged call, a store or a database that is away, and doing it twice."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import soundfile
from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from archive.connect import connect_store
from archive.house import Archive
from archive.retrieve import read_object
from archive.verify import verify_recording
from core.database import Database
from core.ids import new_id
from core.jobs import JobRow
from core.ledger import LedgerRow
from core.settings import Settings
from service import sealer, spool
from service.kinds import FIND_ORDER, TRANSCRIBE
from telephony.call import SIGNALLING_DIR, CallFacts, Party
from tests.servers import free_port
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


async def _run_until_empty(archive: Archive, settings: Settings) -> None:
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    done = asyncio.Event()
    task = asyncio.create_task(sealer.run(archive, settings, done.is_set))
    async with asyncio.timeout(60):
        while spool.waiting(settings.spool_dir) and not task.done():  # noqa: ASYNC110 - the spool has no events
            await asyncio.sleep(0.05)
    done.set()
    await task


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
    # A directory where the sealer must write its file: no retry helps before someone looks.
    (settings.spool_dir / str(damaged.recording_id) / sealer.AUDIO_FILE / "x").mkdir(parents=True)
    setbacks = sealer.Setbacks()
    for directory in spool.waiting(settings.spool_dir):
        await sealer.try_call(archive, settings, directory, setbacks)
    async with archive.database.read() as session:
        assert [row.id for row in await session.scalars(select(Recording))] == [whole.recording_id]
    assert [path.name for path in spool.waiting(settings.spool_dir)] == [str(damaged.recording_id)]
    assert setbacks.count == {str(damaged.recording_id): 1}


async def test_calls_wait_for_a_store_that_is_away(archive: Archive, settings: Settings) -> None:
    first, second = _closed_call(settings, "first"), _closed_call(settings, "second")
    away = replace(archive, store=connect_store(f"s3://key:secret@127.0.0.1:{free_port()}/evidence?secure=false"))
    setbacks = sealer.Setbacks()
    for directory in spool.waiting(settings.spool_dir):
        assert not await sealer.try_call(away, settings, directory, setbacks)
    await away.store.close()
    assert len(spool.waiting(settings.spool_dir)) == 2
    await _run_until_empty(archive, settings)
    async with archive.database.read() as session:
        sealed = list(await session.scalars(select(Recording.id).order_by(Recording.sealed_at)))
    assert sealed == [first.recording_id, second.recording_id], "oldest first"


async def test_calls_wait_for_a_database_that_is_away(archive: Archive, settings: Settings) -> None:
    facts = _closed_call(settings)
    nowhere = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none")
    [directory] = spool.waiting(settings.spool_dir)
    assert not await sealer.try_call(replace(archive, database=nowhere), settings, directory, sealer.Setbacks())
    await nowhere.close()
    assert soundfile.info(directory / sealer.AUDIO_FILE).duration == 2.0
    await _run_until_empty(archive, settings)
    async with archive.database.read() as session:
        assert await session.get(Recording, facts.recording_id) is not None


def test_setbacks_wait_longer_each_time() -> None:
    setbacks = sealer.Setbacks()
    name = str(UUID(int=1))
    assert setbacks.ready(name, 0.0)
    waits = [setbacks.add(name, 100.0) for _ in range(9)]
    assert waits[:3] == [2.0, 4.0, 8.0]
    assert waits[-1] == sealer.LONGEST_RETRY_SECONDS
    assert not setbacks.ready(name, 100.0)
    setbacks.clear(name)
    assert setbacks.ready(name, 100.0)
