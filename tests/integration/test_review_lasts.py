"""What a review leaves: comments outlive the database, and everything goes with its recording."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from archive.comments import Comment, add_comment, comments_of
from archive.corrections import Correction, correct_transcript, text_versions
from archive.drafts import Draft, ListeningPlace, note_place, write_draft
from archive.heads import sign_head
from archive.peaks import Waveform
from archive.shares import Share, make_share
from archive.verify import verify_recording
from archive.waveforms import peaks_of
from core.database import Database
from core.errors import NotFound
from core.note import SigningKey
from retention.disposal import approve, confirm, propose
from retention.execution import execute
from service.rebuild import rebuild
from tests.integration.kept import NOON, SETTINGS, House
from tests.wiped import wipe

KEY = SigningKey.generate("huiyin.example/ledger")
LEFT = (Waveform, Draft, ListeningPlace, Comment, Share)


async def _reviewed(house: House) -> UUID:
    """A recording that was corrected, commented, drafted upon, listened to and shared."""
    recording, archive = await house.seal(), house.archive
    await correct_transcript(
        archive,
        Correction(recording.id, {0: "问题已经解决了，我非常满意。"}, "li", "听录音核对", 1),
        retain_until=recording.retain_until,
    )
    await add_comment(archive, recording.id, at_ms=1500, text="语气平和", by="li")
    async with archive.database.write() as session:
        await write_draft(session, "li", recording.id, {0: "x"}, base_version=2, reason="", now=NOON)
        await note_place(session, "li", recording.id, 700, NOON)
        await make_share(session, recording.id, purpose="复核", lasts=timedelta(hours=1), by="wang", now=NOON)
    return recording.id


async def _counts(house: House) -> list[int]:
    async with house.archive.database.read() as session:
        return [await session.scalar(select(func.count()).select_from(table)) or 0 for table in LEFT]


async def test_everything_goes_with_the_recording(house: House) -> None:
    recording, other = await _reviewed(house), await _reviewed(house)
    assert await _counts(house) == [2, 2, 2, 2, 2]
    house.clock.now = NOON + timedelta(days=800)
    async with house.archive.database.write() as session:
        row = await propose(session, SETTINGS, recording, by="anna", reason="保存期满", now=house.clock.now)
        await approve(session, row.id, by="bo", now=house.clock.now)
        await confirm(session, row.id, by="anna", now=house.clock.now)
    await execute(house.archive, SETTINGS, row.id, now=house.clock.now)
    assert await _counts(house) == [1, 1, 1, 1, 1]
    left = [version.key async for version in house.archive.store.list_versions("recordings/")]
    assert left
    assert not [key for key in left if str(recording) in key]
    assert await verify_recording(house.archive, other) == []
    # Whoever comes late with a page that is still open makes no outline of what is gone.
    with pytest.raises(NotFound):
        await peaks_of(house.archive, recording)


async def test_two_processes_that_correct_at_once_leave_nothing_unnamed(house: House) -> None:
    """Each has its own connections, as two web processes have: one is refused, before it puts an object."""
    recording, url = await house.seal(), house.archive.database.url
    others = [Database(url.render_as_string(hide_password=False)) for _ in range(4)]
    corrections = [
        correct_transcript(
            replace(house.archive, database=database),
            Correction(recording.id, {0: f"第{number}人听到的"}, f"agent{number}", "听录音核对", 1),
            retain_until=recording.retain_until,
        )
        for number, database in enumerate(others)
    ]
    results = await asyncio.gather(*corrections, return_exceptions=True)
    for database in others:
        await database.close()
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Conflict", "Conflict", "int"]
    sealed = [version.key async for version in house.archive.store.list_versions("recordings/")]
    assert sum(key.endswith("/transcript.v2.json") for key in sealed) == 1
    assert await verify_recording(house.archive, recording.id) == []


async def test_comments_and_versions_come_back_from_the_store(house: House) -> None:
    recording = await _reviewed(house)
    async with house.archive.database.read() as session:
        before = [(row.id, row.at_ms, row.text, row.by, row.at) for row in await comments_of(session, recording)]
    await sign_head(house.archive, KEY, retain_until=NOON + timedelta(days=800))
    await wipe(house.archive.database)
    state = await rebuild(house.archive, SETTINGS, [KEY.verifier], by="operator", tell=lambda _line: None)
    assert state.losses == []
    async with house.archive.database.read() as session:
        after = [(row.id, row.at_ms, row.text, row.by, row.at) for row in await comments_of(session, recording)]
    assert after == before
    assert [version.number for version in await text_versions(house.archive, recording)] == [1, 2]
    assert await verify_recording(house.archive, recording) == []
    await peaks_of(house.archive, recording)
    assert (await _counts(house))[0] == 1
