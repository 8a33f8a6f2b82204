"""Sealing leaves one row, one version of each object and one ledger line, wherever and however often it breaks off."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import SEALED, SIGNALLED, TEXT_DONE, Call, Recording, StoredObject, TurnRow
from archive.house import Archive
from archive.seal import NewRecording, hash_file, lengthen, seal_object, seal_recording, seal_transcript
from archive.search import search
from archive.search_index import indexed
from archive.search_wanted import Wanted
from archive.store import ObjectStore, Version
from core import jobs, ledger
from core.clock import utc_now
from core.database import Database
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from tests.samples import RETAIN_UNTIL, new_recording, new_turns, write_audio


@pytest.fixture
def archive(database: Database, store: ObjectStore) -> Archive:
    return Archive(database, store, utc_now)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return write_audio(tmp_path / "call.flac")


async def versions(archive: Archive, prefix: str = "") -> list[Version]:
    return [version async for version in archive.store.list_versions(prefix)]


async def ledger_kinds(archive: Archive) -> list[str]:
    async with archive.database.read() as session:
        await ledger.check(session)
        return list(await session.scalars(select(ledger.LedgerRow.kind).order_by(ledger.LedgerRow.seq)))


async def content_of(archive: Archive, version: Version) -> bytes:
    return b"".join([chunk async for chunk in archive.store.read(version.key, version.version_id)])


async def sealed(archive: Archive, audio: Path, recording: NewRecording | None = None) -> Recording:
    return await seal_recording(archive, recording or new_recording(), audio, retain_until=RETAIN_UNTIL)


async def test_a_recording_is_sealed_with_all_that_belongs_to_it(archive: Archive, audio: Path) -> None:
    recording = new_recording(work_order="20261120000001")

    async def then(session: AsyncSession) -> None:
        await jobs.enqueue(session, "transcribe", {"recording_id": str(recording.id)}, now=utc_now())

    row = await seal_recording(archive, recording, audio, retain_until=RETAIN_UNTIL, then=then)
    assert (row.id, row.text_state, row.retain_until) == (recording.id, "pending", RETAIN_UNTIL)
    prefix = f"recordings/2026/11/20/{recording.id}/"
    found = await versions(archive, prefix)
    assert [version.key.removeprefix(prefix) for version in found] == ["audio.flac", "metadata.json"]
    assert {version.lock_until for version in found} == {RETAIN_UNTIL}
    assert await content_of(archive, found[0]) == audio.read_bytes()
    metadata = json.loads(await content_of(archive, found[1]))
    assert metadata["objects"]["audio.flac"] == {"sha256": found[0].sha256, "size": found[0].size}
    assert metadata["recording"]["facts"]["streams"] == [{"label": "1", "packets": 9000, "lost": 0}]
    assert (metadata["format"], metadata["recording"]["work_order"]) == ("huiyin-recording/1", "20261120000001")
    async with archive.database.read() as session:
        call = await session.get(Call, recording.id)
        assert call is not None
        assert (call.state, call.ended_at) == (SEALED, recording.ended_at)
        assert await jobs.counts(session) == {("transcribe", "queued"): 1}
        leaf = json.loads((await session.scalars(select(ledger.LedgerRow.leaf))).one())
    assert (leaf["kind"], leaf["subject"]) == ("sealed", str(recording.id))
    assert [(o["key"], o["sha256"]) for o in leaf["facts"]["objects"]] == [(v.key, v.sha256) for v in found]
    assert "13000000001" not in json.dumps(leaf)


async def test_sealing_again_changes_nothing(archive: Archive, audio: Path) -> None:
    first = await sealed(archive, audio, recording := new_recording())
    again = await sealed(archive, audio, recording)
    assert (again.id, again.sealed_at) == (first.id, first.sealed_at)
    assert len(await versions(archive)) == 2
    assert await ledger_kinds(archive) == ["sealed"]


async def test_a_crash_before_the_commit_leaves_nothing_twice(archive: Archive, audio: Path) -> None:
    recording = new_recording()

    async def crash(session: AsyncSession) -> None:
        raise RuntimeError("power cut")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="power cut"):
            await seal_recording(archive, recording, audio, retain_until=RETAIN_UNTIL, then=crash)
    assert await ledger_kinds(archive) == []
    left = await versions(archive)
    await seal_recording(archive, recording, audio, retain_until=RETAIN_UNTIL + timedelta(days=1))
    assert [(v.key, v.version_id) for v in await versions(archive)] == [(v.key, v.version_id) for v in left]
    assert {version.lock_until for version in await versions(archive)} == {RETAIN_UNTIL + timedelta(days=1)}
    assert await ledger_kinds(archive) == ["sealed"]


async def test_two_sealers_of_one_recording_end_with_one_row(archive: Archive, audio: Path) -> None:
    recording = new_recording()
    rows = await asyncio.gather(*(sealed(archive, audio, recording) for _ in range(4)))
    assert {row.id for row in rows} == {recording.id}
    async with archive.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(StoredObject)) == 2
    assert await ledger_kinds(archive) == ["sealed"]


async def test_many_recordings_at_once_keep_the_ledger_whole(archive: Archive, audio: Path) -> None:
    await asyncio.gather(*(sealed(archive, audio) for _ in range(8)))
    assert await ledger_kinds(archive) == ["sealed"] * 8


async def test_a_signalled_call_becomes_sealed(archive: Archive, audio: Path) -> None:
    recording = new_recording()
    async with archive.database.write() as session:
        session.add(Call(id=recording.id, sip_call_id="x", state=SIGNALLED, started_at=recording.started_at))
    await sealed(archive, audio, recording)
    async with archive.database.read() as session:
        assert await session.scalar(select(Call.state)) == SEALED


async def transcribe(archive: Archive, row: Recording, version: int = 0, *texts: tuple[str, str]) -> int:
    return await seal_transcript(
        archive,
        row.id,
        {"engine": "test"},
        new_turns(*texts),
        author="system" if version == 0 else "auditor1",
        reason="",
        retain_until=RETAIN_UNTIL + timedelta(days=5),
        expected_version=version,
    )


async def test_text_is_sealed_and_lengthens_every_lock(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    assert await transcribe(archive, row) == 1
    found = await versions(archive)
    assert [version.key.rpartition("/")[2] for version in found] == [
        "audio.flac",
        "metadata.json",
        "transcript.v1.json",
    ]
    assert {version.lock_until for version in found} == {RETAIN_UNTIL + timedelta(days=5)}
    async with archive.database.read() as session:
        after = await session.get_one(Recording, row.id)
        assert (after.text_state, after.text_version, after.retain_until) == (
            TEXT_DONE,
            1,
            RETAIN_UNTIL + timedelta(days=5),
        )
        assert after.text_confidence == pytest.approx(0.9)
        assert after.text_final_at is not None
        locks = set(await session.scalars(select(StoredObject.lock_until)))
    assert locks == {RETAIN_UNTIL + timedelta(days=5)}
    assert await ledger_kinds(archive) == ["sealed", "transcribed"]


async def test_a_correction_is_a_new_version_that_names_what_it_replaces(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    await transcribe(archive, row)
    assert await transcribe(archive, row, 1, ("agent", "请问解决了没有"), ("citizen", "没有解决")) == 2
    first, second = [version for version in await versions(archive) if "transcript" in version.key]
    wrapped = json.loads(await content_of(archive, second))
    assert (wrapped["version"], wrapped["author"], wrapped["replaces_sha256"]) == (2, "auditor1", first.sha256)
    async with archive.database.read() as session:
        turns = list(await session.scalars(select(TurnRow.text).order_by(TurnRow.ordinal)))
        assert turns == ["请问解决了没有", "没有解决"]
        assert await indexed(session) == 1
        assert (await search(session, Wanted("满意"))).calls == ()
        assert [hit.ordinal for hit in (await search(session, Wanted("没有"))).hits] == [0, 1]
    assert await ledger_kinds(archive) == ["sealed", "transcribed", "corrected"]


async def test_a_stale_version_is_a_conflict(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    results = await asyncio.gather(
        *(transcribe(archive, row, 0, ("agent", f"第{n}次")) for n in range(3)), return_exceptions=True
    )
    assert sorted(str(type(result).__name__) for result in results) == ["Conflict", "Conflict", "int"]
    with pytest.raises(Conflict, match="moved on"):
        await transcribe(archive, row, 0)
    with pytest.raises(NotFound):
        await seal_transcript(
            archive, new_id(), {}, [], author="a", reason="", retain_until=RETAIN_UNTIL, expected_version=0
        )


async def test_any_object_can_be_sealed_once(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    seen = []

    async def then(session: AsyncSession, stored: StoredObject) -> None:
        seen.append(stored.id)

    async def seal() -> StoredObject:
        return await seal_object(
            archive,
            key="work-orders/1/link.json",
            kind="link",
            content=b"{}",
            retain_until=RETAIN_UNTIL,
            entry=ledger.Entry("linked", "system", str(row.id), {"work_order": "1"}),
            recording_id=row.id,
            then=then,
        )

    first, again = await seal(), await seal()
    assert first.id == again.id
    assert seen == [first.id]
    assert await ledger_kinds(archive) == ["sealed", "linked"]
    async with archive.database.read() as session:
        leaf = json.loads((await session.scalars(select(ledger.LedgerRow.leaf).where(ledger.LedgerRow.seq == 1))).one())
    assert leaf["facts"]["work_order"] == "1"
    assert leaf["facts"]["objects"][0]["sha256"] == first.sha256


async def test_what_joins_a_held_recording_is_held(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    async with archive.database.write() as session:
        (await session.get_one(Recording, row.id)).held = True
    await transcribe(archive, row)
    held = {version.key.rpartition("/")[2]: version.held for version in await versions(archive)}
    assert held["transcript.v1.json"]


async def test_locks_lengthen_and_never_shorten(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    later = RETAIN_UNTIL + timedelta(days=365)
    await lengthen(archive, row.id, later, why="contract", actor="auditor1")
    await lengthen(archive, row.id, RETAIN_UNTIL, why="a mistake", actor="auditor1")
    assert {version.lock_until for version in await versions(archive)} == {later}
    assert await ledger_kinds(archive) == ["sealed", "locked"]
    version = (await versions(archive))[0]
    with pytest.raises(Refused):
        await archive.store.delete_version(version.key, version.version_id)


async def test_sealing_works_over_s3(database: Database, s3_store: ObjectStore, audio: Path) -> None:
    archive = Archive(database, s3_store, utc_now)
    row = await sealed(archive, audio)
    await transcribe(archive, row)
    found = await versions(archive)
    assert (found[0].sha256, found[0].size) == hash_file(audio)
    assert {version.lock_until for version in found} == {RETAIN_UNTIL + timedelta(days=5)}
