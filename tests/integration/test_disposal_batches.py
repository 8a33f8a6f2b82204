"""Review by the batch: listed once, decided by two people, kept with a reason, carried out together."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from archive.catalogue import Recording, StoredObject
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.ledger import LedgerRow, check
from retention.batches import approve_batch, confirm_batch, keep, list_batch
from retention.disposal import MOVES, Disposal, DisposalBatch, move, withdraw
from retention.execution import execute_confirmed
from retention.policies import set_years
from tests.integration.kept import NOON, SETTINGS, House
from workorders.linking import link_by_person
from workorders.orders import Link


async def batch_of(house: House, count: int) -> tuple[DisposalBatch, list[Recording]]:
    recordings = [await house.seal() for _ in range(count)]
    house.clock.now = NOON + timedelta(days=800)
    batch = await list_batch(house.archive, SETTINGS, now=house.clock.now)
    assert batch is not None
    return batch, recordings


async def decide(house: House, batch_id: UUID, *, only: tuple[UUID, ...] = ()) -> None:
    async with house.archive.database.write() as session:
        await approve_batch(session, batch_id, by="anna", now=house.clock.now, only=only)
        await confirm_batch(session, batch_id, by="bo", now=house.clock.now, only=only)


async def states(house: House) -> dict[UUID, str]:
    async with house.archive.database.read() as session:
        rows = await session.scalars(select(Disposal).order_by(Disposal.proposed_at))
        return {row.recording_id: row.state for row in rows}


async def test_what_became_eligible_is_listed_once(house: House) -> None:
    batch, recordings = await batch_of(house, 3)
    assert batch.listed == 3
    assert await states(house) == {row.id: "proposed" for row in recordings}
    again = await list_batch(house.archive, SETTINGS, now=house.clock.now)
    assert again is not None
    assert again.id == batch.id
    house.clock.now += timedelta(days=1)
    assert await list_batch(house.archive, SETTINGS, now=house.clock.now) is None
    async with house.archive.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Disposal)) == 3
        rows = (await session.scalars(select(LedgerRow).where(LedgerRow.kind == "disposals listed"))).all()
        assert [row.subject for row in rows] == [str(batch.id)]


async def test_a_batch_goes_together_with_every_copy(house: House) -> None:
    await house.order("G-1")
    batch, recordings = await batch_of(house, 4)
    await link_by_person(house.archive, recordings[0].id, "G-1", by="li")
    await decide(house, batch.id)
    # The link came late, and is locked for a day: until then its recording stays, the others go.
    first = await execute_confirmed(house.archive, SETTINGS, now=house.clock.now)
    assert [who for who, _ in first.refused] == [recordings[0].id]
    house.clock.now += timedelta(days=2)
    done = await execute_confirmed(house.archive, SETTINGS, now=house.clock.now)
    assert (done.disposed, done.refused) == ((recordings[0].id,), ())
    assert set(first.disposed) == {row.id for row in recordings[1:]}
    left = [version.key async for version in house.archive.store.list_versions("")]
    assert all(key.startswith("certificates/") for key in left)
    assert len(left) == 4
    async with house.archive.database.read() as session:
        assert (await session.scalars(select(Link))).all() == []
        kinds = (await session.scalars(select(StoredObject.kind))).all()
        assert set(kinds) == {"certificate"}
        assert await session.scalar(select(func.count()).where(LedgerRow.kind == "disposed")) == 4
        row = await session.get_one(Recording, recordings[0].id)
        assert (row.life, row.citizen_number, row.citizen_name, row.agent_name) == ("disposed", "", "", "")
        await check(session)
    assert await execute_confirmed(house.archive, SETTINGS, now=house.clock.now) == type(done)()


async def test_two_people_decide_a_batch_and_may_decide_parts_of_it(house: House) -> None:
    batch, (one, two, three) = await batch_of(house, 3)
    now = house.clock.now
    async with house.archive.database.write() as session:
        with pytest.raises(Conflict):
            await confirm_batch(session, batch.id, by="bo", now=now)
        with pytest.raises(Refused):
            await approve_batch(session, batch.id, by="system", now=now)
        with pytest.raises(Conflict):
            await approve_batch(session, batch.id, by="anna", now=now, only=[new_id()])
        with pytest.raises(NotFound):
            await approve_batch(session, new_id(), by="anna", now=now)
    async with house.archive.database.write() as session:
        assert (await approve_batch(session, batch.id, by="anna", now=now, only=[one.id, two.id])).count == 2
    with pytest.raises(Refused, match="另一人"):
        async with house.archive.database.write() as session:
            await confirm_batch(session, batch.id, by="anna", now=now)
    async with house.archive.database.write() as session:
        assert (await confirm_batch(session, batch.id, by="bo", now=now, only=[one.id])).count == 1
    done = await execute_confirmed(house.archive, SETTINGS, now=now)
    assert done.disposed == (one.id,)
    assert await states(house) == {one.id: "done", two.id: "approved", three.id: "proposed"}


async def test_what_a_reviewer_keeps_is_locked_and_listed_again_after_its_day(house: House) -> None:
    batch, (one, two) = await batch_of(house, 2)
    until = date(2029, 6, 30)
    for wrong in ({"reason": " "}, {"until": date(2029, 1, 1)}, {"until": date(2090, 1, 1)}, {"by": "system"}):
        said = {"by": "anna", "reason": "诉讼未结", "until": until, **wrong}
        with pytest.raises(Refused):
            await keep(house.archive, SETTINGS, [one.id], **said)  # type: ignore[arg-type]
    assert await keep(house.archive, SETTINGS, [one.id], by="anna", reason="诉讼未结", until=until) == 1
    kept = await house.recording(one.id)
    assert kept.retain_until.isoformat() == "2029-06-30T16:00:00+00:00"
    async for version in house.archive.store.list_versions("recordings/"):
        if str(one.id) in version.key:
            assert (await house.archive.store.head(version.key, version.version_id)).lock_until == kept.retain_until
    with pytest.raises(NotFound):
        await keep(house.archive, SETTINGS, [one.id], by="anna", reason="诉讼未结", until=until)
    await decide(house, batch.id)
    assert (await execute_confirmed(house.archive, SETTINGS, now=house.clock.now)).disposed == (two.id,)
    house.clock.now = kept.retain_until - timedelta(seconds=1)
    assert await list_batch(house.archive, SETTINGS, now=house.clock.now) is None
    house.clock.now = kept.retain_until
    listed = await list_batch(house.archive, SETTINGS, now=house.clock.now)
    assert listed is not None
    assert listed.listed == 1


async def test_a_withdrawn_disposal_is_listed_again(house: House) -> None:
    _, (one,) = await batch_of(house, 1)
    async with house.archive.database.write() as session:
        row = await session.scalar(select(Disposal))
        assert row is not None
        await withdraw(session, row.id, by="bo", now=house.clock.now, reason="再核对")
    house.clock.now += timedelta(days=1)
    listed = await list_batch(house.archive, SETTINGS, now=house.clock.now)
    assert listed is not None
    assert await states(house) == {one.id: "proposed"}


async def test_one_that_is_refused_does_not_stop_the_others(house: House) -> None:
    batch, (one, two, three) = await batch_of(house, 3)
    await decide(house, batch.id)
    async with house.archive.database.read() as session:
        audio = await session.scalar(
            select(StoredObject).where(StoredObject.recording_id == two.id, StoredObject.kind == "audio")
        )
        assert audio is not None
    # Somebody lengthened the lock at the store itself.
    await house.archive.store.lengthen_lock(audio.key, audio.version_id, house.clock.now + timedelta(days=5))
    done = await execute_confirmed(house.archive, SETTINGS, now=house.clock.now)
    assert set(done.disposed) == {one.id, three.id}
    assert [who for who, _ in done.refused] == [two.id]
    assert (await house.recording(two.id)).life == "kept"
    house.clock.now += timedelta(days=6)
    assert (await execute_confirmed(house.archive, SETTINGS, now=house.clock.now)).disposed == (two.id,)


async def test_a_policy_that_comes_after_the_decision_still_counts(house: House) -> None:
    batch, (one,) = await batch_of(house, 1)
    await decide(house, batch.id)
    today = house.clock.now.astimezone(SETTINGS.timezone).date()
    async with house.archive.database.write() as session:
        await set_years(session, SETTINGS, 3, effective_from=today, by="cai", now=house.clock.now)
    done = await execute_confirmed(house.archive, SETTINGS, now=house.clock.now)
    assert done.disposed == ()
    assert [who for who, _ in done.refused] == [one.id]


def test_the_table_has_an_end_for_every_state() -> None:
    states = {state for state, _ in MOVES} | set(MOVES.values())
    assert states - {state for state, _ in MOVES} == {"done", "withdrawn", "kept"}
    for state in states:
        for action in {action for _, action in MOVES}:
            row = Disposal(id=new_id(), state=state)
            if (state, action) in MOVES:
                move(row, action)
                assert row.state == MOVES[state, action]
            else:
                with pytest.raises(Conflict):
                    move(row, action)
