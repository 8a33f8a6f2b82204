"""Which recordings the cases hold: what joins a scope is held, what a released case held is let go (``holds``).

``settle_holds`` does whatever is still to do: as the job of a decision, after something was sealed or linked, and every
night.
Doing it again, or twice at once, does no harm.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, KEPT, Recording, StoredObject
from archive.house import Archive
from core.errors import NotFound
from core.ledger import Entry, append_all
from core.settings import Settings
from retention.disposal import SYSTEM
from retention.holds import (
    HELD,
    HOLDING,
    HOLDS,
    LET_GO,
    LETTING,
    RELEASED,
    TOO_LATE,
    HoldCase,
    HoldMember,
    find_case,
)
from retention.scope import Scope
from retention.versions import find_versions

JOINING = 200
# The store's answers are awaited under the recordings' locks: few at a time, so that sealing need not wait long.
CHUNK = 20
AT_ONCE = 16


@dataclass(frozen=True)
class Settled:
    """How many recordings joined a case, were held in the store, came too late, and were let go by a case."""

    joined: int = 0
    held: int = 0
    too_late: int = 0
    let_go: int = 0


async def settle_holds(archive: Archive, settings: Settings, *, only: Collection[UUID] = ()) -> Settled:
    """Bring recordings and store to what the cases ask; ``only`` looks at these recordings alone."""
    joined = too_late = 0
    async with archive.database.read() as session:
        cases = (await session.scalars(select(HoldCase).where(HoldCase.state != RELEASED))).all()
    for case in cases:
        async with archive.database.read() as session:
            found = await in_scope(session, settings, case, only)
        for start in range(0, len(found), JOINING):
            new, late = await _join(archive, case.id, found[start : start + JOINING])
            joined, too_late = joined + new, too_late + late
        if case.applied_at is None and not only:
            await _mark_applied(archive, case.id)
    held = await _in_chunks(archive, HOLDING, only)
    let_go = 0 if only else await _let_go(archive)
    return Settled(joined, held, too_late, let_go)


async def still_to_join(session: AsyncSession, settings: Settings, recordings: Collection[UUID]) -> set[UUID]:
    """Of these recordings, those that a case will hold which was placed and is not applied yet."""
    query = select(HoldCase).where(HoldCase.state != RELEASED, HoldCase.applied_at.is_(None))
    cases = (await session.scalars(query)).all()
    return {each for case in cases for each in await in_scope(session, settings, case, recordings)}


async def in_scope(session: AsyncSession, settings: Settings, case: HoldCase, only: Collection[UUID]) -> list[UUID]:
    """Recordings in the scope of a case that are not in the case yet."""
    scope = Scope.parse(case.scope)
    member = exists().where(HoldMember.case_id == case.id, HoldMember.recording_id == Recording.id)
    query = select(Recording.id, Recording.citizen_number, Recording.agent_number)
    query = query.where(scope.condition(settings.timezone), Recording.life != DISPOSED, ~member)
    if only:
        query = query.where(Recording.id.in_(only))
    rows = await session.execute(query.order_by(Recording.id))
    return [row.id for row in rows if scope.confirms(row.id, (row.citizen_number, row.agent_number))]


async def _mark_applied(archive: Archive, case_id: UUID) -> None:
    async with archive.database.write() as session:
        (await find_case(session, case_id)).applied_at = archive.clock()


async def _join(archive: Archive, case_id: UUID, recordings: Sequence[UUID]) -> tuple[int, int]:
    """Take recordings into a case: from this commit on nothing disposes of them.  Returns how many, and how many came
    after their deletion had begun."""
    entries, now = list[Entry](), archive.clock()
    async with archive.database.write() as session:
        if (await find_case(session, case_id)).state == RELEASED:
            return 0, 0
        locked = await _lock(session, recordings)
        query = select(HoldMember.recording_id).where(HoldMember.case_id == case_id)
        faster = set(await session.scalars(query.where(HoldMember.recording_id.in_(recordings))))
        for recording in locked:
            if recording.id in faster:
                continue  # another run was
            kept = recording.life == KEPT
            state, kind = (HOLDING, "held") if kept else (TOO_LATE, "hold too late")
            session.add(HoldMember(case_id=case_id, recording_id=recording.id, joined_at=now, state=state))
            recording.held = recording.held or kept
            entries.append(Entry(kind, SYSTEM, str(recording.id), {"case": str(case_id)}))
        await append_all(session, entries, now)
    joined = sum(entry.kind == "held" for entry in entries)
    return joined, len(entries) - joined


async def _let_go(archive: Archive) -> int:
    released = select(HoldCase.id).where(HoldCase.state == RELEASED)
    async with archive.database.write() as session:
        await session.execute(
            update(HoldMember)
            .where(HoldMember.state.in_(HOLDS), HoldMember.case_id.in_(released))
            .values(state=LETTING)
            .execution_options(synchronize_session=False)
        )
    return await _in_chunks(archive, LETTING, ())


async def _in_chunks(archive: Archive, state: str, only: Collection[UUID]) -> int:
    """Bring the store behind every member of a state; returns how many there were."""
    done = 0
    query = select(HoldMember.recording_id).where(HoldMember.state == state).distinct()
    query = query.order_by(HoldMember.recording_id)
    if only:
        query = query.where(HoldMember.recording_id.in_(only))
    async with archive.database.read() as session:
        waiting = (await session.scalars(query)).all()
    for start in range(0, len(waiting), CHUNK):
        done += await _follow(archive, state, waiting[start : start + CHUNK])
    return done


async def _follow(archive: Archive, state: str, recordings: Sequence[UUID]) -> int:
    async with archive.database.write() as session:
        rows = {recording.id: recording for recording in await _lock(session, recordings)}
        query = select(HoldMember).where(HoldMember.state == state, HoldMember.recording_id.in_(rows))
        members = (await session.scalars(query.with_for_update())).all()
        if state == HOLDING:
            await _hold(archive, session, {member.recording_id for member in members}, on=True)
            for member in members:
                member.state = HELD
        else:
            await _release(archive, session, members, rows)
    return len(members)


async def _release(
    archive: Archive, session: AsyncSession, members: Sequence[HoldMember], rows: dict[UUID, Recording]
) -> None:
    """The store first, the catalogue with the commit: in between the recording still counts as held."""
    leaving = {member.recording_id for member in members}
    others = select(HoldMember.recording_id).where(HoldMember.recording_id.in_(leaving), HoldMember.state.in_(HOLDS))
    still = set(await session.scalars(others))
    await _hold(archive, session, leaving - still, on=False)
    entries = list[Entry]()
    for member in members:
        member.state = LET_GO
        rows[member.recording_id].held = member.recording_id in still
        facts = {"case": str(member.case_id), "still_held": member.recording_id in still}
        entries.append(Entry("released", SYSTEM, str(member.recording_id), facts))
    await append_all(session, entries, archive.clock())


async def _lock(session: AsyncSession, recordings: Sequence[UUID]) -> Sequence[Recording]:
    query = select(Recording).where(Recording.id.in_(recordings)).order_by(Recording.id)
    return (await session.scalars(query.with_for_update())).all()


async def _hold(archive: Archive, session: AsyncSession, recordings: Collection[UUID], *, on: bool) -> None:
    """Every version that the catalogue or the store knows of the recordings: audio, texts, links, duplicates."""
    keys: dict[UUID, set[str]] = {identifier: set() for identifier in recordings}
    versions = set[tuple[str, str]]()
    for stored in await session.scalars(select(StoredObject).where(StoredObject.recording_id.in_(keys))):
        assert stored.recording_id
        keys[stored.recording_id].add(stored.key)
        versions.add((stored.key, stored.version_id))
    limit = asyncio.Semaphore(AT_ONCE)

    async def look(identifier: UUID) -> set[tuple[str, str]]:
        async with limit:
            found = await find_versions(archive.store, keys[identifier], identifier)
        return {(one.key, one.version_id) for one in found if not one.marker}

    async def one(key: str, version_id: str) -> bool:
        async with limit:
            try:
                await archive.store.hold(key, version_id, on)
            except NotFound:
                return False  # what is missing is named by verification; the rest must still be held
        return True

    versions = versions.union(*await asyncio.gather(*(look(identifier) for identifier in keys)))
    if not all(await asyncio.gather(*(one(*version) for version in sorted(versions)))):
        await archive.store.ping()  # a directory that is not mounted lacks everything: that is no hold
