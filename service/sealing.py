"""One closed call: assemble, seal, keep what could not be read, and only then remove it from the spool.

Doing it twice is harmless; losing a call is not possible before the catalogue's transaction has committed.
"""

import asyncio
import base64
import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from archive import layout
from archive.house import Archive
from archive.seal import NewRecording, seal_object, seal_recording
from core import jobs, ledger
from core.settings import Settings
from retention.rule import keep_until
from service.assemblers import Assemblers
from service.kinds import FIND_ORDER, TRANSCRIBE
from service.spool import UNREADABLE_FACTS_FILE
from telephony.call import SIGNALLING_DIR, CallFacts, Party
from telephony.rtp.assemble import Assembly

log = logging.getLogger(__name__)

AUDIO_FILE = "audio.flac"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# Flags of an assembly that say: this stream's spool holds octets that did not become sound.
UNREAD_FLAGS = ("spool unreadable", "spool cut short", "spool damaged")


async def seal_call(archive: Archive, settings: Settings, assemblers: Assemblers, directory: Path) -> tuple[str, ...]:
    """Seal one closed call and remove its spool; returns the files that were kept because they are damaged."""
    facts = await asyncio.to_thread(CallFacts.load, directory)
    with _elsewhere() as elsewhere:
        audio = directory / AUDIO_FILE
        try:
            assembly = await assemblers.assemble(directory, facts, audio)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            # A full spool is emptied by sealing, so sealing must not need room in it.
            audio = elsewhere() / AUDIO_FILE
            assembly = await assemblers.assemble(directory, facts, audio)
        recording = await asyncio.to_thread(describe, facts, assembly, directory)
        retain_until = keep_until(settings, recording.ended_at)

        async def next_jobs(session: AsyncSession) -> None:
            payload = {"recording_id": str(facts.recording_id)}
            for kind in (TRANSCRIBE, FIND_ORDER):
                await jobs.enqueue(session, kind, payload, now=archive.clock(), key=str(facts.recording_id))

        await seal_recording(archive, recording, audio, retain_until=retain_until, then=next_jobs)
    kept = damaged_files(directory, assembly)
    for file in kept:
        entry = ledger.Entry("kept", "system", str(facts.recording_id), {"file": file})
        await seal_object(
            archive,
            key=layout.remains_key(facts.recording_id, facts.started_at, file),
            kind=layout.REMAINS,
            content=directory / file,
            retain_until=retain_until,
            entry=entry,
            recording_id=facts.recording_id,
        )
    await asyncio.to_thread(shutil.rmtree, directory)
    told = {
        "recording": facts.recording_id,
        "seconds": assembly.duration_ms / 1000,
        "interrupted": facts.interrupted,
        "damaged_files": len(kept),
    }
    log.info("sealed", extra={"facts": told})
    return kept


@contextmanager
def _elsewhere() -> "Iterator[Any]":
    """A directory outside the spool, made when it is asked for."""
    made: list[TemporaryDirectory[str]] = []

    def make() -> Path:
        made.append(TemporaryDirectory(prefix="huiyin-"))
        return Path(made[-1].name)

    try:
        yield make
    finally:
        for directory in made:
            directory.cleanup()


def damaged_files(directory: Path, assembly: Assembly) -> tuple[str, ...]:
    """The files of a call that hold more than could be read.  They are evidence as they are."""
    flagged = {flag.rpartition(": ")[0] for flag in assembly.flags if flag.rpartition(": ")[2] in UNREAD_FLAGS}
    files = [str(stream["file"]) for stream in assembly.streams if stream["label"] in flagged]
    present = [file for file in dict.fromkeys((*files, UNREADABLE_FACTS_FILE)) if (directory / file).is_file()]
    return tuple(file for file in present if (directory / file).stat().st_size)


def describe(facts: CallFacts, assembly: Assembly, directory: Path) -> NewRecording:
    """Telephony's facts in the archive's words; nothing that was signalled is left out."""
    agent, citizen = facts.party("agent") or Party("agent"), facts.party("citizen") or Party("citizen")
    return NewRecording(
        id=facts.recording_id,
        sip_call_id=facts.sip_call_id,
        started_at=facts.started_at,
        ended_at=facts.ended_at or facts.started_at,
        duration_ms=assembly.duration_ms,
        agent_number=agent.number,
        agent_name=agent.name,
        citizen_number=citizen.number,
        citizen_name=citizen.name,
        work_order=facts.work_order,
        interrupted=facts.interrupted,
        flags=tuple(dict.fromkeys((*facts.flags, *assembly.flags))),
        facts={
            "call": facts.to_json(),
            "streams": [dict(stream) for stream in assembly.streams],
            "signalling": _raw_signalling(directory / SIGNALLING_DIR),
        },
    )


def _raw_signalling(directory: Path) -> list[dict[str, Any]]:
    """Every metadata body as it was received: text where it is UTF-8, base64 where it is not."""
    bodies = []
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        data = path.read_bytes()
        try:
            bodies.append({"name": path.name, "text": data.decode()})
        except UnicodeDecodeError:
            bodies.append({"name": path.name, "base64": base64.b64encode(data).decode()})
    return bodies
