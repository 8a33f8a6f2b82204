"""What the review of a recording takes and answers: waveform, draft, versions, comments, places, checks."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from api.models import Model, Seconds
from api.preferences import FASTEST, SLOWEST

LONGEST_TURN = 4000
Words = Annotated[str, StringConstraints(max_length=LONGEST_TURN)]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]
# The number of a turn, as JSON writes the names of members.
Ordinal = Annotated[int, Field(ge=0, le=100_000)]
Millisecond = Annotated[int, Field(ge=0, le=86_400_000)]


class AudioQuery(Model):
    """``purpose``: why, which auditors have to say; ``form``: as it was sealed, or the same samples as WAV."""

    purpose: str = Field(default="", max_length=200)
    form: Literal["flac", "wav"] = "flac"


class WaveformView(Model):
    """``lanes`` (agent, citizen) in base64: ``per_second`` pairs of minimum and maximum as signed octets."""

    recording_id: UUID
    duration_ms: int
    per_second: int
    lanes: list[str]


class DraftChange(Model):
    """Only the turns that changed; ``null`` takes one out of the draft.  ``base_version`` is the text that they are
    on top of."""

    base_version: int = Field(ge=1)
    texts: dict[Ordinal, Words | None] = Field(default={}, max_length=5000)
    reason: Annotated[str, StringConstraints(max_length=200)] | None = None
    # Put this in place of a draft on top of an earlier version.
    rebase: bool = False


class DraftView(Model):
    """The draft of whoever asks; ``base_version`` 0: there is none."""

    recording_id: UUID
    base_version: int
    text_version: int
    texts: dict[int, str]
    reason: str
    updated_at: datetime | None


class CorrectionRequest(Model):
    """Each turn that the person vouches for, with its text; empty: nothing was said."""

    base_version: int = Field(ge=1)
    reason: Said
    texts: dict[Ordinal, Words] = Field(min_length=1, max_length=5000)


class CorrectionAnswer(Model):
    version: int
    retain_until: datetime


class VersionView(Model):
    """One sealed text.  ``replaces`` is the SHA-256 of the one before."""

    number: int
    author: str
    reason: str
    sealed_at: datetime
    sha256: str
    replaces: str | None


class VersionList(Model):
    items: list[VersionView]


class PieceView(Model):
    kind: Literal["same", "added", "removed"]
    text: str


class TurnDifference(Model):
    ordinal: int
    party: str
    start_ms: int
    pieces: list[PieceView]


class VersionDifference(Model):
    """What became of version ``old`` in version ``new``; only the turns that differ."""

    old: int
    new: int
    turns: list[TurnDifference]


class DifferenceQuery(Model):
    against: int = Field(ge=1)


class CommentRequest(Model):
    at_ms: Millisecond
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class CommentView(Model):
    id: UUID
    at_ms: int
    text: str
    by: str
    at: datetime


class CommentList(Model):
    items: list[CommentView]


class PlaceBody(Model):
    """Where the person stopped listening."""

    position_ms: Millisecond


class PreferencesBody(Model):
    """Only what is to change."""

    single_keys: bool | None = None
    skip_silence: bool | None = None
    follow: bool | None = None
    speed: float | None = Field(default=None, ge=SLOWEST, le=FASTEST)


class PreferencesView(Model):
    single_keys: bool
    skip_silence: bool
    follow: bool
    speed: float


class FaultView(Model):
    key: str
    what: str
    expected: str
    found: str


class CheckView(Model):
    """The recording compared now, to its last byte, with what was sealed."""

    recording_id: UUID
    checked_at: datetime
    sound: bool
    objects: int
    bytes: int
    faults: list[FaultView]
    words: str


class EvidenceQuery(Model):
    """``start`` and ``end`` (seconds, or a time such as ``1:23``) put a clip in place of the whole sound."""

    purpose: Said
    start: Seconds | None = Field(default=None, ge=0, le=86400)
    end: Seconds | None = Field(default=None, gt=0, le=86400)
    # A redacted copy in place of everything.
    redaction: UUID | None = None


class ShareRequest(Model):
    """``redaction``: a redacted copy that the link leads to, in place of the recording."""

    purpose: Said
    hours: int = Field(default=24, ge=1, le=720)
    redaction: UUID | None = None


class AccessView(Model):
    what: Literal["opened", "heard"]
    at: datetime
    address: str


class ShareView(Model):
    """``open``: whether the link still leads anywhere."""

    id: UUID
    purpose: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str
    open: bool
    redaction: UUID | None
    accesses: list[AccessView]


class NewShareView(Model):
    """``address`` is shown here and never again."""

    share: ShareView
    address: str


class ShareList(Model):
    items: list[ShareView]
