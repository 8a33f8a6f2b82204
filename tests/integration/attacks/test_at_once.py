"""Bad luck rather than bad will: a full disk while sealing, two sealers of one recording, a hold during a disposal."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from archive.catalogue import DISPOSED, KEPT, Recording
from archive.seal import seal_recording
from core.clock import utc_now
from core.errors import HuiyinError
from retention.disposal import approve, confirm, propose
from retention.execution import execute_confirmed
from retention.holds import HoldMember, place
from retention.membership import settle_holds
from retention.scope import Scope
from tests.attacked import SETTINGS, House
from tests.full_disk import files_of_at_most
from tests.locks import short_lock
from tests.s3_relay import Answer, Forward, Request
from tests.samples import RETAIN_UNTIL, new_recording, write_audio
from tests.tampering import ServerVandal


async def test_a_full_disk_while_sealing_leaves_nothing_half_and_it_is_sealed_later(local_house: House) -> None:
    house, recording = local_house, new_recording()
    audio = write_audio(house.directory / "call.flac")
    with files_of_at_most(audio.stat().st_size - 1), pytest.raises((OSError, HuiyinError)):
        await seal_recording(house.archive, recording, audio, retain_until=RETAIN_UNTIL)
    await _sealed_later(house, recording.id, audio)


async def test_a_full_server_while_sealing_leaves_nothing_half_and_it_is_sealed_later(
    server_house: House,
) -> None:
    """The sound still found room, its facts do not: the server answers what SeaweedFS does without a free volume."""
    house, recording = server_house, new_recording()
    audio = write_audio(house.directory / "call.flac")
    assert isinstance(house.vandal, ServerVandal)
    honest = house.vandal.relay.fate

    def full(request: Request, forward: Forward) -> Answer:
        if request.method == "PUT" and request.path.endswith("/metadata.json"):
            return Answer(500, {"Content-Type": "application/xml"}, b"<Error><Code>InternalError</Code></Error>")
        return honest(request, forward)

    house.vandal.relay.fate = full
    with pytest.raises(HuiyinError):
        await seal_recording(house.archive, recording, audio, retain_until=RETAIN_UNTIL)
    house.vandal.relay.fate = honest
    await _sealed_later(house, recording.id, audio)


async def _sealed_later(house: House, identifier: UUID, audio: Path) -> None:
    async with house.archive.database.read() as session:
        assert await session.get(Recording, identifier) is None
    left = await house.kinds()
    assert all(fault.endswith("/audio.flac: extra version") for fault in left), "the sound may wait in the store"
    recording = new_recording(id=identifier)
    await seal_recording(house.archive, recording, audio, retain_until=RETAIN_UNTIL)
    assert await house.faults() == []


async def test_two_sealers_of_one_recording_leave_no_fault(house: House) -> None:
    recording, audio = new_recording(), write_audio(house.directory / "call.flac")
    rows = await asyncio.gather(
        *(seal_recording(house.archive, recording, audio, retain_until=RETAIN_UNTIL) for _ in range(4))
    )
    assert {row.id for row in rows} == {recording.id}
    assert await house.faults() == []


async def test_a_hold_placed_while_a_disposal_runs_holds_all_or_comes_too_late(house: House) -> None:
    """Whichever is first under the recording's lock wins as a whole; half a recording is never kept."""
    lock = await short_lock(house.archive.store)
    began, until = utc_now() - timedelta(days=1200), utc_now() + lock
    recordings = []
    for _ in range(4):
        recording, audio = new_recording(started_at=began), write_audio(house.directory / "old.flac")
        recordings.append(await seal_recording(house.archive, recording, audio, retain_until=until))
    await asyncio.sleep((recordings[-1].retain_until - utc_now()).total_seconds() + 1)  # the store's own clock decides
    async with house.archive.database.write() as session:
        for each in recordings:
            row = await propose(session, SETTINGS, each.id, by="anna", reason="保存期满", now=utc_now())
            await approve(session, row.id, by="bo", now=utc_now())
            await confirm(session, row.id, by="cai", now=utc_now())
    scope = Scope(recordings=tuple(each.id for each in recordings[:2]))

    async def hold() -> None:
        await place(house.archive, SETTINGS, name="甲", reason="乙", scope=scope, by="anna")
        await settle_holds(house.archive, SETTINGS)

    await asyncio.gather(hold(), execute_confirmed(house.archive, SETTINGS, now=utc_now()))
    async with house.archive.database.read() as session:
        lives = {each.id: (await session.get_one(Recording, each.id)).life for each in recordings}
        states = {each.recording_id: each.state for each in await session.scalars(select(HoldMember))}
    assert [lives[each.id] for each in recordings[2:]] == [DISPOSED, DISPOSED]
    for each in recordings[:2]:
        assert (lives[each.id], states.get(each.id)) in (
            (KEPT, "held"),
            (DISPOSED, "too late"),
            (DISPOSED, None),  # gone before the case looked
        )
        found = [one async for one in house.archive.store.list_versions(f"recordings/{began:%Y/%m/%d}/{each.id}/")]
        assert [one.held for one in found] == ([True, True] if lives[each.id] == KEPT else [])
    assert await house.faults() == []
