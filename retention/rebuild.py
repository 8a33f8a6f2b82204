"""What is left of recordings that were disposed of, from their certificates; calls that never became recordings; holds,
from their sealed cases and the ledger; policies and nights' lists, from the ledger.

A disposal that was not finished is not brought back: a rebuild never leads to a deletion, people decide anew.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, KEPT, MISSING, SEALED, Call, Recording, StoredObject
from archive.events import Event
from core.effective import EffectiveValue
from retention.disposal import DONE, Disposal, DisposalBatch
from retention.holds import ASKED, HOLDING, LET_GO, RELEASED, STANDING, TOO_LATE, HoldCase, HoldMember

CERTIFICATES, NIGHTLY, HOLDS = "certificates/", "nightly/", "holds/"
SETTING_CHANGED, LISTED = "setting changed", "disposals listed"
MEMBER_STATES = {"held": HOLDING, "hold too late": TOO_LATE, "released": LET_GO}
CASE_STATES = {"release asked": ASKED, "release withdrawn": STANDING}


async def restore_tombstone(
    session: AsyncSession, told: Mapping[str, Any], certificate: StoredObject, events: Sequence[Event]
) -> None:
    """The row that stays of a recording, its call, its disposal and the certificate's own row."""
    recording_id = UUID(told["recording"])
    disposed = next(
        (event.at for event in events if event.kind == "disposed"), datetime.fromisoformat(told["begun_at"])
    )
    recording = _recording(recording_id, told, disposed)
    session.add(recording)
    session.add(
        Call(
            id=recording_id,
            sip_call_id=recording.sip_call_id,
            state=SEALED,
            started_at=recording.started_at,
            ended_at=recording.ended_at,
            work_order=recording.work_order,
        )
    )
    await session.flush()
    certificate.recording_id = recording_id
    session.add(certificate)
    row = _disposal(recording_id, told, disposed, certificate.id)
    if told.get("batch") and await session.get(DisposalBatch, UUID(told["batch"])) is not None:
        row.batch_id = UUID(told["batch"])
    session.add(row)
    await session.flush()


def _recording(recording_id: UUID, told: Mapping[str, Any], disposed: datetime) -> Recording:
    left = told.get("tombstone", {})
    ended = datetime.fromisoformat(told["ended_at"])
    return Recording(
        id=recording_id,
        sip_call_id=left.get("sip_call_id", ""),
        started_at=datetime.fromisoformat(told["started_at"]),
        ended_at=ended,
        duration_ms=left.get("duration_ms", 0),
        work_order=left.get("work_order", ""),
        interrupted=left.get("interrupted", False),
        flags=left.get("flags", []),
        facts={},
        sealed_at=_moment(left.get("sealed_at")) or ended,
        text_state=left.get("text_state", "pending"),
        text_version=left.get("text_version", 0),
        text_final_at=_moment(left.get("text_final_at")),
        text_confidence=left.get("text_confidence"),
        retain_until=datetime.fromisoformat(told["retained_until"]),
        life=DISPOSED,
        disposed_at=disposed,
    )


def _disposal(recording_id: UUID, told: Mapping[str, Any], disposed: datetime, certificate: UUID) -> Disposal:
    return Disposal(
        id=UUID(told["disposal"]),
        recording_id=recording_id,
        state=DONE,
        reason=told["reason"],
        proposed_by=told["proposed_by"],
        proposed_at=datetime.fromisoformat(told["proposed_at"]),
        approved_by=told["approved_by"],
        approved_at=_moment(told["approved_at"]),
        confirmed_by=told["confirmed_by"],
        confirmed_at=_moment(told["confirmed_at"]),
        plan=told["objects"],
        copies=told.get("copies"),
        begun_at=_moment(told["begun_at"]),
        rule=[told["rule"], told["rule_in_english"]] if "rule_in_english" in told else None,
        done_at=disposed,
        certificate=certificate,
    )


async def restore_missing_calls(session: AsyncSession, told: Mapping[str, Any]) -> int:
    """Calls that a night's result names as missing and that are still without a recording; returns how many."""
    count = 0
    for call in told.get("calls", {}).get("missing", ()):
        identifier = UUID(call["call"])
        if await session.get(Call, identifier) is not None:
            continue
        session.add(
            Call(
                id=identifier,
                sip_call_id=call.get("sip_call_id", ""),
                state=MISSING,
                started_at=datetime.fromisoformat(call["started_at"]),
                ended_at=_moment(call.get("ended_at")),
                work_order=call.get("work_order", ""),
                note=call.get("reason", ""),
            )
        )
        count += 1
    await session.flush()
    return count


async def restore_case(session: AsyncSession, told: Mapping[str, Any]) -> None:
    """A case of holds, from the documents of its placing, of who asked for its release, and of that, in this order of
    keys.  Whether the wish for release still stands is told by the ledger."""
    identifier, at = UUID(told["case"]), datetime.fromisoformat(told["at"])
    case = await session.get(HoldCase, identifier)
    if told["step"] == "placed" and case is None:
        case = HoldCase(id=identifier, state=STANDING, placed_by=told["by"], placed_at=at)
        case.name, case.reason, case.scope = told["name"], told["reason"], told["scope"]
        session.add(case)
    elif told["step"] == "release-asked" and case is not None:
        if case.asked_at is None or case.asked_at <= at:
            case.asked_by, case.asked_at, case.asked_why = told["by"], at, told["why"]
    elif told["step"] == "released" and case is not None:
        case.state, case.released_by, case.released_at = RELEASED, told["by"], at
        case.asked_by, case.asked_at, case.asked_why = told["asked_by"], _moment(told["asked_at"]), told["why"]
    await session.flush()


async def restore_hold(session: AsyncSession, event: Event) -> bool:
    """What the ledger tells of a case or of a recording in it; false where the case or recording is not there.

    Whether the store holds it all is seen to once every row was told (``membership.settle_holds``)."""
    if event.kind in CASE_STATES:
        case = await session.get(HoldCase, UUID(event.subject))
        if case is not None and case.state != RELEASED:
            case.state = CASE_STATES[event.kind]
            if case.state == ASKED and case.asked_at is None:  # its document is lost
                case.asked_by, case.asked_at = event.actor, event.at
        return case is not None
    if "case" not in event.facts:
        return True
    case_id, recording = UUID(event.facts["case"]), await session.get(Recording, UUID(event.subject))
    if recording is None or await session.get(HoldCase, case_id) is None:
        return False
    member = await session.get(HoldMember, (case_id, recording.id))
    if member is None:
        member = HoldMember(case_id=case_id, recording_id=recording.id, joined_at=event.at)
        session.add(member)
    member.state = MEMBER_STATES[event.kind]
    await session.flush()
    if recording.life == KEPT:
        holding = exists().where(HoldMember.recording_id == recording.id, HoldMember.state == HOLDING)
        recording.held = bool(await session.scalar(select(holding)))
    await session.flush()
    return True


async def forget_withdrawn(session: AsyncSession) -> None:
    """Once every row was told: cases whose release nobody wishes any more do not say who did."""
    forgotten = update(HoldCase).where(HoldCase.state == STANDING).values(asked_by="", asked_at=None, asked_why="")
    await session.execute(forgotten, execution_options={"synchronize_session": False})


async def restore_setting(session: AsyncSession, event: Event) -> None:
    """A policy, formula or setting that holds from a day on; of two for one day the later."""
    name, day = event.facts["setting"], date.fromisoformat(event.facts["effective_from"])
    row = EffectiveValue(name=name, effective_from=day, value=event.facts["value"])
    row.set_by, row.set_at = event.actor, event.at
    await session.merge(row)
    await session.flush()


async def restore_night(session: AsyncSession, event: Event, zone: ZoneInfo) -> None:
    """The list of one night; the disposals of it that were not carried out are listed anew."""
    if await session.get(DisposalBatch, UUID(event.subject)) is None:
        night = event.at.astimezone(zone).date()
        session.add(DisposalBatch(id=UUID(event.subject), night=night, listed_at=event.at, listed=event.facts["count"]))
        await session.flush()


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
