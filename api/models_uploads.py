"""What the API takes and answers about finished recordings that gateways deliver as files."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.intake.facts import FinishedCall
from api.models import Model


class UploadForm(Model):
    """``file`` is a WAV, MP3, OGG or FLAC file, mono or stereo (agent left); ``metadata`` is JSON."""

    metadata: FinishedCall
    file: bytes = Field(json_schema_extra={"format": "binary"})


class UploadAnswer(Model):
    """``sha256`` is that of the file as it came; ``new`` unless the same call with the same bytes was here before."""

    id: UUID
    call_id: str
    sha256: str
    duration_ms: int
    flags: list[str]
    retain_until: datetime
    new: bool


class QuarantinedView(Model):
    """``name`` is what it is called in quarantine; ``call_id`` is empty where that could not be read."""

    name: str
    sha256: str
    size: int
    reason: str
    at: datetime
    by: str
    call_id: str


class QuarantineList(Model):
    items: list[QuarantinedView]


class QuarantineRetry(Model):
    """``metadata``: better facts than those that came with the file; ``null``: those."""

    metadata: FinishedCall | None = None


class QuarantineRemoval(Model):
    reason: str = Field(min_length=2, max_length=200)
