"""Thousands of recordings, each with a history of its own, on the real functions, a real database and a real store:
holds placed and released, text finalised late, policies that change, contracts that are extended, clocks that are set
back.  An oracle that shares no code with the rule says when each may go: nothing goes earlier, nothing is forgotten.

In the narrow worlds every recording is sealed, and its objects are deleted.  In the broad ones the catalogue's rows are
written as sealing leaves them, without objects: what decides is the same, and there are many more of them."""

import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from archive.catalogue import KEPT, TEXT_DONE, Recording
from archive.connect import connect_store
from archive.house import Archive
from archive.seal import NewRecording, seal_recording, seal_transcript
from core.database import Database
from core.ids import new_id
from core.ledger import check
from retention.batches import approve_batch, confirm_batch, keep, list_batch
from retention.disposal import APPROVED, OPEN, PROPOSED, Disposal, DisposalBatch, withdraw
from retention.execution import execute_confirmed
from retention.holds import ask_release, confirm_release, place
from retention.membership import settle_holds
from retention.policies import set_contract, set_years
from retention.rule import Contract, keep_until
from retention.scope import Scope
from tests.integration.kept import SETTINGS, MovableClock, turn
from tests.tables import create_all

T = TypeVar("T")
NARROW, BROAD = 240, 1300
SEEDS = (1, 2, 3, 4)
BEGIN = datetime(2026, 1, 5, 4, tzinfo=UTC)
YOUNG = timedelta(days=730)  # nothing is free before two years have passed: no question for the oracle
ZONE_OFFSET = timedelta(hours=8)  # Asia/Shanghai has no summer time
PERSONS = tuple(f"138000000{number:02}" for number in range(12))


def local_day(moment: datetime) -> date:
    return (moment + ZONE_OFFSET).date()


@cache
def after_years(day: date, years: int) -> date:
    """The day after the corresponding day, by trying days."""
    wanted = (day.year + years, day.month)
    last = next(day_of_month for day_of_month in range(day.day, 0, -1) if _is_day(*wanted, day_of_month))
    return date(*wanted, last) + timedelta(days=1)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@dataclass
class Fate:
    """What the oracle knows of one recording."""

    ended_at: datetime
    person: str
    text_at: datetime | None = None
    not_before: list[date] = field(default_factory=list)  # what was kept at review


@dataclass
class Oracle:
    fates: dict[UUID, Fate] = field(default_factory=dict)
    years: list[tuple[date, int]] = field(default_factory=list)
    contracts: list[tuple[date, Contract]] = field(default_factory=list)
    cases: dict[UUID, Scope] = field(default_factory=dict)
    gone: set[UUID] = field(default_factory=set)

    def held(self, identifier: UUID) -> bool:
        fate = self.fates[identifier]
        day = local_day(fate.ended_at - timedelta(minutes=1))
        return any(
            identifier in scope.recordings
            or (
                bool(scope.persons or scope.first)
                and (not scope.persons or fate.person in scope.persons)
                and (not scope.first or day >= scope.first)
                and (not scope.last or day <= scope.last)
            )
            for scope in self.cases.values()
        )

    def free_from(self, identifier: UUID, today: date) -> date:
        """The first local day on which it may go, as things stand ``today``."""
        fate = self.fates[identifier]
        called, begins = local_day(fate.ended_at), local_day(max(fate.ended_at, fate.text_at or fate.ended_at))
        days = [after_years(begins, 2), *fate.not_before]
        days += [after_years(begins, years) for years in _in_force(self.years, called, today)]
        for name in {contract.name for _, contract in self.contracts}:
            versions = [(day, contract) for day, contract in self.contracts if contract.name == name]
            for contract in _in_force(versions, called, today):
                if contract.begins <= called <= contract.ends:
                    days.append(after_years(contract.ends, contract.years_after))
        return max(days)


def _in_force(values: list[tuple[date, T]], first: date, last: date) -> list[T]:
    """Day by day would take long: what begins in between, and what was in force on the first day."""
    before = [value for day, value in values if day <= first]
    return before[-1:] + [value for day, value in values if first < day <= last]


@dataclass
class World:
    archive: Archive
    clock: MovableClock
    directory: Path
    chance: random.Random
    oracle: Oracle = field(default_factory=Oracle)
    histories: int = NARROW

    @property
    def scale(self) -> int:
        """How many times as much happens on a day as in the narrow world."""
        return max(1, self.histories // NARROW)

    @property
    def now(self) -> datetime:
        return self.clock.now

    @property
    def today(self) -> date:
        return local_day(self.now)

    def some(self, most: int) -> list[UUID]:
        there = sorted(self.oracle.fates.keys() - self.oracle.gone)
        return self.chance.sample(there, min(most, len(there)))

    async def seal(self, count: int) -> None:
        new = [self.call() for _ in range(count)]
        await self.keep_calls(new)
        for each in new:
            self.oracle.fates[each.id] = Fate(each.ended_at, each.citizen_number)

    def call(self) -> NewRecording:
        began = self.now - timedelta(minutes=self.chance.randrange(2, 3000))
        return NewRecording(
            id=new_id(began),
            sip_call_id="a@b",
            started_at=began,
            ended_at=began + timedelta(minutes=1),
            duration_ms=60_000,
            agent_number="8001",
            agent_name="",
            citizen_number=self.chance.choice(PERSONS),
            citizen_name="",
            work_order="",
            interrupted=False,
            flags=(),
            facts={},
        )

    async def keep_calls(self, new: Sequence[NewRecording]) -> None:
        for recording in new:
            audio = self.directory / "audio"
            audio.write_bytes(recording.id.bytes)
            until = keep_until(SETTINGS, recording.ended_at)
            await seal_recording(self.archive, recording, audio, retain_until=until)

    async def finalise_text(self) -> None:
        chosen = self.some(3 * self.scale)
        await self.write_text(chosen)
        for identifier in chosen:
            fate = self.oracle.fates[identifier]
            fate.text_at = max(fate.text_at or self.now, self.now)

    async def write_text(self, chosen: Sequence[UUID]) -> None:
        for identifier in chosen:
            async with self.archive.database.read() as session:
                version = (await session.get_one(Recording, identifier)).text_version
            await seal_transcript(
                self.archive,
                identifier,
                {},
                [turn("citizen", 0, "好")],
                author="li",
                reason="改",
                retain_until=keep_until(SETTINGS, self.oracle.fates[identifier].ended_at, self.now),
                expected_version=version,
            )

    async def hold(self) -> None:
        # Around the age at which disposal comes near: a hold on what is young is over before it matters.
        first = self.today - timedelta(days=self.chance.randrange(600, 1000))
        scopes = [
            Scope(persons=tuple(self.chance.sample(PERSONS, 3))),
            Scope(persons=(self.chance.choice(PERSONS),), first=first),
            Scope(first=first, last=first + timedelta(days=self.chance.randrange(200))),
            Scope(recordings=tuple(self.some(5 * self.scale)) or (new_id(),)),
        ]
        scope = self.chance.choice(scopes)
        case = await place(self.archive, SETTINGS, name="甲", reason="乙", scope=scope, by="anna")
        self.oracle.cases[case.id] = scope

    async def release_one(self) -> None:
        """Of several cases one goes; a few always stand."""
        if len(self.oracle.cases) > 3:
            await self.release()

    async def release(self) -> None:
        case = self.chance.choice(sorted(self.oracle.cases))
        await ask_release(self.archive, SETTINGS, case, by="anna", reason="丙")
        await confirm_release(self.archive, SETTINGS, case, by="bo")
        del self.oracle.cases[case]

    async def change_policy(self) -> None:
        day = self.today + timedelta(days=self.chance.randrange(60))
        if any(each >= day for each, _ in self.oracle.years):
            return
        years = self.chance.choice((2, 2, 3))
        async with self.archive.database.write() as session:
            await set_years(session, SETTINGS, years, effective_from=day, by="cai", now=self.now)
        self.oracle.years.append((day, years))

    async def change_contract(self) -> None:
        name = self.chance.choice("甲乙")
        if any(contract.name == name and day >= self.today for day, contract in self.oracle.contracts):
            return
        begins = self.today - timedelta(days=self.chance.randrange(400))
        ends = self.today + timedelta(days=self.chance.randrange(500))
        contract = Contract(name, ends, self.chance.randrange(3), begins)
        async with self.archive.database.write() as session:
            await set_contract(session, SETTINGS, contract, effective_from=self.today, by="cai", now=self.now)
        self.oracle.contracts.append((self.today, contract))

    async def review(self) -> None:
        async with self.archive.database.read() as session:
            batches = (await session.scalars(select(DisposalBatch.id))).all()
            rows = (await session.scalars(select(Disposal).where(Disposal.state.in_((PROPOSED, APPROVED))))).all()
        if rows and self.chance.random() < 0.3:
            chosen = self.chance.sample(sorted(row.recording_id for row in rows), min(len(rows), self.scale))
            until = self.today + timedelta(days=self.chance.randrange(1, 300))
            await keep(self.archive, SETTINGS, chosen, by="anna", reason="丁", until=until)
            for identifier in chosen:
                self.oracle.fates[identifier].not_before.append(until + timedelta(days=1))
        elif rows and self.chance.random() < 0.3:
            async with self.archive.database.write() as session:
                await withdraw(
                    session, self.chance.choice(sorted(rows, key=lambda row: row.id)).id, by="bo", now=self.now
                )
        for batch in batches:
            if self.chance.random() < 0.7:
                await self.decide(batch)

    async def decide(self, batch: UUID) -> None:
        async with self.archive.database.write() as session:
            states = set(await session.scalars(select(Disposal.state).where(Disposal.batch_id == batch)))
            if PROPOSED in states:
                await approve_batch(session, batch, by="anna", now=self.now)
            if states & {PROPOSED, APPROVED}:
                await confirm_batch(session, batch, by="bo", now=self.now)

    async def night(self) -> None:
        """Settle, dispose, list; then ask the oracle about everything that went, and everything that did not."""
        await settle_holds(self.archive, SETTINGS)
        done = await execute_confirmed(self.archive, SETTINGS, now=self.now)
        async with self.archive.database.read() as session:
            kept = set(await session.scalars(select(Recording.id).where(Recording.life == KEPT)))
        # What has begun counts: a store whose clock was set back refuses to delete, and the disposal waits for it.
        begun = self.oracle.fates.keys() - kept - self.oracle.gone
        for identifier in begun:
            assert self.today >= self.oracle.free_from(identifier, self.today), "disposed of early"
            assert not self.oracle.held(identifier), "disposed of under a hold"
        self.oracle.gone |= begun
        assert set(done.disposed) <= self.oracle.gone

    async def nothing_is_forgotten(self) -> None:
        """Nor is anything listed early.  Called on a day that had no batch yet."""
        batch = await list_batch(self.archive, SETTINGS, now=self.now)
        async with self.archive.database.read() as session:
            mine = Disposal.batch_id == (batch.id if batch else None)
            for identifier in await session.scalars(select(Disposal.recording_id).where(mine)):
                assert self.today >= self.oracle.free_from(identifier, self.today), "listed early"
                assert not self.oracle.held(identifier), "listed under a hold"
            listed = set(await session.scalars(select(Disposal.recording_id).where(Disposal.state.in_(OPEN))))
        for identifier in self.oracle.fates.keys() - self.oracle.gone - listed:
            if self.today - local_day(self.oracle.fates[identifier].ended_at) < YOUNG:
                continue
            free = self.today >= self.oracle.free_from(identifier, self.today) and not self.oracle.held(identifier)
            assert not free, "eligible and forgotten"

    async def set_back(self) -> None:
        """A clock that stands in the past for a while: what it makes of it must not be early either."""
        right = self.now
        self.clock.now -= timedelta(days=self.chance.randrange(1, 700))
        await self.night()
        self.clock.now = right


class BroadWorld(World):
    """Rows of the catalogue as sealing leaves them; no objects."""

    async def keep_calls(self, new: Sequence[NewRecording]) -> None:
        rows = [
            {**asdict(each), "flags": [], "sealed_at": self.now, "retain_until": keep_until(SETTINGS, each.ended_at)}
            for each in new
        ]
        async with self.archive.database.write() as session:
            await session.execute(insert(Recording), rows)

    async def write_text(self, chosen: Sequence[UUID]) -> None:
        async with self.archive.database.write() as session:
            for row in await session.scalars(select(Recording).where(Recording.id.in_(chosen))):
                row.text_state, row.text_version, row.text_final_at = TEXT_DONE, row.text_version + 1, self.now
                row.retain_until = max(row.retain_until, keep_until(SETTINGS, row.ended_at, self.now))


@asynccontextmanager
async def world(kind: type[World], seed: int, histories: int) -> AsyncIterator[World]:
    # Where the machine has memory for files, nothing waits for a disk: the functions are the same.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        directory, clock = Path(name), MovableClock(BEGIN)
        database, store = (
            Database(f"sqlite+aiosqlite:///{directory}/huiyin.db"),
            connect_store(f"file://{directory}/kept", clock=clock),
        )
        await store.prepare()
        async with database.engine.connect() as connection:
            await connection.run_sync(create_all)
            await connection.commit()
        try:
            yield kind(Archive(database, store, clock), clock, directory, random.Random(seed), histories=histories)
        finally:
            await store.close()
            await database.close()


WORLDS = [(World, 1, NARROW), *((BroadWorld, seed, BROAD) for seed in SEEDS)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seed", "histories"), WORLDS)
async def test_nothing_goes_early_and_nothing_is_forgotten(kind: type[World], seed: int, histories: int) -> None:
    async with world(kind, seed, histories) as here:
        events = (here.finalise_text, here.hold, here.release_one, here.change_policy, here.change_contract)
        while here.now < BEGIN + timedelta(days=1900):
            # Some days follow each other, so that a day too early is seen.
            days = 1 if here.chance.random() < 0.3 else here.chance.randrange(5, 50)
            here.clock.now += timedelta(days=days, minutes=here.chance.randrange(700))
            if missing := here.histories - len(here.oracle.fates):
                await here.seal(min(missing, here.scale * here.chance.randrange(20, 40)))
            for event in here.chance.sample(events, 2):
                await event()
            if here.chance.random() < 0.15:
                await here.set_back()
            await here.night()
            await here.nothing_is_forgotten()
            await here.review()
        assert here.oracle.gone, "this history disposed of nothing: it shows nothing"
        await _end(here)


async def _end(here: World) -> None:
    """Release everything and wait: all of it goes, and the store is empty."""
    while here.oracle.cases:
        await here.release()
    here.clock.now += timedelta(days=5000)
    for _ in range(2):
        await here.night()
        await here.nothing_is_forgotten()
        async with here.archive.database.read() as session:
            batches = (await session.scalars(select(DisposalBatch.id))).all()
        for batch in batches:
            await here.decide(batch)
        here.clock.now += timedelta(days=1)
    await here.night()
    assert here.oracle.gone == here.oracle.fates.keys()
    left = [version.key async for version in here.archive.store.list_versions("recordings/")]
    assert left == []
    async with here.archive.database.read() as session:
        await check(session)
