"""Holds and lives in the catalogue against what the ledger tells of them, and each case against its sealed document."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive import faults
from archive.catalogue import DISPOSED, DISPOSING, KEPT, StoredObject
from archive.comparing import CHECK_COMMENTS, CHECK_REQUESTS, CHECK_SHARES
from archive.events import Event, events_about, events_of_kinds
from archive.faults import Fault
from archive.histories import CHECK_TEXTS, REBUILT, Check, History
from archive.house import Archive
from archive.retrieve import read_verified
from core.errors import Damaged, NotFound
from retention.certificates import KIND as CERTIFICATE
from retention.disposal import Disposal
from retention.holds import HELD, HOLDING, KIND, LETTING, RELEASED, HoldCase, HoldMember, case_key
from workorders.comparing import CHECK_FINDINGS, CHECK_LINKS

# Until the ledger says "released", a member counts as held: letting go may be under way.
HOLDING_STATES = (HOLDING, HELD, LETTING)
PLACED, CASE_RELEASED = "hold placed", "hold released"
APPROVED, CONFIRMED = ("disposal approved", "disposals approved"), ("disposal confirmed", "disposals confirmed")
PAGE = 200


async def compare_holds(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """A recording is held exactly by the cases that the ledger says hold it, and none was let go without a decision."""
    query = select(HoldMember.recording_id, HoldMember.case_id).where(
        HoldMember.recording_id.in_([each.id for each in page]), HoldMember.state.in_(HOLDING_STATES)
    )
    shown = defaultdict[UUID, set[str]](set)
    for recording_id, case_id in await session.execute(query):
        shown[recording_id].add(str(case_id))
    cases = {str(event.facts["case"]) for each in page for event in each.of("released")}
    released = await events_about(session, sorted(cases), [CASE_RELEASED])
    return [fault for each in page for fault in _holds(each, shown[each.id], released)]


def _holds(history: History, shown: set[str], released: Mapping[str, Sequence[Event]]) -> Iterator[Fault]:
    said: set[str] = set()
    for event in history.of("held", "released"):
        case = str(event.facts["case"])
        if event.kind == "held":
            said.add(case)
        elif any(decision.seq < event.seq for decision in released[case]):
            said.discard(case)
        else:
            found = f"ledger row {event.seq}, case {case}"
            yield Fault(history.subject, faults.LET_GO_ALONE, "a decision in the ledger", found)
    if history.life == KEPT and (shown != said or history.held != bool(said)):
        expected, found = _held_by(said, held=bool(said)), _held_by(shown, held=history.held)
        yield Fault(history.subject, faults.OTHER_HOLD, expected, found)


def _held_by(cases: set[str], *, held: bool) -> str:
    """Such as ``held, 2 cases: …``."""
    state = "held" if held else "not held"
    return f"{state}, by case {', '.join(sorted(cases))}" if cases else f"{state}, by no case"


async def compare_lives(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """What is being or was disposed of was decided by two people; what the ledger says is gone is not shown as kept."""
    ids = [each.id for each in page if each.life != KEPT]
    query = select(Disposal.recording_id, Disposal.batch_id).where(Disposal.recording_id.in_(ids))
    batches = {row.recording_id: str(row.batch_id or "") for row in await session.execute(query)}
    kinds = (*APPROVED, *CONFIRMED)
    decided = await events_about(session, sorted(set(batches.values()) - {""}), kinds)
    return [fault for each in page for fault in _life(each, decided.get(batches.get(each.id, ""), []))]


def _life(history: History, of_batch: Sequence[Event]) -> Iterator[Fault]:
    life, gone = history.life, history.of("disposed")
    if not gone and any(item["kind"] == CERTIFICATE for event in history.of(REBUILT) for item in event.objects):
        return  # its certificate is all that is left, and the ledger says that a rebuild found it
    if (life == DISPOSED) != bool(gone):
        said = f"{DISPOSED}, ledger row {gone[0].seq}" if gone else KEPT
        yield Fault(history.subject, faults.OTHER_LIFE, said, life)
    elif life in (DISPOSED, DISPOSING):
        until = gone[0].seq if gone else None
        deciders = _deciders([*history.events, *of_batch], until)
        if len(deciders) < 2:
            yield Fault(history.subject, faults.UNDECIDED, "two decisions by two people", str(len(deciders)))


def _deciders(events: Sequence[Event], until: int | None) -> set[str]:
    """Who approved and who confirmed before a row of the ledger: two people where all is well."""
    before = [event for event in events if until is None or event.seq < until]
    approved = {event.actor for event in before if event.kind in APPROVED}
    confirmed = {event.actor for event in before if event.kind in CONFIRMED}
    if not approved or not confirmed:
        return set(sorted(approved | confirmed)[:1])
    return approved | confirmed


async def compare_cases(archive: Archive) -> AsyncIterator[Fault]:
    """Every case as its sealed documents and the ledger tell it; cases are few."""
    seen: set[str] = set()
    async with archive.database.snapshot() as session:
        cases = (await session.scalars(select(HoldCase).order_by(HoldCase.id))).all()
        told = await events_about(session, [str(case.id) for case in cases], [PLACED, CASE_RELEASED])
        found_again = await _found_again(session)
        placed = [event.subject async for event in events_of_kinds(session, [PLACED])]
    for case in cases:
        seen.add(str(case.id))
        kinds = {event.kind for event in told[str(case.id)]}
        steps = {PLACED: "placed", CASE_RELEASED: "released"}
        kinds |= {kind for kind, step in steps.items() if case_key(case.id, step) in found_again}
        async for fault in _compare_case(archive, case, kinds):
            yield fault
    for subject in placed:
        if subject not in seen:
            yield Fault(f"case {subject}", faults.NOT_IN_CATALOGUE, "an entry", "none")


async def _found_again(session: AsyncSession) -> set[str]:
    """The keys of cases' documents that the ledger knows from a rebuild alone."""
    identifiers = await session.scalars(select(StoredObject.id).where(StoredObject.kind == KIND))
    told = await events_about(session, [str(identifier) for identifier in identifiers], [REBUILT])
    return {item["key"] for events in told.values() for event in events for item in event.objects}


async def _compare_case(archive: Archive, case: HoldCase, kinds: Collection[str]) -> AsyncIterator[Fault]:
    subject = f"case {case.id}"
    if PLACED not in kinds:
        yield Fault(subject, faults.NOT_IN_LEDGER, "an entry", "none")
    if (case.state == RELEASED) != (CASE_RELEASED in kinds):
        said = RELEASED if CASE_RELEASED in kinds else "standing"
        yield Fault(subject, faults.OTHER_CASE, said, case.state)
    for step in ["placed", *(["released"] if CASE_RELEASED in kinds else [])]:
        sealed = await _sealed(archive, case.id, step)
        if sealed is None:
            continue  # the survey of all objects names what is missing or cannot be read
        shown = _shown(case, step)
        # Only the names of what differs: a case's words are about people.
        if different := [name for name, value in shown.items() if sealed.get(name) != value]:
            yield Fault(subject, faults.OTHER_CASE, "the sealed values", ", ".join(different))


def _shown(case: HoldCase, step: str) -> Mapping[str, object]:
    if step == "placed":
        return {"name": case.name, "reason": case.reason, "scope": case.scope, "by": case.placed_by}
    return {"by": case.released_by, "asked_by": case.asked_by, "why": case.asked_why}


async def _sealed(archive: Archive, case: UUID, step: str) -> dict[str, Any] | None:
    query = select(StoredObject).where(StoredObject.key == case_key(case, step)).order_by(StoredObject.created_at)
    async with archive.database.read() as session:
        stored = await session.scalar(query.limit(1))
    try:
        return json.loads(await read_verified(archive, stored)) if stored is not None else None
    except (Damaged, NotFound):
        return None


_DISPOSALS = (*APPROVED, *CONFIRMED, "disposed", REBUILT)
CHECKS: Sequence[Check] = (
    CHECK_TEXTS,
    Check(compare_holds, ("held", "released")),
    Check(compare_lives, _DISPOSALS),
    CHECK_LINKS,
    CHECK_FINDINGS,
    CHECK_COMMENTS,
    CHECK_SHARES,
    CHECK_REQUESTS,
)
