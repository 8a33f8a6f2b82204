"""Whatever is changed behind our back is named."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from archive.catalogue import Recording, StoredObject
from archive.house import Archive
from archive.seal import seal_recording, seal_transcript
from archive.store import ObjectStore
from archive.verify import verify_recording
from core.clock import utc_now
from core.database import Database
from core.errors import NotFound
from core.ids import new_id
from tests.integration.test_retrieve import damage
from tests.samples import RETAIN_UNTIL, new_recording, new_turns, write_audio

DAY = timedelta(days=1)


async def kept(archive: Archive, tmp_path: Path) -> Recording:
    """A recording with its text."""
    audio = write_audio(tmp_path / "call.flac")
    row = await seal_recording(archive, new_recording(), audio, retain_until=RETAIN_UNTIL)
    await seal_transcript(
        archive, row.id, {}, new_turns(), author="system", reason="", retain_until=RETAIN_UNTIL, expected_version=0
    )
    return row


async def faults(archive: Archive, row: Recording) -> list[str]:
    return [fault.what.rpartition("/")[2] for fault in await verify_recording(archive, row.id)]


def place(tmp_path: Path, name: str) -> Path:
    return next((tmp_path / "store").rglob(f"{name}/@*"))


async def test_what_is_whole_has_no_fault(database: Database, any_store: ObjectStore, tmp_path: Path) -> None:
    archive = Archive(database, any_store, utc_now)
    row = await kept(archive, tmp_path)
    assert await verify_recording(archive, row.id) == []
    with pytest.raises(NotFound):
        await verify_recording(archive, new_id())


@pytest.mark.parametrize("name", ["audio.flac", "metadata.json", "transcript.v1.json"])
async def test_altered_bytes_are_found(archive: Archive, tmp_path: Path, name: str) -> None:
    row = await kept(archive, tmp_path)
    damage(place(tmp_path, name) / "data")
    assert await faults(archive, row) == [f"{name}: altered"]


async def test_a_missing_object_is_found(archive: Archive, tmp_path: Path) -> None:
    row = await kept(archive, tmp_path)
    place(tmp_path, "audio.flac").rename(tmp_path / "taken")
    assert await faults(archive, row) == ["audio.flac: missing"]


async def test_a_lock_that_was_shortened_or_removed_is_found(archive: Archive, tmp_path: Path) -> None:
    row = await kept(archive, tmp_path)
    for name, date in (("audio.flac", (RETAIN_UNTIL - DAY).isoformat()), ("metadata.json", None)):
        path = place(tmp_path, name) / "lock.json"
        facts = json.loads(path.read_text())
        path.chmod(0o644)
        path.write_text(json.dumps({**facts, "lock_until": date}))
    assert sorted(await faults(archive, row)) == ["audio.flac: lock too short", "metadata.json: unlocked"]


async def test_a_hold_that_was_lifted_is_found(archive: Archive, tmp_path: Path) -> None:
    row = await kept(archive, tmp_path)
    async with archive.database.write() as session:
        await session.execute(update(Recording).values(held=True))
    assert all(what.endswith("not held") for what in await faults(archive, row))


async def test_an_extra_version_is_found(archive: Archive, tmp_path: Path) -> None:
    row = await kept(archive, tmp_path)
    key = f"recordings/2026/11/20/{row.id}/metadata.json"
    await archive.store.put(key, b"x", sha256=hashlib.sha256(b"x").hexdigest(), lock_until=RETAIN_UNTIL)
    assert await faults(archive, row) == ["metadata.json: extra version"]


async def test_a_row_removed_from_the_catalogue_is_found(archive: Archive, tmp_path: Path) -> None:
    row = await kept(archive, tmp_path)
    async with archive.database.write() as session:
        await session.execute(delete(StoredObject).where(StoredObject.kind == "transcript"))
    assert await faults(archive, row) == [
        "transcript.v1.json: not in the catalogue",
    ]


async def test_a_catalogue_that_was_rewritten_is_found(archive: Archive, tmp_path: Path) -> None:
    row = await kept(archive, tmp_path)
    async with archive.database.write() as session:
        audio = (await session.scalars(select(StoredObject).where(StoredObject.kind == "audio"))).one()
        audio.sha256 = "0" * 64
    assert await faults(archive, row) == ["audio.flac: catalogue and ledger disagree"]


async def test_swapped_objects_are_found(archive: Archive, tmp_path: Path) -> None:
    first, second = await kept(archive, tmp_path), await kept(archive, tmp_path)
    async with archive.database.write() as session:
        facts = {
            stored.recording_id: stored
            for stored in await session.scalars(select(StoredObject).where(StoredObject.kind == "metadata"))
        }
        facts[first.id].recording_id, facts[second.id].recording_id = second.id, first.id
    assert "metadata.json: belongs to another recording" in await faults(archive, first)
