"""What telephony knows about a call, and its form on disk.

A call in progress is a directory ``<spool>/<recording id>/`` that explains itself: ``call.json`` (these facts,
replaced atomically whenever they change), ``signalling/NNN.<suffix>`` (raw metadata bodies as received) and one
``<label>.rtpdump`` for each stream.  After a crash the directory *is* the call.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

RECORDING, CLOSED = "recording", "closed"
AGENT, CITIZEN, MIXED, UNKNOWN = "agent", "citizen", "mixed", "unknown"
FACTS_FILE = "call.json"
_NEW_FACTS = FACTS_FILE + ".new"
SIGNALLING_DIR = "signalling"


@dataclass(frozen=True)
class Party:
    """One person in the call.  ``role`` is ``agent``, ``citizen`` or ``unknown``; ``number`` as signalled, without
    scheme and host; ``name`` may be empty.  ``joined_at`` and ``left_at`` are what the metadata said (RFC 7865 §6.5),
    None where it said nothing."""

    role: str
    number: str = ""
    name: str = ""
    aor: str = ""
    joined_at: datetime | None = None
    left_at: datetime | None = None


@dataclass(frozen=True)
class Pause:
    """A stretch that was not recorded on purpose.  ``by`` is ``gateway`` or the user who asked, ``ended_by`` whoever
    ended it (empty: the call's end did); ``ended_at`` is None while it lasts."""

    started_at: datetime
    ended_at: datetime | None
    by: str
    reason: str = ""
    ended_by: str = ""


@dataclass(frozen=True)
class Key:
    """A key that was pressed, as the gateway told it in its signalling; those in the sound's own stream (RFC 4733) are
    read from the spool."""

    digit: str
    at: datetime


@dataclass(frozen=True)
class Stream:
    """One audio m-line: its SDP label, the payload types agreed (``{"8": "PCMA/8000"}``), the party that speaks in it
    (``agent``, ``citizen``, ``mixed``: both at once, or ``unknown``) and its file in the spool directory."""

    label: str
    index: int
    role: str
    file: str
    port: int
    payload_types: Mapping[str, str] = field(default_factory=dict)
    # The dialog that brought it, as an index into ``CallFacts.dialogs``.
    dialog: int = 0
    # SRTP suite (RFC 4568), empty for plain RTP.  The spool holds what was decrypted.
    protection: str = ""
    # Receive statistics, set when the stream closes: packets, bytes, truncated, first_at, last_at …
    received: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallFacts:
    """Everything that signalling said about one call.  Moments are aware UTC."""

    recording_id: UUID
    sip_call_id: str
    started_at: datetime
    state: str = RECORDING
    ended_at: datetime | None = None
    # bye, media timeout, replaced, shutdown, interrupted (found by start-up after a crash)
    end_reason: str = ""
    interrupted: bool = False
    # SIP Call-IDs of every dialog of this recording; more than one where a gateway forks each party by itself.
    dialogs: tuple[str, ...] = ()
    # The gateway's own name for the conversation (vendor header, session group …), shared by recordings of one call.
    group: str = ""
    parties: tuple[Party, ...] = ()
    streams: tuple[Stream, ...] = ()
    work_order: str = ""
    peer: str = ""
    pauses: tuple[Pause, ...] = ()
    keys: tuple[Key, ...] = ()
    # Whatever was odd: "metadata missing", "metadata unreadable", "label 3 not in SDP" … never a reason to refuse.
    flags: tuple[str, ...] = ()

    def party(self, role: str) -> Party | None:
        """The first party of a role, if the call has one."""
        return next((party for party in self.parties if party.role == role), None)

    def flagged(self, *flags: str) -> "CallFacts":
        """With more flags, each kept once."""
        return replace(self, flags=tuple(dict.fromkeys((*self.flags, *flags))))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``from_json`` reads them back."""
        plain: dict[str, Any] = _plain(self)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "CallFacts":
        """Raises ``ValueError`` when the facts cannot be those of a call."""
        try:
            return cls(
                **{
                    **plain,
                    "recording_id": UUID(plain["recording_id"]),
                    "started_at": _moment(plain["started_at"] or "no moment"),
                    "ended_at": _moment(plain.get("ended_at")),
                    "dialogs": tuple(plain.get("dialogs", ())),
                    "parties": tuple(Party(**_moments(party, "joined_at", "left_at")) for party in plain["parties"]),
                    "pauses": tuple(
                        Pause(**_moments(pause, "started_at", "ended_at")) for pause in plain.get("pauses", ())
                    ),
                    "keys": tuple(Key(**_moments(key, "at")) for key in plain.get("keys", ())),
                    "streams": tuple(Stream(**stream) for stream in plain["streams"]),
                    "flags": tuple(plain["flags"]),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not the facts of a call") from error

    def save(self, directory: Path, *, durable: bool = False) -> None:
        """Replace ``call.json`` atomically: for whoever reads it, and for the end of this process.  ``durable``: for a
        power cut as well, at the price of waiting for the disk."""
        self.write_new(directory, durable=durable)
        self.put_new_in_place(directory)

    def write_new(self, directory: Path, *, durable: bool = False) -> None:
        """The first half of ``save``: the facts beside those in force."""
        # One line: the encoder that can indent is ten times as slow, and every call comes through here.
        text = json.dumps(self.to_json(), ensure_ascii=False)
        with (directory / _NEW_FACTS).open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())

    @staticmethod
    def put_new_in_place(directory: Path) -> None:
        """The second half of ``save``."""
        (directory / _NEW_FACTS).replace(directory / FACTS_FILE)

    @classmethod
    def load(cls, directory: Path) -> "CallFacts":
        """Raises ``ValueError`` for unreadable facts, ``OSError`` when there is no file."""
        return cls.from_json(json.loads((directory / FACTS_FILE).read_text(encoding="utf-8")))


def _plain(value: Any) -> Any:
    """JSON has neither moments nor identifiers: both become text."""
    if is_dataclass(value):
        return {name: _plain(item) for name, item in vars(value).items()}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _moments(plain: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**plain, **{name: _moment(plain.get(name)) for name in names}}


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment in time must carry its zone")
    return moment.astimezone(UTC)
