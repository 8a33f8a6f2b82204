"""The certificate of a disposal: what was deleted, with hashes, by which rule, on whose decision, and when."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from core.ledger import canonical
from retention.disposal import Disposal
from workorders.orders import Finding

FORMAT = "huiyin-disposal-certificate/3"
KIND = "certificate"


def certificate_key(disposal: Disposal) -> str:
    """By the time at which deletion began, not this run's: an interrupted run's certificate is found by its bytes."""
    assert disposal.begun_at
    return f"certificates/{disposal.begun_at:%Y/%m/%d}/{disposal.recording_id}.json"


def decided(disposal: Disposal) -> Mapping[str, object]:
    """Who decided, and how much was deleted: what the ledger's row says too."""
    return {
        "disposal": str(disposal.id),
        "batch": str(disposal.batch_id) if disposal.batch_id else None,
        "proposed_by": disposal.proposed_by,
        "approved_by": disposal.approved_by,
        "confirmed_by": disposal.confirmed_by,
        "versions": len(disposal.plan or ()),
    }


def certificate(disposal: Disposal, recording: Recording, answers: Sequence[Finding]) -> bytes:
    """The certificate's bytes; the same disposal gives the same, whichever run makes it."""
    assert disposal.approved_at
    assert disposal.confirmed_at
    assert disposal.begun_at
    rule, rule_in_english = disposal.rule or ("", "")
    return canonical(
        {
            "format": FORMAT,
            **decided(disposal),
            "recording": str(recording.id),
            "started_at": recording.started_at.isoformat(),
            "ended_at": recording.ended_at.isoformat(),
            "retained_until": recording.retain_until.isoformat(),
            "rule": rule,
            "rule_in_english": rule_in_english,
            "reason": disposal.reason,
            "proposed_at": disposal.proposed_at.isoformat(),
            "approved_at": disposal.approved_at.isoformat(),
            "confirmed_at": disposal.confirmed_at.isoformat(),
            "begun_at": disposal.begun_at.isoformat(),
            "objects": disposal.plan,
            # Exports that held it: ours are gone, those in other hands are told with their receipts.
            "copies": disposal.copies or [],
            "nothing_left": True,
            "tombstone": tombstone(recording, answers),
        }
    ).encode()


async def answers_of(session: AsyncSession, recordings: Iterable[UUID]) -> Mapping[UUID, list[Finding]]:
    """The answers of each recording, which stay for the figures."""
    found: dict[UUID, list[Finding]] = {identifier: [] for identifier in recordings}
    query = select(Finding).where(Finding.recording_id.in_(found)).order_by(Finding.recording_id, Finding.question)
    for row in await session.scalars(query):
        found[row.recording_id].append(row)
    return found


def tombstone(recording: Recording, answers: Sequence[Finding]) -> Mapping[str, object]:
    """What the catalogue keeps of a recording that is gone, so that the store alone can tell it; no person's data."""
    final = recording.text_final_at
    return {
        "sip_call_id": recording.sip_call_id,
        "duration_ms": recording.duration_ms,
        "work_order": recording.work_order,
        "interrupted": recording.interrupted,
        "flags": list(recording.flags),
        "sealed_at": recording.sealed_at.isoformat(),
        "text_state": recording.text_state,
        "text_version": recording.text_version,
        "text_final_at": final.isoformat() if final else None,
        "text_confidence": recording.text_confidence,
        "answers": [
            {
                "id": str(row.id),
                "question": row.question,
                "answer": row.answer,
                "ordinal": row.ordinal,
                "start_ms": row.start_ms,
                "rule": row.rule,
                "text_version": row.text_version,
                "standing": row.standing,
                "by": row.by,
                "at": row.at.isoformat(),
            }
            for row in answers
        ],
    }
