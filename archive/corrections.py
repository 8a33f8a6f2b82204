"""A person's text in place of the machine's: another sealed version, the earlier ones stay.

A correction names the turns that the person vouches for, with their text: those count as certain from then on, also
where the text is what the machine had heard.  Turns keep their numbers and times; the times of words follow the
characters that stayed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive import layout
from archive.catalogue import Recording, StoredObject, TurnRow
from archive.house import Archive, Then
from archive.retrieve import read_object, read_verified
from archive.seal import NewTurn, seal_transcript
from core.errors import Conflict, NotFound, Refused

SAME, ADDED, REMOVED = "same", "added", "removed"


@dataclass(frozen=True)
class TextVersion:
    """One sealed version of a recording's text.  ``replaces`` is the SHA-256 of the version before, if any."""

    number: int
    author: str
    reason: str
    sealed_at: datetime
    sha256: str
    replaces: str | None
    turns: tuple[NewTurn, ...]
    object_id: UUID


@dataclass(frozen=True)
class Piece:
    """A stretch of text that stayed, was added or was removed."""

    kind: str
    text: str


@dataclass(frozen=True)
class Correction:
    """What a person puts in place of version ``base_version`` of a recording's text: turn → its text, and why."""

    recording_id: UUID
    texts: Mapping[int, str]
    author: str
    reason: str
    base_version: int


async def correct_transcript(
    archive: Archive, asked: Correction, *, retain_until: datetime, then: Then | None = None
) -> int:
    """Seal the next version and return its number.  ``Conflict`` unless ``base_version`` is the newest; ``Refused``
    without a reason, without a turn, or for a turn that is not there."""
    turns = await _present(archive, asked.recording_id, asked.base_version)
    if not asked.reason.strip():
        raise Refused("请写明更正理由 / a correction needs a reason", recording=asked.recording_id)
    unknown = sorted(set(asked.texts) - set(range(len(turns))))
    if unknown or not asked.texts:
        raise Refused("没有这句话 / no such turn", recording=asked.recording_id, turns=unknown or "none")
    return await seal_transcript(
        archive,
        asked.recording_id,
        {"corrected_turns": sorted(asked.texts), "base_version": asked.base_version},
        [corrected_turn(turn, asked.texts[n]) if n in asked.texts else turn for n, turn in enumerate(turns)],
        author=asked.author,
        reason=asked.reason.strip(),
        retain_until=retain_until,
        expected_version=asked.base_version,
        then=then,
    )


async def _present(archive: Archive, recording_id: UUID, base_version: int) -> list[NewTurn]:
    async with archive.database.read() as session:
        recording = await session.get(Recording, recording_id)
        if recording is None:
            raise NotFound("no such recording", recording=recording_id)
        if recording.text_version == 0:
            raise Conflict("there is no text to correct yet", recording=recording_id)
        if recording.text_version != base_version:
            raise Conflict(
                "有人先保存了新的一版 / the text has moved on",
                recording=recording_id,
                expected_version=base_version,
                found=recording.text_version,
            )
        rows = await session.scalars(
            select(TurnRow).where(TurnRow.recording_id == recording_id).order_by(TurnRow.ordinal)
        )
        return [_turn(row) for row in rows]


def _turn(row: TurnRow) -> NewTurn:
    return NewTurn(
        party=row.party,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        text=row.text,
        confidence=row.confidence,
        overlaps=row.overlaps,
        words=row.words,
    )


def corrected_turn(turn: NewTurn, text: str) -> NewTurn:
    """The turn with a text that a person vouches for."""
    return replace(turn, text=text.strip(), confidence=1.0, words=realign(turn.words, text.strip()))


def realign(words: Sequence[Sequence[Any]], text: str) -> list[list[Any]]:
    """The words of ``text``: each character takes the time of the old word that it stands in, or stands in place of.
    Words are ``[start_ms, end_ms, text, probability]``; a person's are certain."""
    owners = [number for number, word in enumerate(words) for _ in word[2]]
    if not owners:
        return []
    places = _places("".join(word[2] for word in words), text)
    spelled = groupby(zip((owners[place] for place in places), text, strict=True), key=lambda pair: pair[0])
    return [
        [words[number][0], words[number][1], "".join(character for _, character in pairs), 1.0]
        for number, pairs in spelled
    ]


def _places(old: str, new: str) -> list[int]:
    """For each character of ``new`` the one of ``old`` whose time it takes; never earlier than the one before it."""
    places: list[int] = []
    for operation, start, stop, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        count, length = stop - start, last - first
        if operation == "insert":
            places += [max(start - 1, 0)] * length
        elif operation != "delete":
            places += [start + place * count // length for place in range(length)]
    return places


def differences(old: str, new: str) -> list[Piece]:
    """What became of ``old``, character by character."""
    found: list[Piece] = []
    for operation, start, stop, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if operation == "equal":
            found.append(Piece(SAME, old[start:stop]))
            continue
        found += [Piece(REMOVED, old[start:stop])] if stop > start else []
        found += [Piece(ADDED, new[first:last])] if last > first else []
    return found


async def text_versions(archive: Archive, recording_id: UUID) -> list[TextVersion]:
    """Every version, oldest first, from the sealed documents themselves; each is checked against its hash."""
    async with archive.database.read() as session:
        rows = await session.scalars(
            select(StoredObject)
            .where(StoredObject.recording_id == recording_id, StoredObject.kind == layout.TRANSCRIPT)
            .order_by(StoredObject.created_at, StoredObject.id)
        )
        stored = list(rows)
    found: dict[int, TextVersion] = {}
    for row in stored:
        version = _version(row, await read_verified(archive, row))
        found.setdefault(version.number, version)
    return [found[number] for number in sorted(found)]


async def open_version(archive: Archive, recording_id: UUID, number: int, *, actor: str) -> TextVersion:
    """One version, after "read" is in the ledger; ``NotFound`` for no such version."""
    async with archive.database.read() as session:
        rows = await session.scalars(
            select(StoredObject)
            .where(StoredObject.recording_id == recording_id, StoredObject.kind == layout.TRANSCRIPT)
            .order_by(StoredObject.created_at)
        )
        row = next((one for one in rows if one.key.endswith(f"/transcript.v{number}.json")), None)
    if row is None:
        raise NotFound("no such version", recording=recording_id, version=number)
    return _version(row, await read_object(archive, row.id, actor=actor, purpose="compare versions"))


def _version(row: StoredObject, content: bytes) -> TextVersion:
    told = json.loads(content)
    return TextVersion(
        number=told["version"],
        author=told["author"],
        reason=told["reason"],
        sealed_at=row.created_at,
        sha256=row.sha256,
        replaces=told["replaces_sha256"],
        turns=tuple(NewTurn(**turn) for turn in told["turns"]),
        object_id=row.id,
    )
