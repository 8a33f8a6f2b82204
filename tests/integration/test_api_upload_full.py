"""A disk that is really full while something is uploaded: 507 with the remedy, nothing half left, and then it works."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.settings import Settings
from tests.conftest import missing
from tests.integration.test_api_upload import deliver, sound
from tests.servers import Missing
from tests.small_disk import SmallDisk, small_disk
from tests.web import serving


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        with small_disk(tmp_path / "small", 16) as found:
            yield found
    except Missing as reason:
        missing(reason)


def _noise(seconds: float) -> bytes:
    """What FLAC makes nothing of, and Vorbis much smaller."""
    target = io.BytesIO()
    noise = np.random.default_rng(7).uniform(-0.5, 0.5, (int(8000 * seconds), 2))
    soundfile.write(target, noise, 8000, format="OGG")
    return target.getvalue()


async def _left(database: Database) -> tuple[int, int]:
    async with database.read() as session:
        counted = [await session.scalar(select(func.count()).select_from(table)) for table in (Recording, StoredObject)]
    return counted[0] or 0, counted[1] or 0


async def test_the_data_directory_is_full(sqlite_database: Database, tmp_path: Path, disk: SmallDisk) -> None:
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    settings = Settings(data_dir=disk.path, spool_min_free_mb=0)
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path, settings) as web:
        before = await _left(sqlite_database)
        # The upload itself does not fit; then it does, and what it is decoded to does not.
        for room, content in ((100_000, sound(seconds=20)), (420_000, sound("OGG", seconds=90))):
            disk.fill(leave=room)
            answer = await deliver(web, content)
            assert answer.status == 507, await answer.text()
            assert "HUIYIN_DATA_DIR" in (await answer.json())["detail"]
            assert not list((disk.path / "uploads").iterdir())
            assert await _left(sqlite_database) == before
            disk.empty()
        disk.fill(leave=2000)
        answer = await deliver(web, b"this is no sound" * 1000)
        assert answer.status == 507
        disk.empty()
        assert not [each for each in (disk.path / "quarantine").glob("*/*") if each.name.endswith(".json")]
        assert (await deliver(web, sound(seconds=20))).status == 201
    await store.close()


async def test_the_store_is_full(sqlite_database: Database, tmp_path: Path, disk: SmallDisk) -> None:
    store = connect_store(f"file://{disk.path / 'store'}", clock=utc_now)
    await store.prepare()
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path) as web:
        before = await _left(sqlite_database)
        disk.fill(leave=50_000)
        answer = await deliver(web, sound(seconds=20))
        assert answer.status in (503, 507), await answer.text()
        assert await _left(sqlite_database) == before
        disk.empty()
        assert (await deliver(web, sound(seconds=20))).status == 201
    await store.close()


async def test_the_database_is_full(tmp_path: Path, disk: SmallDisk, sqlite_url: str) -> None:
    await (first := Database(sqlite_url)).close()
    moved = disk.path / "huiyin.db"
    moved.write_bytes(Path(str(first.url.database)).read_bytes())
    database = Database(f"sqlite+aiosqlite:///{moved}")
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    async with serving(Archive(database, store, utc_now), tmp_path) as web:
        before = await _left(database)
        await web.bearer("supervisor")
        disk.fill(leave=0)
        answer = await deliver(web, sound(seconds=20))
        assert answer.status == 507, await answer.text()
        assert await _left(database) == before
        disk.empty()
        assert (await deliver(web, sound(seconds=20))).status == 201
    await store.close()
    await database.close()


async def test_a_nearly_full_disk_is_kept_for_calls(sqlite_database: Database, tmp_path: Path, disk: SmallDisk) -> None:
    """Also when only this upload makes it so."""
    store = connect_store(f"file://{tmp_path / 'store'}", clock=utc_now)
    await store.prepare()
    settings = Settings(data_dir=disk.path, spool_min_free_mb=4)
    async with serving(Archive(sqlite_database, store, utc_now), tmp_path, settings) as web:
        disk.fill(leave=5 << 20)
        # A little that becomes much.
        answer = await deliver(web, _noise(seconds=150))
        assert answer.status == 503, await answer.text()
        assert not list((disk.path / "uploads").iterdir())
        disk.fill(leave=3 << 20)
        answer = await deliver(web, b"x")
        assert answer.status == 503
        assert "腾出空间" in (await answer.json())["detail"]
    await store.close()
