"""The watched folder: what is taken, what waits, what is refused, and what whoever may write there can do."""

import asyncio
import json
import os
import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from api.intake import folder, quarantine
from api.intake.attempts import attempt
from archive.catalogue import Recording
from archive.house import Archive
from archive.store import ObjectStore
from core.clock import utc_now
from core.database import Database
from core.settings import Settings, load
from service.alarms import Alarms
from service.folder import WatchedFolder
from tests.conftest import missing
from tests.integration.test_api_upload import sound
from tests.servers import Missing
from tests.small_disk import small_disk

NAMED = "20261120-140000_gw7-000123_8001_13800000123"
STARTED = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


class Place:
    """A folder, and whoever watches it; time goes as the test says."""

    def __init__(self, archive: Archive, tmp_path: Path, **settings: Any) -> None:
        self.archive, self.path = archive, tmp_path / "incoming"
        self.path.mkdir(exist_ok=True)
        defaults: dict[str, Any] = {"data_dir": tmp_path, "spool_min_free_mb": 0}
        self.settings = Settings(**{**defaults, **settings})
        self.alarms = Alarms("intake", archive.clock, host="here")
        self.watched = WatchedFolder(archive, self.settings, self.path, self.alarms)
        self.at = 0.0

    def put(self, name: str, content: bytes) -> Path:
        file = self.path / name
        file.write_bytes(content)
        return file

    async def later(self, seconds: float = 10.0) -> None:
        """One look now, and one when whatever stood still has done so for long enough."""
        await self.watched.look(self.at, asyncio.Event())
        self.at += seconds
        await self.watched.look(self.at, asyncio.Event())

    def left(self) -> set[str]:
        return {entry.name for entry in self.path.iterdir()} - {"done"}

    def done(self) -> set[str]:
        return {entry.name for entry in self.path.glob("done/*/*")}

    def refused(self) -> list[quarantine.Quarantined]:
        return quarantine.listed(self.settings)

    async def recordings(self) -> list[Recording]:
        async with self.archive.database.read() as session:
            return list(await session.scalars(select(Recording).order_by(Recording.sip_call_id)))


@pytest.fixture
def place(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> Place:
    return Place(Archive(sqlite_database, store, utc_now), tmp_path)


async def test_a_file_is_taken_by_what_its_name_says(archive: Archive, tmp_path: Path) -> None:
    """On both databases."""
    place = Place(archive, tmp_path)
    place.put(f"{NAMED}.wav", sound())
    await place.later()
    (row,) = await place.recordings()
    assert (row.sip_call_id, row.started_at) == ("gw7-000123", STARTED)
    assert (row.agent_number, row.citizen_number) == ("8001", "13800000123")
    assert row.facts["upload"]["by"] == "folder"
    assert place.done() == {f"{NAMED}.wav"}
    assert not place.left()
    assert place.watched.figures()["files_taken"] == 1
    assert not list((tmp_path / "uploads").iterdir())
    assert not list((tmp_path / "attempts").iterdir())


@pytest.mark.parametrize("container", ["mp3", "ogg", "flac"])
async def test_each_format_with_a_side_file(place: Place, container: str) -> None:
    facts = {
        "call_id": "gw7-1",
        "started_at": "2026-11-20T14:00:00+08:00",
        "work_order": "GD-1",
        "agent_name": "李示例",
    }
    place.put(f"a {container}.{container.upper()}", sound(container.upper(), 1))
    place.put(f"a {container}.json", json.dumps(facts).encode())
    await place.later()
    (row,) = await place.recordings()
    assert (row.work_order, row.agent_name, row.started_at) == ("GD-1", "李示例", STARTED)
    assert place.done() == {f"a {container}.{container.upper()}", f"a {container}.json"}


async def test_a_csv_side_file_in_gb18030(place: Place) -> None:
    place.put("b.wav", sound())
    text = "call_id,started_at,citizen_name,work_order\r\ngw7-2,2026-11-20T14:00:00+08:00,王样本,\r\n"
    place.put("b.csv", text.encode("gb18030"))
    await place.later()
    (row,) = await place.recordings()
    assert (row.citizen_name, row.work_order) == ("王样本", "")


async def test_what_is_not_finished_is_left(place: Place) -> None:
    """Still growing, by its name, by its own header, or because somebody has it open."""
    content = sound()
    growing = place.put("20261120-140000_grows_1_2.wav", content[:-2000])
    place.put("20261120-140000_part_1_2.wav.part", content)
    place.put("20261120-140000_tmp_1_2.tmp", content)
    place.put(".20261120-140000_hidden_1_2.wav", content)
    place.put("20261120-140000_stream_1_2.wav", content[:4] + b"\xff\xff\xff\xff" + content[8:])
    place.put("20261120-140000_empty_1_2.wav", b"")
    everything = place.left()
    with place.put("20261120-140000_open_1_2.wav", content).open("r+b"):
        await place.later()
        assert place.left() == everything | {"20261120-140000_open_1_2.wav"}
    assert not await place.recordings()
    growing.write_bytes(content)
    await place.later()
    assert [row.sip_call_id for row in await place.recordings()] == ["grows", "open"]
    place.at += 700
    await place.later()
    assert [row.sip_call_id for row in await place.recordings()] == ["grows", "open", "stream"], "its writer is dead"
    assert [each.call_id for each in place.refused()] == ["empty"]
    assert all(name.endswith((".part", ".tmp")) or name.startswith(".") for name in place.left())


async def test_a_partial_file_that_is_renamed_is_taken(place: Place) -> None:
    part = place.put("call.part", sound())
    await place.later()
    part.rename(place.path / f"{NAMED}.wav")
    await place.watched.look(place.at, asyncio.Event())
    assert not await place.recordings(), "it is seen for the first time"
    await place.later()
    assert len(await place.recordings()) == 1


async def test_the_same_call_again_changes_nothing_and_other_bytes_are_kept_aside(place: Place) -> None:
    for _ in range(2):
        place.put(f"{NAMED}.wav", sound())
        await place.later()
    assert len(await place.recordings()) == 1
    assert len(place.done()) == 2, "neither file was overwritten"
    place.put(f"{NAMED}.wav", sound(pitch=500))
    await place.later()
    (refused,) = place.refused()
    assert "another recording" in refused.reason
    assert "quarantined" in place.alarms.standing
    assert not place.left()


async def test_what_cannot_be_decoded_is_quarantined_with_its_facts(place: Place) -> None:
    for number in (1, 2):
        place.put(f"20261120-140000_gw-{number}_8001_13800000123.wav", b"RIFF\x00\x01\x00\x00WAVE" + bytes(300))
    await place.later(700)
    found = place.refused()
    assert sorted(each.call_id for each in found) == ["gw-1", "gw-2"], "the same bytes, and both calls' facts"
    assert all((place.settings.quarantine / each.name / "file").stat().st_size == 312 for each in found)
    assert not place.left()
    assert place.watched.figures()["in_quarantine"] == 2


@pytest.mark.parametrize(
    ("side", "reason"),
    [
        (b"{", "side file"),
        (b'{"call_id": "x"}', "started_at"),
        (b'{"call_id": "x", "started_at": "2026-11-20T14:00:00"}', "started_at"),
        (b'{"call_id": "x\\u0000", "started_at": "2026-11-20T14:00:00Z"}', "call_id"),
        (b'{"call_id": "\\ud800", "started_at": "2026-11-20T14:00:00Z"}', "side file"),
        (b"[" * 60_000, "side file"),
        (b" " * 70_000, "longer than 64 KiB"),
    ],
)
async def test_facts_that_are_wrong_are_named_and_kept(place: Place, side: bytes, reason: str) -> None:
    place.put("c.wav", sound())
    place.put("c.json", side)
    await place.later()
    (refused,) = place.refused()
    assert reason in refused.reason
    assert not await place.recordings()
    assert not place.left()


async def test_without_facts_a_file_waits_and_is_told_of(place: Place) -> None:
    place.put("d.wav", sound())
    await place.later(5)
    assert place.left() == {"d.wav"}
    assert not list(place.alarms.standing)
    await place.later(700)
    assert list(place.alarms.standing) == ["intake_stuck"]
    place.put("d.json", b'{"call_id": "late", "started_at": "2026-11-20T14:00:00Z"}')
    await place.later()
    assert [row.sip_call_id for row in await place.recordings()] == ["late"]
    assert not list(place.alarms.standing)


async def test_a_name_pattern_of_ones_own(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> None:
    pattern = load({"HUIYIN_WATCH_NAMES": "rec_{any}_{call_id}_{citizen}_{date}_{time}"}).watch_names
    place = Place(Archive(sqlite_database, store, lambda: STARTED + timedelta(days=1)), tmp_path, watch_names=pattern)
    place.put("rec_trunk 7_a-1_13800000999_2026-11-20_14-00-00.wav", sound())
    place.put("rec_trunk 7_a-2_13800000999_2026-02-30_14-00-00.wav", sound())
    await place.later()
    (row,) = await place.recordings()
    assert (row.sip_call_id, row.citizen_number, row.started_at) == ("a-1", "13800000999", STARTED)
    assert "moment of the calendar" in place.refused()[0].reason


async def test_links_pipes_directories_and_odd_names_lead_nowhere(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(sound())
    (place.path / f"{NAMED}.wav").symlink_to(secret)
    os.mkfifo(place.path / "20261120-140000_pipe_1_2.wav")
    (place.path / "20261120-140000_directory_1_2.wav").mkdir()
    for name in (b"\xff\xfe_\xe5.wav", "换行\n符.wav".encode(), b"20261120-140000_..%2f..%2fx_1_2.wav", b"-rf.wav"):
        Path(os.fsdecode(bytes(place.path) + b"/" + name)).write_bytes(sound())
    side = b'{"call_id": "odd", "started_at": "2026-11-20T14:00:00Z"}'
    Path(os.fsdecode(bytes(place.path) + b"/\xff\xfe_\xe5.json")).write_bytes(side)
    await place.later()
    assert [row.sip_call_id for row in await place.recordings()] == ["..%2f..%2fx", "odd"]
    assert secret.exists()
    assert place.watched.figures()["files_ignored"] == 3
    assert not [key for key in (tmp_path / "store").rglob("*") if ".." in key.name]


async def test_a_link_in_the_place_of_done_moves_nothing(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (place.path / "done").symlink_to(elsewhere)
    place.put(f"{NAMED}.wav", sound())
    await place.later()
    assert len(await place.recordings()) == 1
    assert not list(elsewhere.iterdir())
    assert f"{NAMED}.wav" in place.left(), "it stays until it can be put away"
    (place.path / "done").unlink()
    await place.later()
    assert len(await place.recordings()) == 1
    assert place.done() == {f"{NAMED}.wav"}


async def test_a_file_that_changes_between_look_and_taking_is_not_taken(place: Place, tmp_path: Path) -> None:
    file = place.put(f"{NAMED}.wav", sound())
    seen = folder.look(place.path).sounds[0]
    file.write_bytes(sound(pitch=500))
    assert not folder.copy(place.path, seen, tmp_path / "copy")
    folder.put_away(place.path, seen, None)
    assert file.exists(), "what nobody has taken is not removed"


async def test_the_store_is_away_and_comes_back(place: Place, tmp_path: Path) -> None:
    place.put(f"{NAMED}.wav", sound())
    shutil.move(tmp_path / "store", tmp_path / "away")
    (tmp_path / "store").write_bytes(b"no directory")
    await place.later()
    assert f"{NAMED}.wav" in place.left()
    (tmp_path / "store").unlink()
    shutil.move(tmp_path / "away", tmp_path / "store")
    await place.later()
    assert len(await place.recordings()) == 1
    assert not place.left()


async def test_a_full_disk_loses_nothing(sqlite_database: Database, store: ObjectStore, tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "small", 4) as disk:
            place = Place(Archive(sqlite_database, store, utc_now), tmp_path, data_dir=tmp_path / "small")
            place.put(f"{NAMED}.wav", sound(seconds=20))
            place.put("20261120-150000_bad_1_2.wav", b"nothing")
            disk.fill(leave=64 * 1024)
            await place.later()
            assert place.left() == {f"{NAMED}.wav", "20261120-150000_bad_1_2.wav"}
            assert not await place.recordings()
            disk.empty()
            await place.later()
            await place.later()
            assert not place.left()
            assert len(await place.recordings()) == len(place.refused()) == 1
    except Missing as reason:
        missing(reason)


async def test_a_nearly_full_disk_is_kept_for_calls(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    place = Place(Archive(sqlite_database, store, lambda: STARTED), tmp_path, spool_min_free_mb=10_000_000)
    place.put(f"{NAMED}.wav", sound())
    await place.later()
    await place.later(700)
    assert place.left() == {f"{NAMED}.wav"}
    assert list(place.alarms.standing) == ["intake_stuck"]


async def test_a_file_that_ended_the_process_three_times_stops_nobody(place: Place) -> None:
    place.put(f"{NAMED}.wav", sound())
    place.put("20261120-150000_next_1_2.wav", sound())
    seen = next(each for each in folder.look(place.path).sounds if each.stem == NAMED)
    for number in (1, 2, 3):
        # A process that died inside the block would have left the note behind.
        with attempt(place.settings.data_dir / "attempts", seen) as count:
            assert count == number
            (note,) = (place.settings.data_dir / "attempts").iterdir()
            left = note.read_text()
        note.write_text(left)
    await place.later()
    assert [row.sip_call_id for row in await place.recordings()] == ["next"]
    assert "ended the process" in place.refused()[0].reason


async def test_what_is_too_large_is_left_and_told_of(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    place = Place(Archive(sqlite_database, store, lambda: STARTED), tmp_path, upload_max_mb=1)
    with place.put(f"{NAMED}.wav", sound()).open("r+b") as file:
        file.truncate(1 << 40)
    await place.later(700)
    await place.later()
    assert f"{NAMED}.wav" in place.left()
    assert list(place.alarms.standing) == ["intake_stuck"]


async def test_taken_files_go_when_their_days_are_over(place: Place) -> None:
    place.put(f"{NAMED}.wav", sound())
    await place.later()
    old = place.path / "done" / "2020-01-01"
    old.mkdir()
    (old / "x.wav").write_bytes(b"x")
    (place.path / "done" / "notes").mkdir()
    assert folder.clear_done(place.path, date(2020, 1, 2)) == 1
    assert not old.exists()
    assert place.done() == {f"{NAMED}.wav"}
    assert (place.path / "done" / "notes").exists(), "what we did not make we do not remove"


async def test_nothing_is_kept_where_that_is_asked(
    sqlite_database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    place = Place(Archive(sqlite_database, store, lambda: STARTED + timedelta(days=1)), tmp_path, watch_keep_days=0)
    place.put(f"{NAMED}.wav", sound())
    await place.later()
    assert len(await place.recordings()) == 1
    assert not list(place.path.iterdir())


async def test_two_watchers_take_each_file_once(place: Place) -> None:
    with folder.alone_in(place.path) as first, folder.alone_in(place.path) as second:
        assert (first, second) == (True, False)
    other = WatchedFolder(place.archive, place.settings, place.path, Alarms("intake", place.archive.clock))
    for number in range(6):
        place.put(f"20261120-14000{number}_c{number}_1_2.wav", sound(seconds=0.5))
    for at in (0.0, 10.0):
        # Even if the file system knew no locks.
        await asyncio.gather(*(each.look(at, asyncio.Event()) for each in (place.watched, other)))
    async with place.archive.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Recording)) == 6
    assert not place.refused()


async def test_a_folder_that_is_gone_is_told_of_and_watched_again(place: Place) -> None:
    place.path.rmdir()
    stopping = asyncio.Event()
    task = asyncio.create_task(place.watched.run(stopping))
    async with asyncio.timeout(240):
        while "watch_away" not in place.alarms.standing:
            await place.alarms.changed.wait()
            place.alarms.changed.clear()
        place.path.mkdir()
        while "watch_away" in place.alarms.standing:
            await place.alarms.changed.wait()
            place.alarms.changed.clear()
    stopping.set()
    await task


def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    if os.geteuid():
        missing(Missing("only root can become somebody else"))
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        shared = Path(name)
        shared.chmod(0o777)
        (shared / "a.wav").write_bytes(b"x")
        (shared / "a.wav").chmod(0)
        os.seteuid(65534)
        try:
            (seen,) = folder.look(shared).sounds
            with pytest.raises(PermissionError):
                folder.copy(shared, seen, shared / "copy")
        finally:
            os.seteuid(0)
