"""Carrying confirmed disposals out, so that whatever interrupts it, doing it again finishes it.

For each chunk of disposals: look what there is (``plan``); write the plans down in one transaction, after looking again
under the recordings' locks (``begin``, the point of no return); delete version by version through the store, which
refuses before its date; look that nothing is left; store the certificates; and only then change the catalogue, in one
transaction with the ledger's rows.  Every step can be done twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSING, Recording, StoredObject
from archive.house import Archive
from archive.lock import round_up
from archive.store import ObjectStore, Version
from archive.storing import Document, store_documents
from core.errors import Conflict, Damaged, HuiyinError, NotFound, Refused
from core.ledger import take_turn
from core.settings import Settings
from retention.certificates import KIND, answers_of, certificate, certificate_key
from retention.conclusion import conclude
from retention.disposal import BEGIN, CONFIRMED, DONE, EXECUTING, Disposal, move, require_eligible
from retention.explaining import explain_keeping
from retention.handover.copies import remove_files
from retention.membership import still_to_join
from retention.policies import load_policies
from retention.recalling import recall_copies
from retention.rule import Policies, keep_until
from retention.versions import find_versions

Plan = Sequence[dict[str, Any]]
CHUNK = 500
AT_ONCE = 16


@dataclass(frozen=True)
class Executed:
    """Recordings that are gone for good, and those (by identifier) that could not be disposed of, with the reason."""

    disposed: tuple[UUID, ...] = ()
    refused: tuple[tuple[UUID, HuiyinError], ...] = ()

    def __add__(self, other: "Executed") -> "Executed":
        return Executed(self.disposed + other.disposed, self.refused + other.refused)


@dataclass(frozen=True)
class _Work:
    disposal: Disposal
    recording: Recording
    plan: Plan = ()


async def execute(archive: Archive, settings: Settings, disposal_id: UUID, *, now: datetime) -> StoredObject:
    """Delete every version of one confirmed disposal's recording; the sealed certificate is returned.

    ``Refused`` before the date, under a hold or without both decisions; then nothing has been deleted."""
    done = await _execute_chunk(archive, settings, [disposal_id], now)
    for _, error in done.refused:
        raise error
    async with archive.database.read() as session:
        disposal = await session.get(Disposal, disposal_id)
        if disposal is None:
            raise NotFound("no such disposal", disposal=disposal_id)
        return await session.get_one(StoredObject, disposal.certificate)


async def execute_confirmed(archive: Archive, settings: Settings, *, now: datetime) -> Executed:
    """Carry out every disposal that two people decided, and first those that were interrupted.  One that the store or a
    rule refuses is reported, and tried again the next time."""
    async with archive.database.read() as session:
        query = select(Disposal.id).order_by(Disposal.confirmed_at, Disposal.id)
        waiting = [
            identifier
            for state in (EXECUTING, CONFIRMED)
            for identifier in await session.scalars(query.where(Disposal.state == state))
        ]
    done = Executed()
    for start in range(0, len(waiting), CHUNK):
        done += await _execute_chunk(archive, settings, waiting[start : start + CHUNK], now)
    return done


async def _execute_chunk(archive: Archive, settings: Settings, ids: Sequence[UUID], now: datetime) -> Executed:
    # A pretended time (`--at`) never brings a disposal forward.
    moment = min(now, archive.clock())
    async with archive.database.read() as session:
        found = await _rows(session, ids)
        policies = await load_policies(session, settings)
    new = [work for work in found if work.disposal.state != EXECUTING]
    stored = await _objects(archive, [work.recording.id for work in new])
    planned, refused = await _each(
        new, lambda work: _plan(archive.store, work, stored[work.recording.id], policies, moment)
    )
    begun, late = await begin_deletion(archive, settings, {work.disposal.id: work.plan for work in planned}, moment)
    interrupted = [replace(work, plan=work.disposal.plan or ()) for work in found if work.disposal.state == EXECUTING]
    recalled, copied = await _recall(archive, settings, [*interrupted, *begun], moment)
    emptied, stuck = await _empty(archive, recalled)
    await _certify(archive, settings, emptied)
    return Executed(tuple(work.recording.id for work in emptied), (*refused, *late, *copied, *stuck))


async def _recall(
    archive: Archive, settings: Settings, all_work: Sequence[_Work], now: datetime
) -> tuple[list[_Work], list[tuple[UUID, HuiyinError]]]:
    """Exports that hold one of the recordings lose our copy; the certificates name them all."""
    copies = await recall_copies(archive, [work.disposal.id for work in all_work], now)

    async def one(work: _Work) -> _Work:
        work.disposal.copies = list(copies[work.disposal.id])
        await remove_files(settings, work.disposal.copies)
        return work

    return await _each(all_work, one)


async def _each(
    all_work: Sequence[_Work], step: Callable[[_Work], Awaitable[_Work]]
) -> tuple[list[_Work], list[tuple[UUID, HuiyinError]]]:
    """Do one step of each, several at once; what is refused stands apart, anything else is raised at the end."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(work: _Work) -> _Work:
        async with limit:
            return await step(work)

    results = await asyncio.gather(*(one(work) for work in all_work), return_exceptions=True)
    done, refused = list[_Work](), list[tuple[UUID, HuiyinError]]()
    for work, result in zip(all_work, results, strict=True):
        if isinstance(result, (Refused, Conflict, NotFound, Damaged)):
            refused.append((work.recording.id, result))
        elif isinstance(result, BaseException):
            raise result
        else:
            done.append(result)
    return done, refused


async def _rows(session: AsyncSession, ids: Iterable[UUID], *, lock: bool = False) -> list[_Work]:
    """Disposals with their recordings; with ``lock`` the recordings first, in the order of their identifiers, as
    everyone locks them, so that nobody waits in a circle."""
    wanted = list(ids)
    if lock:
        of_these = select(Disposal.recording_id).where(Disposal.id.in_(wanted))
        await session.scalars(
            select(Recording).where(Recording.id.in_(of_these)).order_by(Recording.id).with_for_update()
        )
    query = select(Disposal, Recording).join(Recording, Recording.id == Disposal.recording_id)
    query = query.where(Disposal.id.in_(wanted)).order_by(Recording.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return [_Work(disposal, recording) for disposal, recording in (await session.execute(query)).all()]


async def _objects(archive: Archive, recordings: Sequence[UUID]) -> Mapping[UUID, list[StoredObject]]:
    """What the catalogue knows of each recording, by one query."""
    found: dict[UUID, list[StoredObject]] = {identifier: [] for identifier in recordings}
    async with archive.database.read() as session:
        for row in await session.scalars(select(StoredObject).where(StoredObject.recording_id.in_(found))):
            assert row.recording_id
            found[row.recording_id].append(row)
    return found


async def _plan(
    store: ObjectStore, work: _Work, rows: Sequence[StoredObject], policies: Policies, now: datetime
) -> _Work:
    _require_confirmed(work.disposal)
    require_eligible(work.recording, policies, now)
    return replace(work, plan=await _plan_of(store, work.recording.id, rows, now))


def _require_confirmed(disposal: Disposal) -> None:
    if disposal.state != CONFIRMED:
        raise Refused("处置未经两人批准 / two people have not decided", disposal=disposal.id, state=disposal.state)


async def plan_deletion(archive: Archive, recording_id: UUID, now: datetime) -> Plan:
    """Every version that the catalogue or the store knows; ``Refused`` when one of them is still locked or held."""
    return await _plan_of(archive.store, recording_id, (await _objects(archive, [recording_id]))[recording_id], now)


async def _plan_of(store: ObjectStore, recording_id: UUID, rows: Sequence[StoredObject], now: datetime) -> Plan:
    known = {(row.key, row.version_id): row for row in rows}
    found = await find_versions(store, (row.key for row in rows), recording_id)
    for version in found:
        if not version.marker:
            # A listing goes past what is damaged: asked for alone, it is told.
            told = version if version.sha256 else await store.head(version.key, version.version_id)
            _require_unlocked(told, now)
    there = {(version.key, version.version_id): version for version in found}
    return [
        {
            "key": key,
            "version_id": version_id,
            "kind": row.kind if (row := known.get((key, version_id))) else "",
            "size": row.size if row else there[key, version_id].size,
            "sha256": row.sha256 if row else there[key, version_id].sha256,
            "found": (key, version_id) in there,
        }
        for key, version_id in sorted(known.keys() | there.keys())
    ]


def _require_unlocked(version: Version, now: datetime) -> None:
    if version.held:
        raise Refused("对象处于保全状态 / a hold forbids deletion", key=version.key)
    if version.lock_until is not None and version.lock_until > now:
        raise Refused("对象锁定未到期 / locked for longer", key=version.key, until=version.lock_until.isoformat())


async def begin_deletion(
    archive: Archive, settings: Settings, plans: Mapping[UUID, Plan], now: datetime
) -> tuple[list[_Work], list[tuple[UUID, HuiyinError]]]:
    """Write the plans down, after looking again: someone may have set a hold, a date or withdrawn meanwhile."""
    begun, refused = list[_Work](), list[tuple[UUID, HuiyinError]]()
    if not plans:
        return begun, refused
    async with archive.database.write() as session:
        policies = await load_policies(session, settings)
        found = await _rows(session, plans, lock=True)
        # Whoever places a case has the ledger's turn, too: it stands before this look, or comes after the beginning.
        await take_turn(session)
        joining = await still_to_join(session, settings, [work.recording.id for work in found])
        for work in found:
            try:
                _require_confirmed(work.disposal)
                require_eligible(work.recording, policies, now)
                _require_unheld(work.recording, joining)
            except Refused as error:
                refused.append((work.recording.id, error))
                continue
            _begin(work, policies, plans[work.disposal.id], now)
            begun.append(replace(work, plan=plans[work.disposal.id]))
    return begun, refused


def _require_unheld(recording: Recording, joining: Collection[UUID]) -> None:
    if recording.id in joining:
        raise Refused("录音处于保全状态，不得处置 / a hold forbids disposal", recording=recording.id)


def _begin(work: _Work, policies: Policies, plan: Plan, now: datetime) -> None:
    disposal, recording = work.disposal, work.recording
    words = explain_keeping(
        policies,
        call_end=recording.ended_at,
        text_final=recording.text_final_at,
        fixed_until=recording.retain_until,
        now=now,
    )
    move(disposal, BEGIN)
    disposal.plan, disposal.begun_at, disposal.rule = list(plan), now, [words.chinese, words.english]
    recording.life = DISPOSING


async def _empty(archive: Archive, all_work: Sequence[_Work]) -> tuple[list[_Work], list[tuple[UUID, HuiyinError]]]:
    """Delete what the plans name, and what an interrupted sealing has left beside it meanwhile."""
    named = [(item["key"], item["version_id"]) for work in all_work for item in work.plan]
    found = await archive.store.delete_all(named)
    # An earlier, interrupted run has deleted what is not found.
    refused = {
        pair: error
        for pair, error in zip(named, found, strict=True)
        if error is not None and not isinstance(error, NotFound)
    }
    return await _each(all_work, lambda work: _require_empty(archive, work, refused))


async def _require_empty(archive: Archive, work: _Work, refused: Mapping[tuple[str, str], HuiyinError]) -> _Work:
    for item in work.plan:
        if error := refused.get((item["key"], item["version_id"])):
            raise error
    left = await find_versions(archive.store, (item["key"] for item in work.plan), work.recording.id)
    if not left:
        return work
    facts = [{"key": one.key, "version_id": one.version_id, "size": one.size, "sha256": one.sha256} for one in left]
    further = [{**each, "kind": "", "found": True} for each in facts]
    async with archive.database.write() as session:
        disposal = await session.get_one(Disposal, work.disposal.id, with_for_update=True)
        disposal.plan = [*(disposal.plan or ()), *further]
    for one in left:
        await _delete(archive.store, one.key, one.version_id)
    still = await find_versions(archive.store, (one.key for one in left), work.recording.id)
    if still:
        raise Conflict("a version is still there after it was deleted", key=still[0].key)
    return _Work(disposal, work.recording, disposal.plan)


async def _delete(store: ObjectStore, key: str, version_id: str) -> None:
    try:
        await store.delete_version(key, version_id)
    except NotFound:
        return  # an earlier, interrupted run has deleted it


async def _certify(archive: Archive, settings: Settings, emptied: Sequence[_Work]) -> None:
    """Store the certificates; then the catalogue and the ledger change together."""
    if not emptied:
        return
    until = round_up(keep_until(settings, archive.clock()))
    async with archive.database.read() as session:
        answers = await answers_of(session, [work.recording.id for work in emptied])
    documents = [
        Document(
            certificate_key(work.disposal),
            certificate(work.disposal, work.recording, answers[work.recording.id]),
            work.recording.id,
        )
        for work in emptied
    ]
    stored = await store_documents(archive, KIND, documents, until)
    made = dict(zip((work.disposal.id for work in emptied), stored, strict=True))
    async with archive.database.write() as session:
        rows = [work for work in await _rows(session, made, lock=True) if work.disposal.state != DONE]
        await conclude(
            session, [(each.disposal, each.recording, made[each.disposal.id]) for each in rows], archive.clock()
        )
