"""Holds on real databases and a real store: every object, now and later, until the last case lets go."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from archive.catalogue import Recording, StoredObject
from archive.local import LocalStore
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.jobs import JobRow
from core.ledger import LedgerRow, check
from retention.batches import list_batch, list_eligible
from retention.disposal import approve, confirm, propose
from retention.execution import begin_deletion, execute, plan_deletion
from retention.holds import HoldCase, HoldMember, ask_release, confirm_release, place, withdraw_release
from retention.membership import Settled, settle_holds
from retention.scope import Scope
from service import worker
from service.pipeline import Context
from tests.integration.kept import NOON, SETTINGS, House
from transcription.engine import Transcriber
from workorders.linking import link_by_person

PERSON = "13800000000"  # the citizen of every recording of the house
DAY = NOON.astimezone(SETTINGS.timezone).date()


async def hold(house: House, scope: Scope, name: str = "投诉调查") -> HoldCase:
    case = await place(house.archive, SETTINGS, name=name, reason="审计要求保全", scope=scope, by="anna")
    await settle_holds(house.archive, SETTINGS)
    return case


async def release(house: House, case: HoldCase) -> Settled:
    await ask_release(house.archive, SETTINGS, case.id, by="anna", reason="调查结束")
    await confirm_release(house.archive, SETTINGS, case.id, by="bo")
    return await settle_holds(house.archive, SETTINGS)


async def held_in_store(house: House, recording_id: UUID) -> dict[str, bool]:
    async with house.archive.database.read() as session:
        rows = (await session.scalars(select(StoredObject).where(StoredObject.recording_id == recording_id))).all()
    heads = [await house.archive.store.head(row.key, row.version_id) for row in rows]
    return {row.kind: head.held for row, head in zip(rows, heads, strict=True)}


async def kinds(house: House, recording_id: UUID) -> list[str]:
    async with house.archive.database.read() as session:
        query = select(LedgerRow.kind).where(LedgerRow.subject == str(recording_id)).order_by(LedgerRow.seq)
        return list(await session.scalars(query))


async def confirmed_disposal(house: House, recording: Recording) -> UUID:
    async with house.archive.database.write() as session:
        row = await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=house.clock.now)
        await approve(session, row.id, by="bo", now=house.clock.now)
        await confirm(session, row.id, by="cai", now=house.clock.now)
        return row.id


def never() -> bool:
    return False


def context(house: House) -> Context:
    def none() -> Transcriber:
        raise AssertionError("no speech engine is needed")

    return Context(house.archive, SETTINGS, none)


async def work(house: House) -> dict[str, str]:
    """Let a worker do what waits; the newest job's state, by its kind."""
    await worker.run(context(house), never, until_idle=True)
    async with house.archive.database.read() as session:
        rows = await session.scalars(select(JobRow).order_by(JobRow.created_at))
        return {row.kind: row.state for row in rows}


async def test_every_object_is_held_and_nothing_disposes_of_it(house: House) -> None:
    recording, other = await house.seal(), await house.seal()
    await house.order("G-1")
    await link_by_person(house.archive, recording.id, "G-1", by="li")
    case = await hold(house, Scope(orders=("G-1",)))
    assert await held_in_store(house, recording.id) == dict.fromkeys(("audio", "metadata", "transcript", "link"), True)
    assert not any((await held_in_store(house, other.id)).values())
    house.clock.now = NOON + timedelta(days=800)
    async with house.archive.database.write() as session:
        assert await list_eligible(session, SETTINGS, house.clock.now) == (str(other.id),)
        with pytest.raises(Refused, match="保全"):
            await propose(session, SETTINGS, recording.id, by="anna", reason="保存期满", now=house.clock.now)
        stored = (await session.scalars(select(StoredObject).where(StoredObject.recording_id == recording.id))).all()
    for each in stored:
        with pytest.raises(Refused):
            await house.archive.store.delete_version(each.key, each.version_id)
    assert (await release(house, case)).let_go == 1
    assert not any((await held_in_store(house, recording.id)).values())
    async with house.archive.database.read() as session:
        assert set(await list_eligible(session, SETTINGS, house.clock.now)) == {str(recording.id), str(other.id)}
        await check(session)
    assert (await kinds(house, recording.id))[-2:] == ["held", "released"]


async def test_a_version_that_the_catalogue_does_not_know_is_held_too(house: House) -> None:
    recording = await house.seal(text=False)
    key = f"recordings/2026/11/22/{recording.id}/metadata.json"
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    stray = await house.archive.store.put(key, b"{}", sha256=digest, lock_until=NOON + timedelta(days=700))
    await hold(house, Scope(recordings=(recording.id,)))
    assert (await house.archive.store.head(key, stray.version_id)).held


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(orders=("G-1", "G-9")), "ab"),
        (Scope(persons=("+86 138-0000-0000",)), "ac"),
        (Scope(persons=("010-12345678",)), "b"),
        (Scope(persons=("8001",)), "abc"),
        (Scope(first=DAY - timedelta(days=3), last=DAY - timedelta(days=3)), "b"),
        (Scope(last=DAY - timedelta(days=4)), ""),
        (Scope(persons=(PERSON,), first=DAY), "a"),
        (Scope(persons=(PERSON,), orders=("G-1",)), "a"),
        (Scope(persons=("3800000000",)), ""),
        (Scope(persons=("10 1234 5678",)), ""),
    ],
)
async def test_what_a_scope_covers(house: House, scope: Scope, expected: str) -> None:
    a = await house.seal(text=False, work_order="G-1")
    earlier, number = NOON - timedelta(days=3), "+86 (10) 1234-5678"
    b = await house.seal(text=False, started_at=earlier, work_order="G-1", citizen_number=number)
    c = await house.seal(text=False, started_at=NOON - timedelta(days=2))
    case = await hold(house, scope)
    async with house.archive.database.read() as session:
        found = set(await session.scalars(select(HoldMember.recording_id).where(HoldMember.case_id == case.id)))
    assert found == {row.id for name, row in zip("abc", (a, b, c), strict=True) if name in expected}


async def test_listed_recordings_are_held_beside_what_the_other_criteria_find(house: House) -> None:
    one, other = await house.seal(text=False), await house.seal(text=False, started_at=NOON - timedelta(days=3))
    await hold(house, Scope(recordings=(other.id,), first=DAY))
    assert (await house.recording(one.id)).held
    assert (await house.recording(other.id)).held


async def test_what_joins_the_scope_later_is_held(house: House) -> None:
    await house.order("G-1")
    await hold(house, Scope(orders=("G-1",)), "甲")
    await hold(house, Scope(persons=(PERSON,), last=DAY + timedelta(days=1)), "乙")
    sealed_later = await house.seal()
    assert await settle_holds(house.archive, SETTINGS, only=[sealed_later.id]) == Settled(joined=1, held=1)
    assert all((await held_in_store(house, sealed_later.id)).values())
    # A link is sealed for what is held: it is held at once; and now the first case covers the recording too.
    await link_by_person(house.archive, sealed_later.id, "G-1", by="li")
    assert (await held_in_store(house, sealed_later.id))["link"]
    assert (await settle_holds(house.archive, SETTINGS, only=[sealed_later.id])).joined == 1
    house.clock.now += timedelta(days=2)
    later_still = await house.seal()
    assert await settle_holds(house.archive, SETTINGS) == Settled()
    await link_by_person(house.archive, later_still.id, "G-1", by="li")
    assert await settle_holds(house.archive, SETTINGS) == Settled(joined=1, held=1)
    assert await settle_holds(house.archive, SETTINGS) == Settled()


async def test_several_cases_hold_until_the_last_is_released(house: House) -> None:
    recording = await house.seal()
    first = await hold(house, Scope(persons=(PERSON,)), "甲")
    second = await hold(house, Scope(recordings=(recording.id,)), "乙")
    await release(house, first)
    assert (await house.recording(recording.id)).held
    assert all((await held_in_store(house, recording.id)).values())
    await release(house, second)
    assert not (await house.recording(recording.id)).held
    assert not any((await held_in_store(house, recording.id)).values())
    # A released case takes nothing in any more.
    newer = await house.seal()
    await settle_holds(house.archive, SETTINGS)
    assert not (await house.recording(newer.id)).held


async def test_a_release_needs_a_second_person(house: House) -> None:
    recording = await house.seal()
    case = await hold(house, Scope(recordings=(recording.id,)))
    now = house.clock.now
    with pytest.raises(Conflict):
        await confirm_release(house.archive, SETTINGS, case.id, by="bo")
    with pytest.raises(Refused, match="理由"):
        await ask_release(house.archive, SETTINGS, case.id, by="anna", reason=" ")
    await ask_release(house.archive, SETTINGS, case.id, by="anna", reason="调查结束")
    with pytest.raises(Conflict):
        await ask_release(house.archive, SETTINGS, case.id, by="bo", reason="调查结束")
    for nobody in ("anna", "system", ""):
        with pytest.raises(Refused):
            await confirm_release(house.archive, SETTINGS, case.id, by=nobody)
    await settle_holds(house.archive, SETTINGS)
    assert (await house.recording(recording.id)).held
    async with house.archive.database.write() as session:
        await withdraw_release(session, case.id, by="bo", now=now)
    with pytest.raises(Conflict):
        await confirm_release(house.archive, SETTINGS, case.id, by="bo")
    assert (await release(house, case)).let_go == 1
    with pytest.raises(Conflict):
        await confirm_release(house.archive, SETTINGS, case.id, by="cai")
    with pytest.raises(NotFound):
        await confirm_release(house.archive, SETTINGS, new_id(), by="cai")


@pytest.mark.parametrize(
    "scope",
    [Scope(), Scope(orders=(" ",)), Scope(persons=("",)), Scope(first=date(2026, 2, 1), last=date(2026, 1, 1))],
)
async def test_a_scope_that_says_nothing_is_refused(house: House, scope: Scope) -> None:
    with pytest.raises(Refused):
        await place(house.archive, SETTINGS, name="甲", reason="乙", scope=scope, by="anna")
    async with house.archive.database.read() as session:
        assert (await session.scalars(select(HoldCase))).all() == []


async def test_personal_numbers_and_words_stay_out_of_the_ledger(house: House) -> None:
    await house.seal()
    case = await hold(house, Scope(persons=(PERSON,)), name="市民甲 13800000000")
    await release(house, case)
    async with house.archive.database.read() as session:
        leaves = (await session.scalars(select(LedgerRow.leaf))).all()
        documents = (await session.scalars(select(StoredObject).where(StoredObject.kind == "hold"))).all()
    assert not [leaf for leaf in leaves if PERSON in leaf or "市民甲" in leaf or "审计要求" in leaf]
    assert len([leaf for leaf in leaves if str(case.id) in leaf]) >= 4
    # The store alone can tell what was held, why and by whom.
    assert sorted(document.key for document in documents) == [
        f"holds/{case.id}/placed.json",
        f"holds/{case.id}/release-asked.json",
        f"holds/{case.id}/released.json",
    ]
    placed = next(document for document in documents if document.key.endswith("placed.json"))
    content = b"".join([part async for part in house.archive.store.read(placed.key, placed.version_id)]).decode()
    assert PERSON in content
    assert '"salt"' in content


async def test_a_hold_between_looking_and_deleting_stops_the_disposal(house: House) -> None:
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await confirmed_disposal(house, recording)
    plan = await plan_deletion(house.archive, recording.id, house.clock.now)
    await hold(house, Scope(recordings=(recording.id,)))
    begun, refused = await begin_deletion(house.archive, SETTINGS, {identifier: plan}, house.clock.now)
    assert begun == []
    assert [who for who, _ in refused] == [recording.id]
    with pytest.raises(Refused, match="保全"):
        await execute(house.archive, SETTINGS, identifier, now=house.clock.now)
    assert all((await held_in_store(house, recording.id)).values())


@pytest.mark.parametrize("by_list", [True, False])
async def test_a_hold_protects_from_the_moment_that_it_is_asked_for(house: House, by_list: bool) -> None:
    """Its job has not run: catalogue and store know nothing yet, and a deletion does not begin all the same."""
    recording, other = await house.seal(work_order="G-1"), await house.seal(citizen_number="13800000009")
    house.clock.now = NOON + timedelta(days=800)
    identifiers = {each.id: await confirmed_disposal(house, each) for each in (recording, other)}
    plans = {
        identifiers[each.id]: await plan_deletion(house.archive, each.id, house.clock.now)
        for each in (recording, other)
    }
    scope = Scope(recordings=(recording.id,)) if by_list else Scope(orders=("G-1",), persons=(PERSON,))
    case = await place(house.archive, SETTINGS, name="甲", reason="乙", scope=scope, by="anna")
    assert not (await house.recording(recording.id)).held
    begun, refused = await begin_deletion(house.archive, SETTINGS, plans, house.clock.now)
    assert [work.recording.id for work in begun] == [other.id], "what it does not cover goes its way"
    assert [(who, "保全" in error.message) for who, error in refused] == [(recording.id, True)]
    assert await work(house) == {"hold": "done"}
    assert (await house.recording(recording.id)).held
    assert all((await held_in_store(house, recording.id)).values())
    assert await kinds(house, recording.id) == [*(await kinds(house, recording.id))[:-1], "held"]
    await ask_release(house.archive, SETTINGS, case.id, by="anna", reason="调查结束")
    await confirm_release(house.archive, SETTINGS, case.id, by="bo")
    with pytest.raises(Refused, match="保全"):
        await execute(house.archive, SETTINGS, identifiers[recording.id], now=house.clock.now)
    assert await work(house) == {"hold": "done"}
    await execute(house.archive, SETTINGS, identifiers[recording.id], now=house.clock.now)
    assert (await house.recording(recording.id)).life == "disposed"


async def test_a_case_that_was_released_before_its_job_ran_protects_nothing(house: House) -> None:
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await confirmed_disposal(house, recording)
    scope = Scope(recordings=(recording.id,))
    case = await place(house.archive, SETTINGS, name="甲", reason="乙", scope=scope, by="anna")
    await ask_release(house.archive, SETTINGS, case.id, by="anna", reason="误设")
    await confirm_release(house.archive, SETTINGS, case.id, by="bo")
    assert await work(house) == {"hold": "done"}
    assert "held" not in await kinds(house, recording.id)
    await execute(house.archive, SETTINGS, identifier, now=house.clock.now)


async def test_a_hold_that_waits_while_the_store_is_away_goes_on_and_holds_once(house: House) -> None:
    """Nothing of the catalogue's half is lost or done again when the job is."""
    recordings = [await house.seal(text=False) for _ in range(3)]
    scope = Scope(recordings=tuple(each.id for each in recordings))
    await place(house.archive, SETTINGS, name="甲", reason="乙", scope=scope, by="anna")
    store, away = house.archive.store, house.directory / "away"
    assert isinstance(store, LocalStore)
    store.root.rename(away)
    await worker.run(context(house), never, until_idle=True)
    async with house.archive.database.read() as session:
        job = (await session.scalars(select(JobRow))).one()
    assert (job.state, job.error_kind) == ("queued", "unavailable")
    assert all([(await house.recording(each.id)).held for each in recordings])
    away.rename(store.root)
    house.clock.now = job.run_after
    assert await work(house) == {"hold": "done"}
    for each in recordings:
        assert all((await held_in_store(house, each.id)).values())
        assert (await kinds(house, each.id)).count("held") == 1


async def test_a_hold_after_deletion_has_begun_is_told_so(house: House) -> None:
    recording, other = await house.seal(), await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await confirmed_disposal(house, recording)
    plan = await plan_deletion(house.archive, recording.id, house.clock.now)
    await begin_deletion(house.archive, SETTINGS, {identifier: plan}, house.clock.now)
    case = await place(house.archive, SETTINGS, name="甲", reason="乙", scope=Scope(persons=(PERSON,)), by="anna")
    assert await settle_holds(house.archive, SETTINGS) == Settled(joined=1, held=1, too_late=1)
    assert (await house.recording(other.id)).held
    await execute(house.archive, SETTINGS, identifier, now=house.clock.now)
    assert "hold too late" in await kinds(house, recording.id)
    async with house.archive.database.read() as session:
        member = await session.get_one(HoldMember, (case.id, recording.id))
        assert member.state == "too late"
    # Nothing joins what is being deleted, and the night does not try to lengthen it.
    with pytest.raises(Conflict):
        await house.transcribe(recording.id, retain_until=house.clock.now + timedelta(days=900))


async def test_a_hold_that_reached_only_the_catalogue_already_forbids_disposal(house: House) -> None:
    """As after a crash between the two: the next run finishes, and in between nothing is lost."""
    recording = await house.seal()
    house.clock.now = NOON + timedelta(days=800)
    identifier = await confirmed_disposal(house, recording)
    case = await place(
        house.archive, SETTINGS, name="甲", reason="乙", scope=Scope(recordings=(recording.id,)), by="anna"
    )
    async with house.archive.database.write() as session:
        (await session.get_one(Recording, recording.id)).held = True
        session.add(HoldMember(case_id=case.id, recording_id=recording.id, state="holding", joined_at=house.clock.now))
    with pytest.raises(Refused, match="保全"):
        await execute(house.archive, SETTINGS, identifier, now=house.clock.now)
    assert (await settle_holds(house.archive, SETTINGS)).held == 1
    assert all((await held_in_store(house, recording.id)).values())


async def test_a_held_recording_is_not_listed_and_comes_back_after_its_release(house: House) -> None:
    recording = await house.seal()
    case = await hold(house, Scope(recordings=(recording.id,)))
    house.clock.now = NOON + timedelta(days=800)
    assert await list_batch(house.archive, SETTINGS, now=house.clock.now) is None
    await release(house, case)
    listed = await list_batch(house.archive, replace(SETTINGS), now=house.clock.now)
    assert listed is not None
    assert listed.listed == 1
