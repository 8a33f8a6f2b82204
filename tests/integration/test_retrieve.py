"""Reading evidence is written down first, and only what was sealed is ever shown."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from archive.catalogue import Recording, StoredObject
from archive.house import Archive
from archive.retrieve import fetch_audio, open_audio, read_object
from archive.seal import seal_recording
from archive.store import ObjectStore
from core import ledger
from core.clock import utc_now
from core.database import Database
from core.errors import Damaged, NotFound, Unavailable
from core.ids import new_id
from tests.samples import RETAIN_UNTIL, new_recording, write_audio


@pytest.fixture
def archive(database: Database, any_store: ObjectStore) -> Archive:
    return Archive(database, any_store, utc_now)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return write_audio(tmp_path / "call.flac")


async def sealed(archive: Archive, audio: Path) -> Recording:
    return await seal_recording(archive, new_recording(), audio, retain_until=RETAIN_UNTIL)


async def reads(archive: Archive) -> list[tuple[str, str, str]]:
    async with archive.database.read() as session:
        leaves = await session.scalars(select(ledger.LedgerRow.leaf).where(ledger.LedgerRow.kind == "read"))
        return [(leaf["actor"], leaf["subject"], leaf["facts"]["purpose"]) for leaf in map(json.loads, leaves)]


def damage(path: Path) -> None:
    """Change one bit of a stored file, as only the machine's administrator can."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


async def test_audio_is_what_was_sealed_and_the_reading_is_known(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    for _ in range(2):
        opened = await open_audio(archive, row.id, actor="auditor1", purpose="complaint")
        assert opened.path.read_bytes() == audio.read_bytes()
        assert (opened.size, opened.media_type) == (audio.stat().st_size, "audio/flac")
    assert await reads(archive) == [("auditor1", str(row.id), "complaint")] * 2


async def test_a_worker_gets_a_copy_of_its_own(archive: Archive, audio: Path, tmp_path: Path) -> None:
    row = await sealed(archive, audio)
    await fetch_audio(archive, row.id, tmp_path / "copy.flac")
    assert (tmp_path / "copy.flac").read_bytes() == audio.read_bytes()
    assert await reads(archive) == [("system", str(row.id), "transcription")]
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.flac"]


async def test_any_object_can_be_read(archive: Archive, audio: Path) -> None:
    row = await sealed(archive, audio)
    async with archive.database.read() as session:
        stored = (await session.scalars(select(StoredObject).where(StoredObject.kind == "metadata"))).one()
    content = await read_object(archive, stored.id, actor="auditor1", purpose="check")
    assert json.loads(content)["recording"]["id"] == str(row.id)
    with pytest.raises(NotFound):
        await read_object(archive, new_id(), actor="auditor1", purpose="check")


async def test_what_does_not_exist_is_not_read(archive: Archive) -> None:
    with pytest.raises(NotFound):
        await open_audio(archive, new_id(), actor="auditor1", purpose="check")
    assert await reads(archive) == []


async def test_altered_audio_is_not_shown(
    sqlite_database: Database, store: ObjectStore, audio: Path, tmp_path: Path
) -> None:
    archive = Archive(sqlite_database, store, utc_now)
    row = await sealed(archive, audio)
    damage(next((tmp_path / "store").rglob("audio.flac/@*/data")))
    with pytest.raises(Damaged) as caught:
        await open_audio(archive, row.id, actor="auditor1", purpose="check")
    assert caught.value.facts["expected_sha256"] != caught.value.facts["found_sha256"]
    with pytest.raises(Damaged):
        await fetch_audio(archive, row.id, tmp_path / "copy.flac")
    assert not (tmp_path / "copy.flac").exists()
    assert len(await reads(archive)) == 2  # the attempts are known all the same


async def test_shortened_audio_is_not_shown(
    sqlite_database: Database, store: ObjectStore, audio: Path, tmp_path: Path
) -> None:
    archive = Archive(sqlite_database, store, utc_now)
    row = await sealed(archive, audio)
    data = next((tmp_path / "store").rglob("audio.flac/@*/data"))
    data.chmod(0o644)
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(Damaged, match="wrong length"):
        await open_audio(archive, row.id, actor="auditor1", purpose="check")


async def test_a_store_that_is_away_is_unavailable(
    sqlite_database: Database, store: ObjectStore, audio: Path, tmp_path: Path
) -> None:
    archive = Archive(sqlite_database, store, utc_now)
    row = await sealed(archive, audio)
    (tmp_path / "store" / "objects").rename(tmp_path / "elsewhere")
    with pytest.raises((NotFound, Unavailable)):
        await open_audio(archive, row.id, actor="auditor1", purpose="check")
