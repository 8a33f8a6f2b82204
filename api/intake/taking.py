"""A finished sound file becomes a sealed recording; once, however often it comes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.intake import quarantine
from api.intake.facts import AHEAD, FinishedCall
from api.intake.room import require_room
from archive import layout
from archive.catalogue import Recording, StoredObject
from archive.house import Archive
from archive.seal import NewRecording, hash_file, seal_object, seal_recording
from core.errors import Conflict, HuiyinError
from core.exclusion import alone
from core.jobs import enqueue
from core.ledger import Entry
from core.settings import Settings
from retention.rule import keep_until
from telephony.finished import Finished, decode_finished

UPLOADED, MONO = "uploaded", "mono"
NEXT = ("transcribe", "find_order")
# Files that are decoded at once, over all processes; a call always waits in the same line.
LINES = 4


class Unusable(HuiyinError):
    """What was delivered cannot be taken in; the message says why, and the file lies in quarantine."""


@dataclass(frozen=True)
class Taken:
    """The recording of a delivered file; ``new`` unless it was here before."""

    recording: Recording
    sha256: str
    new: bool


async def take_in(archive: Archive, settings: Settings, call: FinishedCall, file: Path, *, by: str) -> Taken:
    """Seal a file; ``Conflict`` when the call is here with other bytes, ``Unusable`` when it cannot be decoded.

    The file is moved away into quarantine in that case, else left where it is: in a directory of its own (`incoming`),
    in which the decoded sound is made."""
    sha256, size = await asyncio.to_thread(hash_file, file)
    line = f"intake-{call.recording_id.int % LINES}"
    async with alone(archive.database, line, waiting=lambda: None):
        there = await _find(archive, call)
        if there is None:
            if call.started_at > archive.clock() + AHEAD:
                raise await _refused(archive, settings, call, file, sha256, size, by, "started_at lies in the future")
            audio, longest = file.with_name("audio.flac"), timedelta(hours=settings.upload_max_hours)
            try:
                room = partial(require_room, settings)
                found = await asyncio.to_thread(decode_finished, file, audio, longest=longest, meanwhile=room)
            except ValueError as error:
                raise await _refused(archive, settings, call, file, sha256, size, by, str(error)) from None
            recording = await _seal(archive, settings, _described(call, found, sha256, size, by), audio)
        else:
            recording = _same(there, sha256)
        await _keep_original(archive, recording, file)
    return Taken(recording, sha256, there is None)


def _same(there: Recording, sha256: str) -> Recording:
    """What is here is what was delivered, or ``Conflict``."""
    known = there.facts.get("upload", {}).get("sha256")
    if known != sha256:
        raise Conflict(
            "这个通话编号已有另一份录音 / this call has another recording: give each call its own call_id",
            recording=there.id,
        )
    return there


async def _find(archive: Archive, call: FinishedCall) -> Recording | None:
    """By its identifier, or one that was recorded here under the same call identifier."""
    async with archive.database.read() as session:
        there = await session.get(Recording, call.recording_id)
        return there or await session.scalar(select(Recording).where(Recording.sip_call_id == call.call_id).limit(1))


async def _seal(archive: Archive, settings: Settings, recording: NewRecording, audio: Path) -> Recording:
    until = keep_until(settings, recording.ended_at, archive.clock())

    async def next_jobs(session: AsyncSession) -> None:
        payload = {"recording_id": str(recording.id)}
        for kind in NEXT:
            await enqueue(session, kind, payload, now=archive.clock(), key=str(recording.id))

    return await seal_recording(archive, recording, audio, retain_until=until, then=next_jobs)


def _described(call: FinishedCall, found: Finished, sha256: str, size: int, by: str) -> NewRecording:
    return NewRecording(
        id=call.recording_id,
        sip_call_id=call.call_id,
        started_at=call.started_at,
        ended_at=call.started_at + timedelta(milliseconds=found.duration_ms),
        duration_ms=found.duration_ms,
        agent_number=call.agent_number,
        agent_name=call.agent_name,
        citizen_number=call.citizen_number,
        citizen_name=call.citizen_name,
        work_order=call.work_order,
        interrupted=False,
        flags=(UPLOADED, MONO) if found.channels == 1 else (UPLOADED,),
        facts={"upload": _origin(found, sha256, size, by), "call": {"direction": call.direction}, "streams": []},
    )


def _origin(found: Finished, sha256: str, size: int, by: str) -> Mapping[str, Any]:
    return {
        "sha256": sha256,
        "size": size,
        "by": by,
        "container": found.container,
        "codec": found.codec,
        "channels": found.channels,
    }


async def _keep_original(archive: Archive, recording: Recording, file: Path) -> None:
    """Seal the file as it came, too: a decoder's words about it are not the evidence."""
    name = f"original.{recording.facts['upload']['container']}"
    key = layout.remains_key(recording.id, recording.started_at, name)
    if await _has(archive, recording.id, key):
        return
    await seal_object(
        archive,
        key=key,
        kind=layout.REMAINS,
        content=file,
        retain_until=recording.retain_until,
        entry=Entry("kept", recording.facts["upload"]["by"], str(recording.id), {"file": name}),
        recording_id=recording.id,
    )


async def _has(archive: Archive, recording_id: UUID, key: str) -> bool:
    wanted = select(StoredObject.id).where(StoredObject.recording_id == recording_id, StoredObject.key == key)
    async with archive.database.read() as session:
        return await session.scalar(wanted) is not None


async def _refused(
    archive: Archive, settings: Settings, call: FinishedCall, file: Path, sha256: str, size: int, by: str, reason: str
) -> Unusable:
    facts = call.model_dump(mode="json")
    found = quarantine.Quarantined(sha256, size, reason, archive.clock(), by, facts)
    await asyncio.to_thread(quarantine.keep, settings, file, found)
    return Unusable(f"录音无法收取，原件已隔离 / not taken in, the file is in quarantine: {reason}", file=sha256)
