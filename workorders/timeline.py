"""What happened to an order, in the order of time: its own dates, its calls, and how each call came to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workorders.orders import LinkQuestion, WorkOrder
from workorders.queries import LinkedRecording

CREATED, IMPORTED, UPDATED, CLOSED = "created", "imported", "updated", "closed"
CALL, LINKED, ASKED, ANSWERED = "call", "linked", "asked", "answered"
# What happened at the same moment is told in this order.
_PLACES = (CREATED, CLOSED, CALL, ASKED, ANSWERED, LINKED, IMPORTED, UPDATED)


@dataclass(frozen=True)
class Step:
    """``said``: the unit of an order, how a link was found, or why a question was asked; ``by`` is empty for the
    hotline's own dates."""

    at: datetime
    kind: str
    by: str = ""
    said: str = ""
    recording_id: UUID | None = None


def timeline(order: WorkOrder, linked: Sequence[LinkedRecording], questions: Sequence[LinkQuestion]) -> Sequence[Step]:
    """Every step, the earliest first."""
    steps = [*_own_steps(order)]
    for each in linked:
        steps.append(Step(each.recording.started_at, CALL, recording_id=each.recording.id))
        steps.append(Step(each.link.at, LINKED, each.link.by, each.link.how, each.recording.id))
    for question in questions:
        steps.append(Step(question.asked_at, ASKED, said=question.reason, recording_id=question.recording_id))
        if question.answered_at is not None:
            steps.append(Step(question.answered_at, ANSWERED, question.answered_by, recording_id=question.recording_id))
    return sorted(steps, key=lambda step: (step.at, _PLACES.index(step.kind)))


def _own_steps(order: WorkOrder) -> Sequence[Step]:
    steps = [Step(order.imported_at, IMPORTED)]
    if order.created_at is not None:
        steps.append(Step(order.created_at, CREATED, said=order.unit))
    if order.closed_at is not None:
        steps.append(Step(order.closed_at, CLOSED, said=order.unit))
    if order.updated_at > order.imported_at:
        steps.append(Step(order.updated_at, UPDATED))
    return steps
