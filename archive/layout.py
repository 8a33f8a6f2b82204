"""Where things lie in the store, and what the objects that explain themselves say.

``recordings/YYYY/MM/DD/<id>/`` holds ``audio.flac``, ``metadata.json``, ``transcript.vN.json``, what people noted at a
second as ``comments/<id>.json``, redacted copies as ``redactions/<id>.flac`` and ``.json`` and, where something
received could not be read to its end, ``remains/<file>``.  The date is that of the call's start in UTC: a key must
never depend on a setting.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import UUID

RECORDING_FORMAT = "huiyin-recording/1"
TRANSCRIPT_FORMAT = "huiyin-transcript-version/1"
AUDIO, METADATA, TRANSCRIPT = "audio", "metadata", "transcript"
# What was received but could not be read to its end: kept as it is, with the recording.
REMAINS = "remains"
COMMENT = "comment"
# Made from the others for handing out; nothing is proved by it but what was handed out.
DERIVED = "derived"
MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


def recording_prefix(recording_id: UUID, started_at: datetime) -> str:
    """What the keys of all objects of a recording begin with, slash included."""
    return f"recordings/{started_at.astimezone(UTC):%Y/%m/%d}/{recording_id}/"


def audio_key(recording_id: UUID, started_at: datetime) -> str:
    return recording_prefix(recording_id, started_at) + "audio.flac"


def metadata_key(recording_id: UUID, started_at: datetime) -> str:
    return recording_prefix(recording_id, started_at) + "metadata.json"


def transcript_key(recording_id: UUID, started_at: datetime, number: int) -> str:
    return recording_prefix(recording_id, started_at) + f"transcript.v{number}.json"


def remains_key(recording_id: UUID, started_at: datetime, file: str) -> str:
    return recording_prefix(recording_id, started_at) + f"remains/{segment(file)}"


def comment_key(recording_id: UUID, started_at: datetime, comment_id: UUID) -> str:
    return recording_prefix(recording_id, started_at) + f"comments/{comment_id}.json"


def redaction_key(recording_id: UUID, started_at: datetime, redaction_id: UUID, ending: str) -> str:
    return recording_prefix(recording_id, started_at) + f"redactions/{redaction_id}.{ending}"


def segment(text: str) -> str:
    """Opaque text (a work order's number) as one segment of a key: itself where it can be, else ``~`` and a hash."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}", text):
        return text
    return "~" + hashlib.sha256(text.encode()).hexdigest()[:40]


def media_type(key: str) -> str:
    """What a browser is told about an object."""
    return MEDIA_TYPES.get(key[key.rfind(".") :], "application/octet-stream")


def document(content: Mapping[str, Any]) -> bytes:
    """JSON as it is sealed: the same facts always give the same bytes, so that sealing again is recognised."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def software_version() -> str:
    """The version of Huiyin that is running, for the objects that it seals."""
    try:
        return version("huiyin")
    except PackageNotFoundError:
        return "not installed"
