"""Disposal on real databases and a real store: only after the date, by two people, to the last version."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject, TurnRow
from archive.seal import lengthen
from archive.search import search
from archive.search_wanted import Wanted
from archive.store import Version
from core.errors import Conflict, NotFound, Refused
from core.ledger import LedgerRow, check
from retention.disposal import Disposal, approve, confirm, propose, withdraw
from retention.execution import begin_deletion, execute, plan_deletion
from retention.nightly import run_nightly
from tests.integration.kept import NOON, SETTINGS, House
from workorders.linking import link_by_person

EMPTY_JSON = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # SHA-256 of {}


async def decide(house: House, recording: Recording) -> UUID:
    """A confirmed disposal, by three people."""
    now = house.clock.now
    async with house.archive.database.write() as session:
        row = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=now)
        await approve(session, row.id, by="bo", now=now)
        await confirm(session, row.id, by="anna", now=now)
        return row.id


async def versions(house: House, prefix: str = "recordings/") -> list[Version]:
    return [version async for version in house.archive.store.list_versions(prefix)]


async def test_nobody_can_propose_before_the_date(house: House) -> None:
    recording = await house.seal()
    async with house.archive.database.write() as session:
        with pytest.raises(Refused, match="未到保存期限") as refusal:
            await propose(session, SETTINGS, recording.id, by="anna", reason="腾空间", now=house.clock.now)
    assert refusal.value.facts["until"] == "2028-11-22T16:00:00+00:00"


async def test_the_store_refuses_and_a_pretended_time_does_not_help(house: House) -> None:
    recording = await house.seal()
    later = house.clock.now + timedelta(days=800)
    async with house.archive.database.write() as session:
        row = await propose(session, SETTINGS, recording.id, by="anna", reason="试", now=later)
        await approve(session, row.id, by="bo", now=later)
        await confirm(session, row.id, by="cai", now=later)
        identifier = row.id
    before = await versions(house)
    with pytest.raises(Refused, match="未到保存期限"):
        await execute(house.archive, SETTINGS, identifier, now=later)
    with pytest.raises(Refused):
        await house.archive.store.delete_version(before[0].key, before[0].version_id)
    assert await versions(house) == before
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert result.disposed == ()
    assert [fault.kind for fault in result.faults] == ["disposal"]
    assert await versions(house) == before


async def test_a_disposal_needs_two_people(house: House) -> None:
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    now = house.clock.now
    async with house.archive.database.write() as session:
        row = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=now)
        identifier = row.id
        for nobody in ("anna", "system", " "):
            with pytest.raises(Refused):
                await approve(session, identifier, by=nobody, now=now)
        with pytest.raises(Conflict):
            await confirm(session, identifier, by="bo", now=now)
        await approve(session, identifier, by="bo", now=now)
        with pytest.raises(Refused, match="另一人"):
            await confirm(session, identifier, by="bo", now=now)
        with pytest.raises(Conflict, match="already open"):
            await propose(session, SETTINGS, recording.id, by="cai", reason="再来", now=now)
    with pytest.raises(Refused, match="两人"):
        await execute(house.archive, SETTINGS, identifier, now=now)
    assert len(await versions(house)) == 3


async def test_what_was_decided_is_deleted_to_the_last_version(house: House) -> None:
    recording = await house.seal()
    other = await house.seal()
    await house.order("G-1")
    await link_by_person(house.archive, recording.id, "G-1", by="li")
    prefix = f"recordings/2026/11/22/{recording.id}/"
    audio = next(version for version in await versions(house, prefix) if version.key.endswith("audio.flac"))
    # A version that the catalogue does not know, as an interrupted sealing may leave.
    await house.archive.store.put(
        f"{prefix}metadata.json", b"{}", sha256=EMPTY_JSON, lock_until=NOON + timedelta(days=700)
    )
    house.clock.now = NOON + timedelta(days=800)
    identifier = await decide(house, recording)
    certificate = await execute(house.archive, SETTINGS, identifier, now=house.clock.now)

    assert await versions(house, prefix) == []
    assert await versions(house, "work-orders/") == []
    assert len(await versions(house)) == 3
    with pytest.raises(NotFound):
        await house.archive.store.head(audio.key, audio.version_id)
    async with house.archive.database.read() as session:
        row = await session.get_one(Recording, recording.id)
        assert (row.life, row.disposed_at, row.citizen_number, row.citizen_name, row.facts) == (
            *("disposed", house.clock.now, "", ""),
            {},
        )
        counted = select(TurnRow.recording_id, func.count()).group_by(TurnRow.recording_id)
        assert (await session.execute(counted)).all() == [(other.id, 1)]
        assert {call.recording_id for call in (await search(session, Wanted("解决"))).calls} == {other.id}
        left = (await session.scalars(select(StoredObject).where(StoredObject.recording_id == recording.id))).all()
        assert [each.kind for each in left] == ["certificate"]
        kinds = await session.scalars(
            select(LedgerRow.kind).where(LedgerRow.subject == str(recording.id)).order_by(LedgerRow.seq)
        )
        assert list(kinds)[-4:] == ["disposal proposed", "disposal approved", "disposal confirmed", "disposed"]
        await check(session)
    content = b"".join([part async for part in house.archive.store.read(certificate.key, certificate.version_id)])
    said = json.loads(content)
    assert (said["proposed_by"], said["approved_by"], said["confirmed_by"]) == ("anna", "bo", "anna")
    assert said["reason"] == "保存期满"
    assert len(said["objects"]) == 5
    assert audio.sha256 in {each["sha256"] for each in said["objects"]}
    assert "2028年11月22日" in said["rule"]
    assert "13800000000" not in content.decode()
    assert certificate.lock_until > house.clock.now + timedelta(days=730)


@pytest.mark.parametrize("deleted", [0, 1, 3])
async def test_an_interrupted_disposal_is_finished_by_the_next_night(house: House, deleted: int) -> None:
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await decide(house, recording)
    # As after a crash: the plan was written down and some versions were deleted, nothing else.
    plan = await plan_deletion(house.archive, recording.id, house.clock.now)
    await begin_deletion(house.archive, SETTINGS, {identifier: plan}, house.clock.now)
    for item in plan[:deleted]:
        await house.archive.store.delete_version(item["key"], item["version_id"])
    async with house.archive.database.write() as session:
        with pytest.raises(Refused, match="不能撤回"):
            await withdraw(session, identifier, by="anna", now=house.clock.now)

    house.clock.now += timedelta(days=1)
    result = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert result.disposed == (str(recording.id),)
    assert await versions(house) == []
    async with house.archive.database.read() as session:
        row = await session.get_one(Disposal, identifier)
        assert row.state == "done"
        certificates = await session.scalars(select(StoredObject).where(StoredObject.kind == "certificate"))
        assert [each.id for each in certificates] == [row.certificate]
    again = await run_nightly(house.archive, SETTINGS, now=house.clock.now)
    assert again.disposed == ()
    assert again.faults == ()


async def test_a_hold_that_comes_after_the_decision_still_holds(house: House) -> None:
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await decide(house, recording)
    async with house.archive.database.write() as session:
        (await session.get_one(Recording, recording.id)).held = True
    with pytest.raises(Refused, match="保全"):
        await execute(house.archive, SETTINGS, identifier, now=house.clock.now)
    assert len(await versions(house)) == 3


async def test_a_date_that_was_lengthened_once_stands_whatever_the_rule_says_now(house: House) -> None:
    recording = await house.seal()
    kept = NOON + timedelta(days=1000)
    await lengthen(house.archive, recording.id, kept, why="kept at review", actor="anna")
    house.clock.now = kept - timedelta(seconds=1)
    async with house.archive.database.write() as session:
        with pytest.raises(Refused, match="未到保存期限") as refusal:
            await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=house.clock.now)
    assert refusal.value.facts["until"] == kept.isoformat()


async def test_a_hold_that_only_the_store_knows_stops_a_disposal_before_anything_is_deleted(house: House) -> None:
    """As after restoring a database from before the hold."""
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await decide(house, recording)
    there = await versions(house)
    await house.archive.store.hold(there[-1].key, there[-1].version_id, True)
    with pytest.raises(Refused, match="a hold forbids deletion"):
        await execute(house.archive, SETTINGS, identifier, now=house.clock.now)
    assert {each.version_id for each in await versions(house)} == {each.version_id for each in there}
    async with house.archive.database.read() as session:
        assert (await session.get_one(Disposal, identifier)).state == "confirmed"


async def test_what_is_withdrawn_between_looking_and_deleting_is_not_deleted(house: House) -> None:
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await decide(house, recording)
    plan = await plan_deletion(house.archive, recording.id, house.clock.now)
    async with house.archive.database.write() as session:
        await withdraw(session, identifier, by="bo", now=house.clock.now)
    begun, ((who, error),) = await begin_deletion(house.archive, SETTINGS, {identifier: plan}, house.clock.now)
    assert (begun, who, type(error)) == ([], recording.id, Refused)
    assert len(await versions(house)) == 3


async def test_what_appeared_after_the_plan_goes_with_it_and_is_certified(house: House) -> None:
    """An interrupted sealing may end between the plan and the deletion: nothing of the recording may stay."""
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await decide(house, recording)
    plan = await plan_deletion(house.archive, recording.id, house.clock.now)
    await begin_deletion(house.archive, SETTINGS, {identifier: plan}, house.clock.now)
    late = await house.archive.store.put(
        f"recordings/2026/11/22/{recording.id}/remains/1.rtpdump",
        b"{}",
        sha256=EMPTY_JSON,
        lock_until=house.clock.now + timedelta(seconds=1),
    )
    house.clock.now += timedelta(days=1)
    certificate = await execute(house.archive, SETTINGS, identifier, now=house.clock.now)
    assert await versions(house) == []
    content = b"".join([part async for part in house.archive.store.read(certificate.key, certificate.version_id)])
    assert late.version_id in {each["version_id"] for each in json.loads(content)["objects"]}


async def test_a_withdrawn_disposal_can_be_proposed_anew(house: House) -> None:
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    now = house.clock.now
    async with house.archive.database.write() as session:
        first = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=now)
        await withdraw(session, first.id, by="bo", now=now)
        second = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=now)
        assert second.id != first.id
    with pytest.raises(NotFound):
        async with house.archive.database.write() as session:
            await approve(session, recording.id, by="bo", now=now)
