"""Redacted copies over time: made once, back with a rebuild, locked with their recording and gone with it."""

import asyncio
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from archive.heads import sign_head
from archive.redaction import Pick
from archive.redaction_copies import Redaction, ask_redaction, make_redaction, redactions_of
from archive.seal import NewTurn, lengthen, seal_recording, seal_transcript
from archive.shares import Share, make_share
from archive.verify import verify_recording
from core.note import SigningKey
from retention.disposal import approve, confirm, propose
from retention.execution import execute
from retention.handover.scope import Scope
from retention.holds import place
from retention.membership import settle_holds
from retention.scope import Scope as Case
from service.rebuild import rebuild
from tests.bags import hand_over, verify
from tests.integration.kept import NOON, SETTINGS, House
from tests.web import new_recording, tones
from tests.wiped import wipe

KEY = SigningKey.generate("huiyin.example/ledger")
UNTIL = NOON + timedelta(days=740)


async def _told(house: House) -> UUID:
    """A recording with real sound and one sentence of personal data."""
    new = new_recording(NOON - timedelta(minutes=10))
    await seal_recording(house.archive, new, tones(house.directory / f"{new.id}.flac"), retain_until=UNTIL)
    turn = NewTurn(
        "citizen", 1000, 2000, "我叫赵测试。", 0.9, False, [[1000, 1600, "我叫", 0.9], [1600, 2000, "赵测试。", 0.9]]
    )
    told = {"author": "system", "reason": "first transcription", "retain_until": UNTIL, "expected_version": 0}
    await seal_transcript(house.archive, new.id, {}, [turn], **told)  # type: ignore[arg-type]
    return new.id


async def _copied(house: House, recording: UUID) -> UUID:
    row = await ask_redaction(
        house.archive,
        recording,
        [Pick(0, 2, 5)],
        base_version=1,
        reason="对外提供",
        lasts=timedelta(days=30),
        by="wang",
    )
    await make_redaction(house.archive, row.id)
    return row.id


async def _rows(house: House) -> list[dict[str, object]]:
    async with house.archive.database.read() as session:
        rows = await session.scalars(select(Redaction).order_by(Redaction.id))
        return [{column.name: getattr(row, column.name) for column in Redaction.__table__.c} for row in rows]


async def _derived(house: House) -> int:
    query = select(func.count()).select_from(StoredObject).where(StoredObject.kind == "derived")
    async with house.archive.database.read() as session:
        return await session.scalar(query) or 0


async def test_a_copy_is_made_once_and_is_locked_with_its_recording(house: House) -> None:
    recording = await _told(house)
    copy = await _copied(house, recording)
    await make_redaction(house.archive, copy)
    assert await _derived(house) == 2
    await lengthen(house.archive, recording, UNTIL + timedelta(days=30), why="contract", actor="system")
    assert await verify_recording(house.archive, recording) == []


async def test_a_hold_keeps_copies_that_were_there_and_those_that_come(house: House) -> None:
    recording = await _told(house)
    before = await _copied(house, recording)
    scope = Case((), (), None, None, (recording,))
    await place(house.archive, SETTINGS, name="复核", reason="审计抽查", scope=scope, by="anna")
    await settle_holds(house.archive, SETTINGS, only=[recording])
    after = await _copied(house, recording)
    held = {
        version.key.rpartition("/")[2].partition(".")[0]
        async for version in house.archive.store.list_versions("recordings/")
        if "/redactions/" in version.key and (await house.archive.store.head(version.key, version.version_id)).held
    }
    assert held == {str(before), str(after)}
    assert await verify_recording(house.archive, recording) == []


async def test_an_interrupted_making_is_finished_by_the_next(house: House) -> None:
    """The sound was sealed, and then the worker died."""
    recording = await _told(house)
    copy = await _copied(house, recording)
    async with house.archive.database.write() as session:
        row = await session.get_one(Redaction, copy)
        row.state, row.written, row.audio_sha256 = "asked", 0.0, ""
    await make_redaction(house.archive, copy)
    [made] = await _rows(house)
    assert (made["state"], made["written"], await _derived(house)) == ("done", 1.0, 2)
    assert await verify_recording(house.archive, recording) == []


async def test_a_rebuild_brings_copies_back(house: House) -> None:
    recording = await _told(house)
    await _copied(house, recording)
    await sign_head(house.archive, KEY, retain_until=UNTIL)
    before = await _rows(house)
    await wipe(house.archive.database)
    state = await rebuild(house.archive, SETTINGS, [KEY.verifier], by="operator", tell=lambda _line: None)
    assert state.losses == []
    assert await _rows(house) == before
    assert await verify_recording(house.archive, recording) == []


async def test_a_disposal_takes_the_copies_and_their_links(house: House) -> None:
    recording, other = await _told(house), await _told(house)
    for each in (recording, other):
        copy = await _copied(house, each)
        async with house.archive.database.write() as session:
            asked = {"purpose": "对外提供", "lasts": timedelta(hours=1), "by": "wang", "now": NOON}
            await make_share(session, each, redaction_id=copy, **asked)  # type: ignore[arg-type]
    waiting = await ask_redaction(
        house.archive, recording, [Pick(0)], base_version=1, reason="再做一份", lasts=timedelta(days=1), by="wang"
    )
    house.clock.now = NOON + timedelta(days=800)
    async with house.archive.database.write() as session:
        row = await propose(session, SETTINGS, recording, by="anna", reason="保存期满", now=house.clock.now)
        await approve(session, row.id, by="bo", now=house.clock.now)
        await confirm(session, row.id, by="anna", now=house.clock.now)
    await execute(house.archive, SETTINGS, row.id, now=house.clock.now)
    await make_redaction(house.archive, waiting.id)
    left = [version.key async for version in house.archive.store.list_versions("recordings/")]
    assert [key for key in left if "/redactions/" in key]
    assert not [key for key in left if str(recording) in key]
    async with house.archive.database.read() as session:
        assert await redactions_of(session, recording) == []
        assert len(await redactions_of(session, other)) == 1
        assert list(await session.scalars(select(Share.recording_id))) == [other]
        assert (await session.get_one(Recording, recording)).citizen_name == ""
    assert await verify_recording(house.archive, recording) == []
    assert await verify_recording(house.archive, other) == []


async def test_a_handover_holds_the_copies_too(house: House) -> None:
    recording = await _told(house)
    copy = await _copied(house, recording)
    made = await hand_over(house.archive, KEY, house.directory / "bag", Scope("all"))
    status, said = await asyncio.to_thread(verify, made.path, KEY.verifier)
    assert status == 0, said
    assert {path.name for path in made.path.rglob(f"{copy}.*")} == {f"{copy}.flac", f"{copy}.json"}
