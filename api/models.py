"""What the HTTP API takes and answers.  The OpenAPI document is generated from these models.

Moments are ISO 8601 in UTC.  Names and telephone numbers of people are masked.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.typed import seconds_typed

# In a form it may be typed as ``1:23``.
Seconds = Annotated[float, BeforeValidator(seconds_typed)]
TextState = Literal["pending", "done", "failed"]


class Model(BaseModel):
    """Unknown members of a request are an error, not silence."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ProblemDocument(Model):
    """RFC 9457 problem details; ``id`` is found in the log."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    id: str


class PartyView(Model):
    number: str
    name: str


class RecordingQuery(Model):
    day: date | None = None
    since: date | None = Field(default=None, alias="from")
    to: date | None = None
    order: str | None = Field(default=None, max_length=64)
    # A word for a party's number: `POST /api/v1/persons` gives it.
    who: str | None = Field(default=None, max_length=40)
    text_state: TextState | None = None
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=200)


class RecordingSummary(Model):
    id: UUID
    started_at: datetime
    ended_at: datetime
    duration_ms: int
    agent: PartyView
    citizen: PartyView
    work_orders: list[str]
    text_state: TextState
    text_confidence: float | None
    interrupted: bool
    held: bool
    retain_until: datetime


class RecordingPage(Model):
    items: list[RecordingSummary]
    next: str | None


class ObjectView(Model):
    """One sealed object version and the hash that its bytes must have; ``verified_at`` is when they last had it."""

    id: UUID
    kind: str
    key: str
    size: int
    sha256: str
    lock_until: datetime
    created_at: datetime
    verified_at: datetime


class LinkView(Model):
    work_order: str
    how: str
    by: str
    at: datetime


class FindingView(Model):
    id: UUID
    question: str
    answer: str
    ordinal: int
    start_ms: int
    sentence: str
    standing: str
    by: str
    at: datetime


class LedgerView(Model):
    seq: int
    at: datetime
    kind: str
    actor: str
    subject: str
    facts: dict[str, Any]
    root: str


class RetentionView(Model):
    """``reason`` in words; ``phrases`` are its parts with ``{years}`` still to fill in, for translation."""

    until: datetime
    reason: str
    phrases: list[str]
    years: int
    held: bool


class PauseView(Model):
    """A stretch that was not recorded on purpose; ``ended_at`` is absent where it lasted to the end of the call."""

    started_at: datetime
    ended_at: datetime | None = None
    by: str
    reason: str = ""


class RecordingDetail(RecordingSummary):
    sip_call_id: str
    sealed_at: datetime
    flags: list[str]
    pauses: list[PauseView]
    text_error: str
    text_version: int
    text_final_at: datetime | None
    retention: RetentionView
    streams: list[dict[str, Any]]
    objects: list[ObjectView]
    links: list[LinkView]
    findings: list[FindingView]


class TurnView(Model):
    """``words`` are [start_ms, end_ms, text, probability]."""

    ordinal: int
    party: str
    start_ms: int
    end_ms: int
    text: str
    confidence: float
    overlaps: bool
    words: list[list[Any]]


class TranscriptView(Model):
    recording_id: UUID
    text_state: TextState
    version: int
    sample_model: bool
    turns: list[TurnView]


class ClipQuery(Model):
    """Seconds from the recording's start, or a time such as ``1:23``; ``level`` raises a quiet clip, ``mix`` puts both
    parties on one channel.  ``purpose``: why it leaves the house, for the ledger."""

    purpose: str = Field(min_length=2, max_length=200)

    start: Seconds = Field(default=0, ge=0, le=86400)
    end: Seconds | None = Field(default=None, gt=0, le=86400)
    level: bool = False
    mix: bool = False


class OrderQuery(Model):
    q: str = Field(default="", max_length=100)
    status: str = Field(default="", max_length=40)
    unit: str = Field(default="", max_length=160)
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=200)


class OrderSummary(Model):
    number: str
    kind: str
    category: list[str]
    title: str
    status: str
    unit: str
    district: str
    street: str
    caller: PartyView
    created_at: datetime | None
    closed_at: datetime | None
    recordings: int


class OrderPage(Model):
    items: list[OrderSummary]
    total: int
    next: str | None


class OrderDetail(OrderSummary):
    tags: str
    content: str
    result: str
    reply: str
    handling: str
    solved: str
    satisfied: str
    nature: str
    imported_at: datetime
    calls: list[RecordingSummary]


class ImportForm(Model):
    """The export as XLSX or CSV, in the part named ``file``."""

    file: bytes = Field(json_schema_extra={"format": "binary"})


class RefusedRow(Model):
    row: int
    number: str
    reason: str


class ImportAnswer(Model):
    added: int
    changed: int
    unchanged: int
    refused: list[RefusedRow]


class LinkQuestionView(Model):
    """``orders`` are those of the ``candidates`` that are imported."""

    recording: RecordingSummary
    reason: str
    candidates: list[str]
    orders: list[OrderSummary]
    asked_at: datetime


class LinkQuestionList(Model):
    items: list[LinkQuestionView]


class LinkRequest(Model):
    work_order: str = Field(min_length=1, max_length=64)


class FindingDecision(Model):
    answer: str = Field(min_length=1, max_length=12)


class ReportView(Model):
    id: UUID
    kind: str
    number: str
    title: str
    period_start: date
    period_end: date
    edition: int
    issued_at: datetime
    issued_by: str
    figures: dict[str, Any]


class PageQuery(Model):
    """Any list without filters; ``cursor``: the ``next`` of the page before."""

    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=200)


class ReportList(Model):
    items: list[ReportView]
    next: str | None


class DailyRequest(Model):
    day: date


class JobReference(Model):
    job: UUID


class JobQuery(Model):
    state: Literal["queued", "running", "done", "failed"] | None = None
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=200)


class FailureView(Model):
    """``kind`` is one word, ``said`` what people are told (``中文 / English``, or nothing), ``text`` the technical
    words, ``id`` what the log has, too.  ``final``: nothing more is tried until a person asks."""

    id: UUID
    kind: str
    said: str
    text: str
    final: bool


class JobView(Model):
    id: UUID
    kind: str
    state: str
    subject: str
    attempts: int
    max_attempts: int
    run_after: datetime
    created_at: datetime
    finished_at: datetime | None
    failure: FailureView | None


class JobList(Model):
    items: list[JobView]
    next: str | None


class CallQuery(Model):
    state: Literal["signalled", "sealed", "missing"] | None = None
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=200)


class PauseBody(Model):
    reason: str = Field(min_length=2, max_length=200)


class ResumeBody(Model):
    """Nothing needs to be said."""


class PauseAnswer(Model):
    """A wish to pause or resume; ``outcome`` is empty until the recorder has answered."""

    id: UUID
    recording_id: UUID
    action: str
    by: str
    reason: str
    asked_at: datetime
    outcome: str


class CallView(Model):
    id: UUID
    state: str
    started_at: datetime
    ended_at: datetime | None
    work_order: str
    note: str
    pause: PauseAnswer | None = None
    # What the recorder sees while the call lasts; ``quality``: good, fair, poor, silent, lost (no sign of its recorder)
    # or empty where unknown.
    agent: PartyView | None = None
    citizen: PartyView | None = None
    quality: str = ""
    paused_by: str = ""
    paused_at: datetime | None = None


class CallList(Model):
    items: list[CallView]
    next: str | None


class Retried(Model):
    """How many jobs are tried again."""

    jobs: int


class Done(Model):
    """Nothing more to say than that it was done."""

    done: bool = True
