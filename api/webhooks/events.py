"""What subscribers may be told: which row of the ledger is which event, and the few identifiers that go with it.

A message says that something happened to a thing; who may know more asks the API for it with a token.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

SEALED, READY, CORRECTED = "recording.sealed", "transcript.ready", "transcript.corrected"
DUE, DISPOSED, HANDOVER = "disposal.due", "recording.disposed", "handover.ready"
ALERT, TEST = "alert", "test"
# What may be chosen; a test comes when somebody asks for one.
EVENTS = (SEALED, READY, CORRECTED, DUE, DISPOSED, HANDOVER, ALERT)

Data = Mapping[str, str | int]
Leaf = Mapping[str, Any]


@dataclass(frozen=True)
class Happened:
    """An event, with the row of the ledger that tells it."""

    event: str
    at: datetime
    data: Data
    seq: int


def _recording(leaf: Leaf) -> Data:
    return {"recording_id": leaf["subject"]}


def _sealed(leaf: Leaf) -> Data | None:
    """Reports and imports are sealed as well."""
    kinds = {each.get("kind") for each in leaf["facts"].get("objects", ())}
    return _recording(leaf) if "audio" in kinds else None


def _text(leaf: Leaf) -> Data:
    return {"recording_id": leaf["subject"], "version": int(leaf["facts"]["version"])}


def _batch(leaf: Leaf) -> Data:
    return {"batch_id": leaf["subject"], "recordings": int(leaf["facts"]["count"])}


def _handover(leaf: Leaf) -> Data:
    return {"export_id": leaf["subject"]}


_TOLD_BY: Mapping[str, tuple[str, Callable[[Leaf], Data | None]]] = {
    "sealed": (SEALED, _sealed),
    "transcribed": (READY, _text),
    "corrected": (CORRECTED, _text),
    "disposals listed": (DUE, _batch),
    "disposed": (DISPOSED, _recording),
    "export finished": (HANDOVER, _handover),
}
LEDGER_KINDS = tuple(_TOLD_BY)


def told_by(text: str) -> Happened | None:
    """The event that a leaf of the ledger tells, if any; ``None`` too for one that cannot be read (verification names
    it)."""
    try:
        leaf = json.loads(text)
        event, data_of = _TOLD_BY[leaf["kind"]]
        data = data_of(leaf)
        return Happened(event, datetime.fromisoformat(leaf["at"]), data, int(leaf["seq"])) if data else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def body(message: UUID, event: str, at: datetime, data: Data) -> str:
    """The JSON that is sent and signed."""
    said = {"id": str(message), "event": event, "time": at.isoformat(timespec="milliseconds"), "data": dict(data)}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
