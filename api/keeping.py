"""What the HTTP API takes and answers about holds, disposals and policies.  Telephone numbers are answered masked."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from api.failing import failure_view
from api.masking import mask_number, mask_text
from api.models import FailureView, Model
from core.jobs import JobRow
from retention.disposal import Disposal, DisposalBatch
from retention.explaining import Explanation
from retention.holds import HOLDING, HOLDS, LETTING, RELEASED, HoldCase, HoldMember

MOST = 10_000


class HoldRequest(Model):
    """Orders, persons and days narrow each other; ``recordings`` are held besides."""

    name: str = Field(min_length=1, max_length=120)
    reason: str = Field(min_length=1, max_length=2000)
    orders: list[str] = Field(default=[], max_length=MOST)
    persons: list[str] = Field(default=[], max_length=100)
    since: date | None = Field(default=None, alias="from")
    to: date | None = None
    recordings: list[UUID] = Field(default=[], max_length=MOST)


class HoldView(Model):
    id: UUID
    name: str
    reason: str
    state: str
    orders: list[str]
    persons: list[str]
    since: str = Field(alias="from")
    to: str
    listed: int
    placed_by: str
    placed_at: datetime
    asked_by: str
    asked_at: datetime | None
    asked_why: str
    released_by: str
    released_at: datetime | None
    # When all that was in its scope had joined.
    applied_at: datetime | None
    # Recordings are still joining, being held or being let go; ``failure``: why that waits.
    working: bool
    failure: FailureView | None
    recordings: dict[str, int]


class HoldList(Model):
    items: list[HoldView]


class HeldRecording(Model):
    recording: UUID
    state: str
    joined_at: datetime


class HoldDetail(Model):
    """``next``: ask again with it as ``cursor`` for further recordings."""

    hold: HoldView
    recordings: list[HeldRecording]
    next: str | None


class HoldQuery(Model):
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=200, ge=1, le=1000)


class ReleaseRequest(Model):
    reason: str = Field(min_length=1, max_length=2000)


class DisposalQuery(Model):
    batch: UUID | None = None
    state: str | None = Field(default=None, max_length=10)
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=200, ge=1, le=1000)


class DisposalView(Model):
    id: UUID
    recording_id: UUID
    batch_id: UUID | None
    state: str
    reason: str
    proposed_by: str
    proposed_at: datetime
    approved_by: str
    approved_at: datetime | None
    confirmed_by: str
    confirmed_at: datetime | None
    stopped_by: str
    stopped_why: str
    kept_until: datetime | None
    begun_at: datetime | None
    done_at: datetime | None
    certificate: UUID | None


class DisposalList(Model):
    items: list[DisposalView]
    next: str | None


class ProposalRequest(Model):
    recording: UUID
    reason: str = Field(min_length=1, max_length=2000)


class BatchView(Model):
    id: UUID
    night: date
    listed_at: datetime
    listed: int
    states: dict[str, int]


class BatchList(Model):
    items: list[BatchView]


class DecisionRequest(Model):
    """Which recordings of a batch; none means all that wait for this decision."""

    recordings: list[UUID] = Field(default=[], max_length=MOST)


class KeepRequest(Model):
    """``until``: the last day on which they must still be there."""

    recordings: list[UUID] = Field(min_length=1, max_length=1000)
    reason: str = Field(min_length=1, max_length=2000)
    until: date


class DecisionAnswer(Model):
    count: int


class PolicyRequest(Model):
    """Either ``years``, or a contract with its last day."""

    effective_from: date
    years: int | None = None
    contract: str = Field(default="", max_length=50)
    begins: date = date.min
    ends: date | None = None
    years_after: int = 0


class PolicyValue(Model):
    effective_from: date
    years: int | None = None
    contract: str = ""
    begins: date | None = None
    ends: date | None = None
    years_after: int = 0


class PolicyList(Model):
    """``floor``: the years of the installation's settings, which no policy undercuts."""

    floor: int
    items: list[PolicyValue]


class RetentionExplanation(Model):
    until: datetime
    held: bool
    chinese: str
    english: str


def hold_view(case: HoldCase, counts: dict[str, int], job: JobRow | None) -> HoldView:
    """``job``: the last of the case that is not done."""
    working = _unfinished(case, counts)
    plain = {name: getattr(case, name) for name in HoldView.model_fields if hasattr(case, name)}
    scope = case.scope
    return HoldView.model_validate(
        {
            **plain,
            "name": mask_text(case.name),
            "reason": mask_text(case.reason),
            "asked_why": mask_text(case.asked_why),
            "orders": scope["orders"],
            "persons": [mask_number(each) for each in scope["persons"]],
            "from": scope["first"],
            "to": scope["last"],
            "listed": len(scope["recordings"]),
            "working": working,
            "failure": failure_view(job) if working else None,
            "recordings": counts,
        }
    )


def _unfinished(case: HoldCase, counts: dict[str, int]) -> bool:
    if case.state == RELEASED:
        return any(counts.get(state) for state in (*HOLDS, LETTING))
    return case.applied_at is None or bool(counts.get(HOLDING))


def held_recording(member: HoldMember) -> HeldRecording:
    return HeldRecording(recording=member.recording_id, state=member.state, joined_at=member.joined_at)


def disposal_view(row: Disposal) -> DisposalView:
    return DisposalView.model_validate({name: getattr(row, name) for name in DisposalView.model_fields})


def batch_view(row: DisposalBatch, states: dict[str, int]) -> BatchView:
    return BatchView(id=row.id, night=row.night, listed_at=row.listed_at, listed=row.listed, states=states)


def explanation_view(found: Explanation) -> RetentionExplanation:
    return RetentionExplanation(until=found.until, held=found.held, chinese=found.chinese, english=found.english)
