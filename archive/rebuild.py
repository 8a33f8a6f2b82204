"""Recordings from the store: their facts from ``metadata.json``, their text from its versions, and from the ledger what
no object can hold (when each was sealed, until when it is kept).

Where the ledger says nothing, the objects do as well as they can, and a flag says so.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from archive import layout
from archive.catalogue import SEALED, TEXT_DONE, Call, Recording, StoredObject, TurnRow
from archive.comments import Comment, comment_of
from archive.events import Event
from archive.house import Archive
from archive.rebuild_ledger import Loss
from archive.rebuild_objects import ABSENT, Taken, look_at, named_by, take
from archive.redaction_copies import Redaction, redaction_of
from archive.retrieve import read_verified
from archive.seal import SYSTEM, NewRecording, NewTurn, mean_confidence, object_facts
from archive.search_index import index_turns
from archive.store import Version
from core.errors import Damaged, NotFound
from core.ids import time_of
from core.ledger import Entry, append

RECORDINGS = "recordings/"
_DOCUMENTS = (layout.METADATA, layout.TRANSCRIPT, layout.COMMENT, layout.DERIVED)
REBUILT = "rebuilt"
# Flags of a recording that could not be brought back as it was.
NOT_IN_LEDGER, FACTS_LOST, TEXT_LOST = "rebuilt: not in the ledger", "rebuilt: facts lost", "rebuilt: text lost"


@dataclass(frozen=True)
class Text:
    """One version of a recording's text, and when it was sealed."""

    number: int
    turns: tuple[NewTurn, ...]
    at: datetime


@dataclass
class Salvage:
    """One recording as it comes back, before it is written.  ``texts`` by version, the damaged ones left out."""

    recording: Recording
    taken: Taken
    events: Sequence[Event]
    texts: list[Text] = field(default_factory=list)
    comments: Sequence[Comment] = ()
    redactions: Sequence[Redaction] = ()

    @property
    def losses(self) -> list[Loss]:
        return self.taken.losses


@dataclass
class _Documents:
    """What was read of a recording's documents."""

    facts: dict[str, Any] | None = None
    texts: dict[int, list[NewTurn]] = field(default_factory=dict)
    comments: dict[UUID, Comment] = field(default_factory=dict)
    redactions: dict[UUID, Redaction] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)


def prefix_of(key: str) -> str:
    """``recordings/YYYY/MM/DD/<id>/`` of a recording's key."""
    return "/".join(key.split("/")[:5]) + "/"


def recording_of(prefix: str) -> UUID | None:
    """The identifier in a recording's prefix, if it holds one."""
    try:
        return UUID(prefix.rstrip("/").rpartition("/")[2])
    except ValueError:
        return None


async def recordings(archive: Archive, after: str) -> AsyncIterator[tuple[str, list[Version]]]:
    """The versions of each recording whose prefix comes behind ``after``, in the order of the store's keys."""
    prefix, group = "", list[Version]()
    async for version in archive.store.list_versions(RECORDINGS):
        found = prefix_of(version.key)
        # Markers come in any order, and hide nothing from whoever asks for versions.
        if version.marker or found <= after:
            continue
        if found != prefix and group:
            yield prefix, group
            group = []
        prefix = found
        group.append(version)
    if group:
        yield prefix, group


async def salvage(archive: Archive, prefix: str, listed: Sequence[Version], events: Sequence[Event]) -> Salvage:
    """Read one recording's objects, all but its audio; what is damaged is named and the rest comes back."""
    identifier = UUID(prefix.rstrip("/").rpartition("/")[2])
    versions, losses = await look_at(archive, [*listed, *_elsewhere(prefix, events)])
    named = named_by(events, "")
    started = _started(identifier, prefix)
    taken = take(versions, named, kind_of, recording_id=identifier, otherwise=_last(events, started))
    read = await _read(archive, taken, events)
    taken.losses[:0] = [*losses, *read.losses]
    recording = _recording(identifier, started, read.facts, events)
    _tell_text(recording, taken, read, events)
    _tell_dates(recording, taken, events)
    recording.held = taken.held
    texts = [
        Text(number, tuple(turns), _text_at(events, number) or recording.sealed_at)
        for number, turns in sorted(read.texts.items())
    ]
    return Salvage(recording, taken, events, texts, list(read.comments.values()), list(read.redactions.values()))


def _elsewhere(prefix: str, events: Sequence[Event]) -> list[Version]:
    """What the ledger says was sealed for a recording under other prefixes (its links)."""
    return [
        Version(*place, size=0, sha256="", lock_until=None)
        for place in named_by(events, "")
        if not place[0].startswith(prefix)
    ]


async def write(session: AsyncSession, found: Sequence[Salvage], now: datetime) -> None:
    """Put recordings, their calls, objects, turns and search rows into the database."""
    session.add_all([one.recording for one in found])
    await session.flush()
    session.add_all([_call(one.recording) for one in found])
    session.add_all([row for one in found for row in (*one.taken.rows, *one.comments, *one.redactions)])
    await session.flush()
    await _write_turns(session, [one for one in found if one.texts])
    for one in found:
        await note_unnamed(session, str(one.recording.id), one.taken.unnamed, now)


async def _write_turns(session: AsyncSession, found: Sequence[Salvage]) -> None:
    """The newest text of each, in one statement: rows that the database numbers itself would go one by one."""
    said = [
        (one.recording.id, one.texts[-1].number, ordinal, turn)
        for one in found
        for ordinal, turn in enumerate(one.texts[-1].turns)
    ]
    names = [each.name for each in fields(NewTurn)]
    rows = [
        {
            "id": identifier,
            "recording_id": recording_id,
            "version": version,
            "ordinal": ordinal,
            **{name: getattr(turn, name) for name in names},
        }
        for identifier, (recording_id, version, ordinal, turn) in zip(
            await _turn_ids(session, len(said)), said, strict=True
        )
    ]
    if rows:
        await session.execute(insert(TurnRow), rows)
        await index_turns(session, [TurnRow(**row) for row in rows])


async def _turn_ids(session: AsyncSession, count: int) -> Sequence[int]:
    """The next identifiers of turns; nobody else writes any while a rebuild runs."""
    if session.get_bind().dialect.name == "sqlite":
        first = (await session.scalar(select(func.max(TurnRow.id))) or 0) + 1
        return range(first, first + count)
    numbers = text("SELECT nextval(pg_get_serial_sequence('turns', 'id')) FROM generate_series(1, :count)")
    return (await session.scalars(numbers, {"count": count})).all()


async def note_unnamed(session: AsyncSession, subject: str, rows: Sequence[StoredObject], now: datetime) -> None:
    """Objects that no signed leaf tells of: from now on the ledger does, and says that it is a rebuild's word."""
    if rows:
        facts = {"objects": [object_facts(row) for row in rows], "why": "found in the store, not in the ledger"}
        await append(session, Entry(REBUILT, SYSTEM, subject, facts), now)


def kind_of(key: str) -> str:
    """The kind of a recording's object, told from its key."""
    name = key.rpartition("/")[2]
    if "/remains/" in key:
        return layout.REMAINS
    if "/comments/" in key:
        return layout.COMMENT
    if "/redactions/" in key:
        return layout.DERIVED
    return {"audio.flac": layout.AUDIO, "metadata.json": layout.METADATA}.get(name, layout.TRANSCRIPT)


def _number(key: str) -> int:
    return int(key.rpartition("transcript.v")[2].partition(".")[0])


async def _read(archive: Archive, taken: Taken, events: Sequence[Event]) -> _Documents:
    """The documents of a recording; of several versions of one, the first that is sound."""
    read = _Documents()
    absent = {loss.subject for loss in taken.losses if loss.found == ABSENT}
    for row in taken.rows:
        if row.kind not in _DOCUMENTS or not row.key.endswith(".json") or row.key in absent:
            continue
        try:
            content = json.loads(await read_verified(archive, row))
            if row.kind == layout.METADATA:
                read.facts = read.facts or content["recording"]
            elif row.kind == layout.COMMENT:
                said = comment_of(content)
                read.comments.setdefault(said.id, said)
            elif row.kind == layout.DERIVED:
                copy = redaction_of(content, events)
                read.redactions.setdefault(copy.id, copy)
            else:
                read.texts.setdefault(_number(row.key), [NewTurn(**turn) for turn in content["turns"]])
        except (Damaged, NotFound, ValueError, KeyError, TypeError) as error:
            read.losses.append(Loss(row.key, f"SHA-256 {row.sha256}", str(error)))
    return read


def _started(identifier: UUID, prefix: str) -> datetime:
    """When the recording was begun, where its facts are lost: by its identifier, else by the day in its key."""
    try:
        return time_of(identifier)
    except ValueError:
        year, month, day = prefix.split("/")[1:4]
        return datetime.fromisoformat(f"{year}-{month}-{day}T00:00:00+00:00")


def _last(events: Sequence[Event], otherwise: datetime) -> datetime:
    return events[-1].at if events else otherwise


def _recording(identifier: UUID, started: datetime, facts: dict[str, Any] | None, events: Sequence[Event]) -> Recording:
    if facts is None:
        values: dict[str, Any] = {"sip_call_id": "", "started_at": started, "ended_at": started, "duration_ms": 0}
        values |= {"flags": [FACTS_LOST], "facts": {}, "interrupted": False}
    else:
        values = {each.name: facts[each.name] for each in fields(NewRecording) if each.name != "id"}
        values |= {name: datetime.fromisoformat(facts[name]) for name in ("started_at", "ended_at")}
        values["flags"] = list(values["flags"])
    sealed = next((event.at for event in events if event.kind == "sealed"), None)
    if sealed is None:
        values["flags"].append(NOT_IN_LEDGER)
    return Recording(id=identifier, sealed_at=sealed or values["ended_at"], text_version=0, **values)


def _text_at(events: Sequence[Event], number: int) -> datetime | None:
    texts = (event for event in events if event.kind in ("transcribed", "corrected"))
    return next((event.at for event in texts if event.facts.get("version") == number), None)


def _tell_text(recording: Recording, taken: Taken, read: _Documents, events: Sequence[Event]) -> None:
    numbers = [_number(row.key) for row in taken.rows if row.kind == layout.TRANSCRIPT]
    if not numbers:
        return
    newest = max(numbers)
    recording.text_state, recording.text_version = TEXT_DONE, newest
    # The lock already reaches as far as the true moment asks for: the call's end never shortens it.
    recording.text_final_at = _text_at(events, newest) or recording.ended_at
    if newest not in read.texts:
        recording.flags = [*recording.flags, TEXT_LOST]
    if read.texts:
        recording.text_confidence = mean_confidence(read.texts[max(read.texts)])


def _tell_dates(recording: Recording, taken: Taken, events: Sequence[Event]) -> None:
    """The later of what the ledger says and what the store has locked: dates only move later."""
    said = [datetime.fromisoformat(event.facts["retain_until"]) for event in events if "retain_until" in event.facts]
    locks = [row.lock_until for row in taken.rows if row.kind in (layout.AUDIO, layout.METADATA)]
    found = [*said, *([min(locks)] if locks else [])] or [row.lock_until for row in taken.rows]
    recording.retain_until = max(found)


def _call(recording: Recording) -> Call:
    return Call(
        id=recording.id,
        sip_call_id=recording.sip_call_id,
        state=SEALED,
        started_at=recording.started_at,
        ended_at=recording.ended_at,
        work_order=recording.work_order,
    )
