"""A fault that a night or a verification found in a recording is told on that recording's page, until it is mended."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from api.reading import ledger_rows
from api.shaping import ledger_view
from archive import layout
from archive.catalogue import StoredObject
from archive.fault_notes import KIND, note_faults, noted_in, standing
from archive.faults import ALTERED, MISSING, Fault
from archive.house import Archive
from archive.sample import verify_sample
from archive.survey import Progress
from core.database import Database
from service.verification import verify
from tests.web import Web, serving

WRONG = 'id="wrong"'


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One kind is enough: the statements are plain ones."""
    return sqlite_database


@pytest.fixture
async def web(archive: Archive, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(archive, tmp_path) as served:
        yield served


async def _sound(web: Web) -> tuple[str, Path]:
    """The key of the recording's sound, and its file."""
    query = select(StoredObject).where(StoredObject.recording_id == web.seeded.full, StoredObject.kind == layout.AUDIO)
    async with web.archive.database.read() as session:
        stored = (await session.scalars(query)).one()
    path = web.archive.store.local_path(stored.key, stored.version_id)
    assert path
    path.chmod(0o600)
    return stored.key, path


async def _noted(web: Web) -> list[list[tuple[str, str]]]:
    async with web.archive.database.read() as session:
        rows = await ledger_rows(session, subjects=[str(web.seeded.full)], limit=200)
    return [noted_in(ledger_view(row).facts) for row in rows if row.kind == KIND]


async def _page(web: Web, language: str = "zh") -> str:
    answer = await web.get(f"/recordings/{web.seeded.full}?lang={language}")
    assert answer.status == 200
    return (await answer.text()).partition('id="integrity"')[2].partition("</ul>\n  <h3>")[0]


async def _read_everything(web: Web) -> list[Fault]:
    """As a night does that has everything to read."""
    found = [fault async for fault in verify_sample(web.archive, 1000, Progress(), settle=0)]
    await note_faults(web.archive, found)
    return found


async def test_a_fault_is_told_until_the_object_is_found_right_again(web: Web) -> None:
    key, path = await _sound(web)
    assert await _read_everything(web) == []
    assert WRONG not in await _page(web)
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    for _ in range(2):
        assert [fault.subject for fault in await _read_everything(web)] == [key]
        assert await _noted(web) == [[(key, ALTERED)]], "the same once more adds nothing"
    said = await _page(web)
    assert WRONG in said
    assert "校验发现异常：内容被改动" in said
    assert "altered" in await _page(web, "en")
    path.write_bytes(whole)
    assert await _read_everything(web) == []
    assert WRONG not in await _page(web)
    path.write_bytes(whole[:-1])
    assert await _read_everything(web)
    assert len(await _noted(web)) == 2, "what breaks again is noted again"
    assert WRONG in await _page(web)


async def test_a_verification_by_hand_tells_it_too(web: Web) -> None:
    key, path = await _sound(web)
    path.write_bytes(path.read_bytes()[:-1])
    await verify(web.archive, [], on_progress=lambda _: None, recording_id=web.seeded.full, settle=0)
    assert {thing for noted in await _noted(web) for thing, _ in noted} == {key}
    assert WRONG in await _page(web)


async def test_what_has_no_object_is_listed_by_its_name(web: Web) -> None:
    prefix = (await _sound(web))[0].rpartition("/")[0]
    things = (f"recording {web.seeded.full}", f"{prefix}/lost.json", "heads/1.json", "recording of nobody")
    await note_faults(web.archive, [Fault(thing, MISSING, "it", "nothing") for thing in things])
    assert await _noted(web) == [[(thing, MISSING) for thing in things[:2]]]
    said = await _page(web)
    assert all(f"缺失</span> {thing}" in said for thing in things[:2])


def test_a_fault_stands_until_later_than_it_was_noted() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    noted = [("a", ALTERED), ("b", ALTERED), ("c", ALTERED)]
    verified = {"a": now, "b": now + timedelta(seconds=1)}
    assert standing(noted, now, verified) == [noted[0], noted[2]]
