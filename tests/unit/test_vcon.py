"""Calls as vCons, against the draft: what we make passes, what it forbids does not."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from archive.catalogue import Recording
from core.ids import new_id
from retention.handover.journal import Written
from retention.handover.vcon import DRAFT, SYNTAX, Files, content_hash, vcon
from tests.vcon_model import VCon

BEGAN = datetime(2026, 11, 20, 2, 30, 0, 250_000, tzinfo=UTC)


def recording(**changes: Any) -> Recording:
    known = {
        "agent_number": "8001",
        "agent_name": "李示例",
        "citizen_number": "13800001234",
        "citizen_name": "王样本",
        "work_order": "GD20261118-0001",
    }
    return Recording(
        id=new_id(BEGAN),
        started_at=BEGAN,
        duration_ms=16_040,
        sealed_at=BEGAN + timedelta(minutes=1),
        **known | changes,
    )


def written(name: str) -> Written:
    return Written(f"data/r/{name}", 3, "ab" * 32, "cd" * 64)


def files(**changes: Any) -> Files:
    parts: dict[str, Any] = {
        "prefix": "data/r/",
        "audio": written("audio.flac"),
        "metadata": written("metadata.json"),
        "transcripts": [written("transcript.v1.json"), written("transcript.v2.json")],
        "others": [written("remains/rest.rtp"), written("remains/notes.txt")],
    }
    return Files(**parts | changes)


def made(call: Recording, parts: Files) -> dict[str, Any]:
    """As it is read from the bag."""
    plain: dict[str, Any] = json.loads(json.dumps(vcon(call, parts)))
    return plain


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (recording(), files()),
        (recording(agent_name="", agent_number="", citizen_name=""), files(transcripts=[])),
        (recording(work_order="", citizen_number="*67#"), files(audio=None, metadata=None, others=[])),
    ],
    ids=["everything", "nobody known", "no sound"],
)
def test_what_we_make_is_what_the_draft_says(call: Recording, parts: Files) -> None:
    checked = VCon.model_validate_json(json.dumps(made(call, parts)))
    assert checked.uuid == call.id
    assert len(checked.analysis) == len(parts.transcripts)


def test_the_version_is_stated() -> None:
    assert (DRAFT, SYNTAX) == ("draft-ietf-vcon-vcon-core-04", "0.4.0")


def test_a_content_hash_is_base64url_without_padding() -> None:
    value = content_hash(Written("x", 1, "", "ff" * 64))
    assert value == "sha512-" + "_" * 85 + "w"


def test_who_called_is_the_first_party() -> None:
    [dialog] = made(recording(), files())["dialog"]
    assert dialog["parties"] == [0, 1]
    assert "originator" not in dialog, "it is named only where the first party did not call"


def remove(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda call: call.pop(name)


@pytest.mark.parametrize(
    "harm",
    [
        remove("uuid"),
        remove("created_at"),
        lambda call: call.update(vcon="0.3.0"),
        lambda call: call.update(created_at="2026-11-20 02:30"),
        lambda call: call.update(appended={}),
        lambda call: call["parties"][0].update(role="agent"),
        lambda call: call["parties"][0].pop("validation"),
        lambda call: call["parties"].pop(),
        lambda call: call["dialog"][0].pop("content_hash"),
        lambda call: call["dialog"][0].update(content_hash="sha512:" + "A" * 86),
        lambda call: call["dialog"][0].update(parties=[0]),
        lambda call: call["dialog"][0].update(parties=[0, 2]),
        lambda call: call["dialog"][0].update(url="../other/audio.flac"),
        lambda call: call["dialog"][0].update(type="incomplete", disposition="failed"),
        lambda call: call["analysis"][0].pop("vendor"),
        lambda call: call["attachments"][0].pop("start"),
        lambda call: call["attachments"][0].update(dialog=1),
    ],
)
def test_what_the_draft_forbids_is_refused(harm: Callable[[dict[str, Any]], object]) -> None:
    call = made(recording(), files())
    harm(call)
    with pytest.raises(ValidationError):
        VCon.model_validate_json(json.dumps(call))
