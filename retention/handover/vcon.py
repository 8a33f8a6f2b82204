"""A call as a vCon (draft-ietf-vcon-vcon-core-04 of September 2026; its deprecated ``vcon`` parameter is "0.4.0", which
readers of earlier drafts look at).

Audio and transcripts are external references with content hashes.  The draft wants HTTPS URLs there; in a bag that is
read offline they are relative references (RFC 3986, section 4.2) to files beside the vCon.  The identifier is the
recording's own UUID of version 7 where the draft recommends version 8, FLAC is not among its recommended media types,
and the signature that it recommends is the bag's, over every file.  No other deviation.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archive.catalogue import Recording
from archive.layout import media_type, software_version
from retention.handover.journal import Written

DRAFT = "draft-ietf-vcon-vcon-core-04"
SYNTAX = "0.4.0"


@dataclass(frozen=True)
class Files:
    """What a vCon points at: all lie under its own directory, ``prefix``."""

    prefix: str
    audio: Written | None
    metadata: Written | None
    transcripts: Sequence[Written]
    others: Sequence[Written]


def content_hash(written: Written) -> str:
    """The hash of external content as the draft writes it: algorithm, hyphen, base64url without padding."""
    return "sha512-" + base64.urlsafe_b64encode(bytes.fromhex(written.sha512)).rstrip(b"=").decode()


def vcon(recording: Recording, files: Files) -> dict[str, Any]:
    """The call: two parties (0 the agent, 1 the citizen), one recording, its transcripts, its other files."""
    started = recording.started_at.isoformat()
    attachments = [*([files.metadata] if files.metadata else []), *files.others]
    return {
        "vcon": SYNTAX,
        "uuid": str(recording.id),
        "created_at": recording.sealed_at.isoformat(),
        "subject": f"回访通话 {recording.work_order}".strip(),
        "parties": [
            _party("agent", recording.agent_number, recording.agent_name),
            _party("citizen", recording.citizen_number, recording.citizen_name),
        ],
        "dialog": [_dialog(recording, files)],
        "analysis": [_transcript(files, written) for written in files.transcripts],
        "attachments": [
            {"purpose": "metadata" if one is files.metadata else "received", "start": started, "party": 0, "dialog": 0}
            | _reference(files, one)
            for one in attachments
        ],
    }


def _party(role: str, number: str, name: str) -> dict[str, str]:
    # Nobody proved to us to be who the gateway says.
    known = {"tel": f"tel:{number}" if number else "", "name": name, "validation": "none" if name else ""}
    return {"type": role, **{key: value for key, value in known.items() if value}}


def _dialog(recording: Recording, files: Files) -> Mapping[str, Any]:
    """Channel 1 (left) is party 0, who called, so that no ``originator`` is named; channel 2 is party 1."""
    about = {
        "start": recording.started_at.isoformat(),
        "duration": recording.duration_ms / 1000,
        "parties": [0, 1],
    }
    if files.audio is None:
        return {"type": "incomplete", "disposition": "failed", **about}
    return {"type": "recording", **about, **_reference(files, files.audio)}


def _transcript(files: Files, written: Written) -> dict[str, Any]:
    return {
        "type": "transcript",
        "dialog": 0,
        "vendor": "Huiyin",
        "product": f"huiyin {software_version()}",
        "schema": "huiyin-transcript-version/1",
        **_reference(files, written),
    }


def _reference(files: Files, written: Written) -> dict[str, Any]:
    name = written.path.rpartition("/")[2]
    place = written.path.removeprefix(files.prefix)
    return {"mediatype": media_type(name), "filename": name, "url": place, "content_hash": content_hash(written)}
