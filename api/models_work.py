"""What 我的工作 answers, and the timeline of a work order."""

from datetime import date, datetime
from typing import Literal, get_args
from uuid import UUID

from pydantic import Field

from api.models import FindingView, Model, PartyView

WorkKind = Literal["due", "returned", "findings", "text", "link"]
Show = Literal["all", "late", WorkKind]
SHOWS: tuple[str, ...] = get_args(Show)


class WorkQuery(Model):
    show: Show = "all"


class WorkItem(Model):
    """One thing to do.  ``until`` is the last day for it; ``calls`` counts calls since the order was closed."""

    kind: WorkKind
    reason: str
    until: date
    late: bool
    order: str = ""
    title: str = ""
    unit: str = ""
    calls: int = 0
    recording: UUID | None = None
    started_at: datetime | None = None
    citizen: PartyView | None = None
    # Findings to decide.
    count: int = 0


class WorkPage(Model):
    """``items`` in the order of their days, 200 at most; ``counts`` of everything, by kind and ``late`` and ``all``.
    ``more``: there is more than was counted."""

    today: date
    items: list[WorkItem]
    counts: dict[str, int]
    more: bool


class TimelineCall(Model):
    """A call: what was read from it, its text (masked), and what is sealed of it."""

    recording: UUID
    duration_ms: int
    agent: PartyView
    text_state: str
    findings: list[FindingView]
    turns: list["TimelineTurn"]
    materials: dict[str, int] = Field(description="kind of sealed object → how many")


class TimelineTurn(Model):
    ordinal: int
    start_ms: int
    party: str
    text: str


class TimelineStep(Model):
    """``kind``: created, imported, updated, closed, call, linked, asked or answered."""

    at: datetime
    kind: str
    by: str = ""
    said: str = ""
    recording: UUID | None = None
    call: TimelineCall | None = None


class OrderTimeline(Model):
    """What happened to an order, the earliest first.  ``stage`` is absent where its last call is another team's."""

    number: str
    stage: str = ""
    reason: str = ""
    until: date | None = None
    late: bool = False
    steps: list[TimelineStep]
