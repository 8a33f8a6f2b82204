"""Redacted copies of a recording: asked for with a reason, made by a worker, sealed beside the original.

A copy lies in the store as long as its recording, because it proves what was handed out; it can be handed out until it
expires.  Sound and text are objects of kind ``derived``; the text says of what both were made, by hash.
"""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, Text, Uuid, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from archive import layout
from archive.catalogue import KEPT, Recording, StoredObject
from archive.corrections import TextVersion, text_versions
from archive.events import Event
from archive.house import Archive
from archive.redaction import MARK, PAD_MS, Pick, Plan, plan
from archive.redaction_sound import silence
from archive.retrieve import fetch_audio
from archive.seal import hash_file, seal_object
from core.clock import require_utc
from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append

FORMAT = "huiyin-redaction/1"
ASKED, DONE = "asked", "done"
# Kinds of ledger rows.
WANTED, MADE = "redaction asked", "redacted"
LONGEST = timedelta(days=366)
STEP = 0.1

Then = Callable[[AsyncSession, UUID], Awaitable[None]]


class Redaction(Base):
    """One redacted copy.  ``picks`` are numbers of turns and characters (``end`` null: the whole sentence) of text
    version ``text_version``, ``spans`` the silent milliseconds with their padding: nothing that was said."""

    __tablename__ = "redactions"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recording_id: Mapped[UUID] = mapped_column(ForeignKey("recordings.id"), index=True)
    text_version: Mapped[int]
    picks: Mapped[list[Any]] = mapped_column(JSON)
    spans: Mapped[list[Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(String(120))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(10), default=ASKED)
    # How much of the sound is written, 0 to 1.
    written: Mapped[float] = mapped_column(default=0.0)
    audio_sha256: Mapped[str] = mapped_column(String(64), default="")


async def ask_redaction(
    archive: Archive,
    recording_id: UUID,
    picks: Sequence[Pick],
    *,
    base_version: int,
    reason: str,
    lasts: timedelta,
    by: str,
    then: Then | None = None,
) -> Redaction:
    """Write down what a copy is to be; ``then`` enqueues its making.  ``Refused`` for a pick that cannot be located (no
    copy is made then), without a reason or for longer than ``LONGEST``; ``Conflict`` when the text has moved on."""
    if not reason.strip():
        raise Refused("请写明理由 / a redacted copy needs a reason", recording=recording_id)
    if not timedelta(0) < lasts <= LONGEST:
        raise Refused("副本有效期超出允许范围 / out of range", expected=f"at most {LONGEST.days} days")
    texts = await text_versions(archive, recording_id)
    if not texts or texts[-1].number != base_version:
        newest = texts[-1].number if texts else 0
        raise Conflict("the text has moved on", recording=recording_id, expected_version=base_version, found=newest)
    async with archive.database.read() as session:
        recording = await session.get_one(Recording, recording_id)
    # Texts full of repetitions are compared slowly: neither the loop nor a transaction waits for it.
    planned = await asyncio.to_thread(_plan, texts, base_version, picks, recording.duration_ms)
    async with archive.database.write() as session:
        await _require_kept(session, recording_id)
        now = require_utc(archive.clock())
        row = Redaction(
            id=new_id(),
            recording_id=recording_id,
            text_version=base_version,
            picks=[[pick.turn, pick.start, pick.end] for pick in picks],
            spans=_spans(planned),
            reason=reason.strip(),
            asked_by=by,
            asked_at=now,
            expires_at=now + lasts,
            state=ASKED,
            written=0.0,
        )
        session.add(row)
        facts = {"redaction": str(row.id), "reason": row.reason, "text_version": base_version}
        facts |= {"spans": len(row.spans), "expires_at": row.expires_at.isoformat()}
        await append(session, Entry(WANTED, by, str(recording_id), facts), now)
        if then is not None:
            await then(session, row.id)
    return row


async def make_redaction(archive: Archive, redaction_id: UUID) -> None:
    """Write and seal what was asked for; done again it is harmless, and of a recording that is gone nothing is made."""
    async with archive.database.read() as session:
        row = await session.get(Redaction, redaction_id)
        recording = await session.get(Recording, row.recording_id) if row else None
    if row is None or recording is None or row.state == DONE or recording.life != KEPT:
        return
    texts = await text_versions(archive, recording.id)
    picks = [Pick(*each) for each in row.picks]
    planned = await asyncio.to_thread(_plan, texts, row.text_version, picks, recording.duration_ms)
    with tempfile.TemporaryDirectory(prefix="huiyin-") as directory:
        source, copy = Path(directory) / "audio.flac", Path(directory) / "copy.flac"
        await fetch_audio(archive, recording.id, source, purpose="redaction")
        await _write_sound(archive, row, planned, source, copy)
        sound = await _seal_sound(archive, recording, row, copy)
        document = _document(row, recording, planned, await asyncio.to_thread(hash_file, source), sound, texts)
    await _seal_text(archive, recording, row, sound, document)


async def _write_sound(archive: Archive, row: Redaction, planned: Plan, source: Path, copy: Path) -> None:
    steps, told = silence(source, copy, planned.spans), 0.0
    while (share := await asyncio.to_thread(next, steps, None)) is not None:
        if share - told < STEP:
            continue
        told = share
        async with archive.database.write() as session:
            await session.execute(update(Redaction).where(Redaction.id == row.id).values(written=share))


async def _seal_sound(archive: Archive, recording: Recording, row: Redaction, copy: Path) -> StoredObject:
    return await seal_object(
        archive,
        key=layout.redaction_key(recording.id, recording.started_at, row.id, "flac"),
        kind=layout.DERIVED,
        content=copy,
        retain_until=recording.retain_until,
        entry=Entry(MADE, row.asked_by, str(recording.id), {"redaction": str(row.id), "part": "sound"}),
        recording_id=recording.id,
    )


async def _seal_text(
    archive: Archive, recording: Recording, row: Redaction, sound: StoredObject, document: Mapping[str, Any]
) -> None:
    facts = {"redaction": str(row.id), "part": "text", "source": document["source"]}
    await seal_object(
        archive,
        key=layout.redaction_key(recording.id, recording.started_at, row.id, "json"),
        kind=layout.DERIVED,
        content=layout.document(document),
        retain_until=recording.retain_until,
        entry=Entry(MADE, row.asked_by, str(recording.id), facts),
        recording_id=recording.id,
    )
    # By itself: an interrupted attempt may have sealed the text already.
    async with archive.database.write() as session:
        done = {"state": DONE, "written": 1.0, "audio_sha256": sound.sha256}
        await session.execute(update(Redaction).where(Redaction.id == row.id).values(**done))


def _plan(texts: Sequence[TextVersion], number: int, picks: Sequence[Pick], duration_ms: int) -> Plan:
    newest = next((text for text in texts if text.number == number), None)
    if newest is None or texts[0].number != 1:
        raise Conflict("the text that was picked from is not there", expected_version=number)
    return plan(texts[0].turns, newest.turns, picks, duration_ms=duration_ms)


def _spans(planned: Plan) -> list[list[int]]:
    return [[span.start_ms, span.end_ms] for span in planned.spans]


def _document(
    row: Redaction,
    recording: Recording,
    planned: Plan,
    source: tuple[str, int],
    sound: StoredObject,
    texts: Sequence[TextVersion],
) -> Mapping[str, Any]:
    """What the copy says: its text, and of what both were made.  No party's name or number, and not the reason, in
    which somebody may have named one: that is in the ledger."""
    text = next(each for each in texts if each.number == row.text_version)
    return {
        "format": FORMAT,
        "id": str(row.id),
        "recording_id": str(recording.id),
        "text_version": row.text_version,
        "picks": row.picks,
        "asked_by": row.asked_by,
        "asked_at": row.asked_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "source": {"audio_sha256": source[0], "audio_size": source[1], "transcript_sha256": text.sha256},
        "audio": {"sha256": sound.sha256, "size": sound.size, "duration_ms": recording.duration_ms},
        "padding_ms": PAD_MS,
        "mark": MARK,
        "spans": _spans(planned),
        "turns": [asdict(turn) for turn in planned.turns],
    }


def redaction_of(document: Mapping[str, Any], events: Iterable[Event]) -> Redaction:
    """The row that a sealed copy and the ledger tell of; ``KeyError``, ``TypeError`` or ``ValueError`` for anything
    else."""
    wanted = (event for event in events if event.kind == WANTED and event.facts.get("redaction") == document["id"])
    reasons = [str(event.facts.get("reason", "")) for event in wanted]
    return Redaction(
        id=UUID(document["id"]),
        recording_id=UUID(document["recording_id"]),
        text_version=int(document["text_version"]),
        picks=[[int(turn), int(start), end] for turn, start, end in document["picks"]],
        spans=[[int(start), int(end)] for start, end in document["spans"]],
        reason=reasons[0] if reasons else "",
        asked_by=str(document["asked_by"]),
        asked_at=datetime.fromisoformat(document["asked_at"]),
        expires_at=datetime.fromisoformat(document["expires_at"]),
        state=DONE,
        written=1.0,
        audio_sha256=str(document["audio"]["sha256"]),
    )


async def redactions_of(session: AsyncSession, recording_id: UUID) -> list[Redaction]:
    """A recording's redacted copies, newest first."""
    query = select(Redaction).where(Redaction.recording_id == recording_id).order_by(Redaction.asked_at.desc())
    return list(await session.scalars(query))


async def find_redaction(session: AsyncSession, recording_id: UUID, redaction_id: UUID) -> Redaction:
    """A copy of this recording; ``NotFound`` otherwise."""
    row = await session.get(Redaction, redaction_id)
    if row is None or row.recording_id != recording_id:
        raise NotFound("没有这份遮盖副本 / no such redacted copy", redaction=redaction_id)
    return row


async def usable(session: AsyncSession, recording_id: UUID, redaction_id: UUID, now: datetime) -> Redaction:
    """A copy that may be handed out; ``NotFound``, ``Conflict`` before it is made, ``Refused`` once it has expired."""
    row = await find_redaction(session, recording_id, redaction_id)
    if row.state != DONE:
        raise Conflict("遮盖副本还没有做好 / the redacted copy is not made yet", redaction=redaction_id)
    if now >= row.expires_at:
        raise Refused(
            "遮盖副本已过有效期 / this redacted copy has expired",
            redaction=redaction_id,
            expired=row.expires_at.isoformat(),
            remedy="make another one",
        )
    return row


async def object_of(session: AsyncSession, row: Redaction, ending: str) -> StoredObject:
    """The copy's sound (``flac``) or text (``json``) in the store."""
    recording = await session.get_one(Recording, row.recording_id)
    key = layout.redaction_key(recording.id, recording.started_at, row.id, ending)
    query = select(StoredObject).where(StoredObject.key == key).order_by(StoredObject.created_at).limit(1)
    found = await session.scalar(query)
    if found is None:
        raise NotFound("the copy's object is not in the catalogue", key=key)
    return found


def turns_of(content: bytes) -> list[dict[str, Any]]:
    """The turns that a sealed copy's document tells."""
    return list(json.loads(content)["turns"])


async def _require_kept(session: AsyncSession, recording_id: UUID) -> None:
    recording = await session.get(Recording, recording_id, with_for_update=True)
    if recording is None:
        raise NotFound("no such recording", recording=recording_id)
    if recording.life != KEPT:
        raise Conflict("this recording has been disposed of", recording=recording_id)
