"""What the HTTP API takes and answers about search: words with filters, persons, saved searches, exports."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field, model_validator

from api.models import Model, RecordingSummary, TextState

Solved = Literal["yes", "partly", "no", "unclear"]
Satisfied = Literal["satisfied", "fairly", "dissatisfied", "unclear"]
MOST_EXPORTED = 10_000


class SearchFilters(Model):
    """Everything optional: ``q`` are words, separated by spaces, all of which were said in the call.  ``longer`` and
    ``shorter`` are seconds, ``below`` is a confidence, ``who`` stands for a number (``POST /api/v1/persons``)."""

    q: str = Field(default="", max_length=400)
    since: date | None = Field(default=None, alias="from")
    to: date | None = None
    agent: str | None = Field(default=None, max_length=64)
    order: str | None = Field(default=None, max_length=64)
    unit: str | None = Field(default=None, max_length=160)
    solved: Solved | None = None
    satisfied: Satisfied | None = None
    longer: int | None = Field(default=None, ge=0, le=86_400)
    shorter: int | None = Field(default=None, ge=0, le=86_400)
    below: float | None = Field(default=None, gt=0, le=1)
    held: bool | None = None
    text_state: TextState | None = None
    who: str | None = Field(default=None, max_length=40)

    @model_validator(mode="after")
    def _in_order(self) -> "SearchFilters":
        if self.since and self.to and self.to < self.since:
            raise ValueError("“从”晚于“到” / “from” is later than “to”")
        return self

    def plain(self) -> dict[str, str]:
        """The filters that are set, as an address or a saved search holds them."""
        found = self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, include=set(SearchFilters.model_fields)
        )
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}


class SearchQuery(SearchFilters):
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=20, ge=1, le=100)


class HitView(Model):
    """A sentence that holds a word; ``marks`` are (start, end) places in its text."""

    ordinal: int
    start_ms: int
    end_ms: int
    party: str
    text: str
    marks: list[tuple[int, int]]


class FoundCallView(Model):
    """``sentences`` counts those that hold a word, ``hits`` are the first of them."""

    recording: RecordingSummary
    sentences: int
    hits: list[HitView]


class SearchPage(Model):
    """Calls, newest first.  There are ``count`` from this page on, or more where ``more``.  ``searched_to``: older ones
    were not looked at yet; go on with ``next``."""

    items: list[FoundCallView]
    next: str | None
    count: int
    more: bool
    searched_to: datetime | None


class PersonRequest(Model):
    """A party's whole number: an agent's extension or a telephone."""

    number: str = Field(min_length=3, max_length=64)


class PersonView(Model):
    """``who`` stands for the number in addresses."""

    who: str
    number: str


class SavedSearchRequest(Model):
    name: str = Field(min_length=1, max_length=60)
    filters: SearchFilters


class SavedSearchView(Model):
    id: UUID
    name: str
    filters: dict[str, str]
    saved_at: datetime


class SavedSearchList(Model):
    items: list[SavedSearchView]


class SearchExportRequest(Model):
    """``purpose`` goes into the ledger, before the first byte."""

    purpose: str = Field(min_length=2, max_length=200)
    filters: SearchFilters


class SearchHoldRequest(Model):
    """Hold every recording that is found now."""

    name: str = Field(min_length=1, max_length=120)
    reason: str = Field(min_length=1, max_length=2000)
    filters: SearchFilters
