"""What the HTTP API takes and answers about redacted copies."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from api.models import FailureView, Model
from api.models_review import Ordinal, Said

Kind = Literal["number", "name", "address"]
Place = Annotated[int, Field(ge=0, le=100_000)]


class PickBody(Model):
    """Characters of a sentence as the transcript shows it, ``start`` to ``end`` (not included); without both the whole
    sentence."""

    turn: Ordinal
    start: Place | None = None
    end: Place | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> "PickBody":
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together")
        return self


class RedactionRequest(Model):
    """``phrases`` are covered wherever they stand; ``days``: for how long the copy may be handed out."""

    base_version: int = Field(ge=1)
    reason: Said
    picks: list[PickBody] = Field(default=[], max_length=2000)
    phrases: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]] = Field(
        default=[], max_length=200
    )
    days: int = Field(default=30, ge=1, le=366)


class SuggestionView(Model):
    """A stretch of the shown text that a rule takes for personal data; rules miss some, and some they get wrong."""

    kind: Kind
    turn: int
    start: int
    end: int
    words: str


class SuggestionList(Model):
    version: int
    items: list[SuggestionView]


class RedactionView(Model):
    """``written`` is the share of the sound that is written; ``failure`` why the making waits or failed; ``usable``: it
    may be handed out now."""

    id: UUID
    recording_id: UUID
    text_version: int
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    state: Literal["asked", "done", "failed"]
    written: float
    failure: FailureView | None
    spans: list[tuple[int, int]]
    audio_sha256: str
    usable: bool


class RedactionList(Model):
    items: list[RedactionView]


class RedactedQuery(Model):
    purpose: Said


class RedactedAudioQuery(RedactedQuery):
    """``form``: as it was sealed, or the same samples as WAV."""

    form: Literal["flac", "wav"] = "flac"


class RedactedTurn(Model):
    party: str
    start_ms: int
    end_ms: int
    text: str


class RedactedText(Model):
    """The copy's text; ``mark`` stands for what is covered, ``source`` names the hashes of what it was made of."""

    id: UUID
    recording_id: UUID
    mark: str
    padding_ms: int
    spans: list[tuple[int, int]]
    source: dict[str, Any]
    turns: list[RedactedTurn]
