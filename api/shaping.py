"""Rows become the API's models here, and only here: this is where people's names and numbers are masked."""

import json
from collections.abc import Sequence
from typing import Any

from api.failing import failure_view
from api.masking import mask_name, mask_number, mask_person, mask_text
from api.models import (
    CallView,
    FindingView,
    ImportAnswer,
    JobView,
    LedgerView,
    LinkView,
    ObjectView,
    OrderDetail,
    OrderSummary,
    PartyView,
    PauseAnswer,
    RecordingDetail,
    RecordingSummary,
    RefusedRow,
    ReportView,
    RetentionView,
    TranscriptView,
    TurnView,
)
from archive.catalogue import Call, Recording, StoredObject, TurnRow
from archive.corrections import realign
from archive.live_calls import Live
from archive.pausing import PauseRequest
from core.jobs import JobRow
from core.ledger import LedgerRow
from reporting.reports import Report
from workorders.importing import ImportReport
from workorders.orders import Finding, Link, WorkOrder

# What a job's payload may show: identifiers and days, never people.
_SUBJECTS = ("recording_id", "day", "report_id", "case_id")

SINCE_CALL = "自通话结束之日起保存满 {years} 个日历年，到期次日方可申请处置；在此之前任何人都不能删除。"
SINCE_TEXT = "自文字定稿之日起保存满 {years} 个日历年，到期次日方可申请处置；在此之前任何人都不能删除。"
HELD = "已被审计保全，解除之前不得处置。"


def party(number: str, name: str) -> PartyView:
    return PartyView(number=mask_number(number), name=mask_name(name))


def recording_summary(row: Recording, orders: Sequence[str]) -> RecordingSummary:
    """A row of the list; the number that came with the call stands in until a link exists."""
    return RecordingSummary.model_validate(_summary(row, orders))


def _summary(row: Recording, orders: Sequence[str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "duration_ms": row.duration_ms,
        "agent": party(row.agent_number, row.agent_name),
        "citizen": party(row.citizen_number, row.citizen_name),
        "work_orders": list(orders) or ([row.work_order] if row.work_order else []),
        "text_state": row.text_state,
        "text_confidence": row.text_confidence,
        "interrupted": row.interrupted,
        "held": row.held,
        "retain_until": row.retain_until,
    }


def recording_detail(
    row: Recording,
    *,
    objects: Sequence[StoredObject],
    links: Sequence[Link],
    findings: Sequence[Finding],
    years: int,
) -> RecordingDetail:
    """Everything known of one recording, except its dialogue."""
    return RecordingDetail.model_validate(
        {
            **_summary(row, [link.work_order for link in links]),
            "sip_call_id": row.sip_call_id,
            "sealed_at": row.sealed_at,
            "flags": row.flags,
            "pauses": pauses(row.facts),
            "text_error": mask_text(row.text_error),
            "text_version": row.text_version,
            "text_final_at": row.text_final_at,
            "retention": retention(row, years),
            "streams": streams(row.facts),
            "objects": [stored_object(each) for each in objects],
            "links": [link_view(each) for each in links],
            "findings": [finding_view(each) for each in findings],
        }
    )


def retention(row: Recording, years: int) -> RetentionView:
    """Until when a recording is kept, and in words why."""
    by_text = row.text_final_at is not None and row.text_final_at > row.ended_at
    phrases = [HELD] if row.held else []
    phrases.append(SINCE_TEXT if by_text else SINCE_CALL)
    reason = "".join(phrases).format(years=years)
    return RetentionView(until=row.retain_until, reason=reason, phrases=phrases, years=years, held=row.held)


def streams(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The stream statistics that metadata.json holds: whole numbers and short words only."""
    found = facts.get("streams", [])
    return [_statistics(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def pauses(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The stretches that were not recorded on purpose, as the call's facts tell them."""
    call = facts.get("call", {})
    found = call.get("pauses", []) if isinstance(call, dict) else []
    return [{name: each[name] for name in ("started_at", "ended_at", "by", "reason") if name in each} for each in found]


def _statistics(stream: dict[str, Any]) -> dict[str, Any]:
    flat = {**stream, **(stream.get("received") if isinstance(stream.get("received"), dict) else {})}  # type: ignore[dict-item]
    return {name: value for name, value in flat.items() if isinstance(value, str | int | float | bool)}


def stored_object(row: StoredObject) -> ObjectView:
    return ObjectView.model_validate(row, from_attributes=True)


def link_view(row: Link) -> LinkView:
    return LinkView.model_validate(row, from_attributes=True)


def finding_view(row: Finding) -> FindingView:
    view = FindingView.model_validate(row, from_attributes=True)
    return view.model_copy(update={"sentence": mask_text(view.sentence)})


def turn_view(row: TurnRow) -> TurnView:
    """A turn with the numbers in it masked; its words keep their times."""
    view = TurnView.model_validate(row, from_attributes=True)
    shown = mask_text(row.text)
    if shown == row.text:
        return view
    certainty = {word[0]: word[3] for word in row.words}
    words = [[start, end, text, certainty[start]] for start, end, text, _ in realign(row.words, shown)]
    return view.model_copy(update={"text": shown, "words": words})


def ledger_view(row: LedgerRow) -> LedgerView:
    return LedgerView(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        actor=row.actor,
        subject=row.subject,
        facts=json.loads(row.leaf)["facts"],
        root=row.root.hex(),
    )


def order_summary(row: WorkOrder, recordings: int) -> OrderSummary:
    """An order's line in a list; its caller, and telephone numbers, are masked in its text too."""
    return OrderSummary.model_validate(_order(row, recordings))


def _order(row: WorkOrder, recordings: int) -> dict[str, Any]:
    return {
        "number": row.number,
        "kind": row.kind,
        "category": [part for part in (row.category1, row.category2, row.category3) if part],
        "title": mask_person(row.title, row.caller_phone, row.caller),
        "status": row.status,
        "unit": row.unit,
        "district": row.district,
        "street": row.street,
        "caller": party(row.caller_phone, row.caller),
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "recordings": recordings,
    }


def order_detail(row: WorkOrder, calls: Sequence[RecordingSummary]) -> OrderDetail:
    """One order with its calls."""
    return OrderDetail.model_validate(
        {
            **_order(row, len(calls)),
            "tags": row.tags,
            "content": mask_person(row.content, row.caller_phone, row.caller),
            "result": mask_person(row.result, row.caller_phone, row.caller),
            "reply": mask_person(row.reply, row.caller_phone, row.caller),
            "handling": row.handling,
            "solved": row.solved,
            "satisfied": row.satisfied,
            "nature": row.nature,
            "imported_at": row.imported_at,
            "calls": calls,
        }
    )


def report_view(row: Report) -> ReportView:
    return ReportView.model_validate(row, from_attributes=True)


def job_view(row: JobRow) -> JobView:
    subject = next((str(row.payload[name]) for name in _SUBJECTS if name in row.payload), "")
    return JobView(
        id=row.id,
        kind=row.kind,
        state=row.state,
        subject=subject,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        run_after=row.run_after,
        created_at=row.created_at,
        finished_at=row.finished_at,
        failure=failure_view(row),
    )


def call_view(row: Call, pause: PauseRequest | None = None, live: Live | None = None) -> CallView:
    """A signalled call; ``pause`` is the last request to pause or resume it, ``live`` what its recorder sees."""
    seen = CallView.model_validate(row, from_attributes=True)
    known: dict[str, Any] = {"pause": pause_answer(pause)} if pause else {}
    if live and row.ended_at is None:
        known |= {"agent": party(live.agent_number, live.agent_name), "quality": live.quality}
        known |= {"citizen": party(live.citizen_number, live.citizen_name)}
        known |= {"paused_by": live.paused_by, "paused_at": live.paused_at}
    return seen.model_copy(update=known)


def pause_answer(row: PauseRequest) -> PauseAnswer:
    return PauseAnswer.model_validate(row, from_attributes=True)


def transcript_view(row: Recording, turns: Sequence[TurnRow], *, sample_model: bool) -> TranscriptView:
    """A recording's dialogue."""
    return TranscriptView.model_validate(
        {
            "recording_id": row.id,
            "text_state": row.text_state,
            "version": row.text_version,
            "sample_model": sample_model,
            "turns": [turn_view(turn) for turn in turns],
        }
    )


def import_answer(report: ImportReport) -> ImportAnswer:
    """How an import went, with the reason for every refused row."""
    refused = [RefusedRow(row=row.row, number=row.number, reason=mask_text(row.reason)) for row in report.refused]
    counts = report.counts
    return ImportAnswer(
        added=counts["added"], changed=counts["changed"], unchanged=counts["unchanged"], refused=refused
    )
