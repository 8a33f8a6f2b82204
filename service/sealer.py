"""The sealer: closed spool directory → stereo FLAC → sealed recording → next jobs; only then is the spool removed.

The spool is its queue, so it needs nothing else to know what to do: with the store or the database away it waits and
then catches up, oldest first.  Doing a call twice is harmless (sealing is idempotent); losing one is not possible
before the catalogue's transaction has committed.
"""

import asyncio
import base64
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from archive.house import Archive
from archive.seal import NewRecording, seal_recording
from core import jobs
from core.errors import HuiyinError
from core.settings import Settings
from service import spool
from service.kinds import FIND_ORDER, TRANSCRIBE
from service.proof import wait_for_proven_store
from service.wiring import keep_until
from telephony.call import SIGNALLING_DIR, CallFacts, Party
from telephony.rtp.assemble import Assembly, assemble

log = logging.getLogger(__name__)

POLL_SECONDS = 0.3
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 120.0
AUDIO_FILE = "audio.flac"


@dataclass
class Setbacks:
    """Calls that failed to seal, and when (monotonic seconds) each may be tried again."""

    until: dict[str, float] = field(default_factory=dict)
    count: dict[str, int] = field(default_factory=dict)

    def ready(self, name: str, now: float) -> bool:
        return self.until.get(name, 0.0) <= now

    def add(self, name: str, now: float) -> float:
        """Note one more failure; returns the seconds until the next try."""
        self.count[name] = self.count.get(name, 0) + 1
        wait = min(FIRST_RETRY_SECONDS * 2.0 ** (self.count[name] - 1), LONGEST_RETRY_SECONDS)
        self.until[name] = now + wait
        return wait

    def clear(self, name: str) -> None:
        self.until.pop(name, None)
        self.count.pop(name, None)


async def run(archive: Archive, settings: Settings, stopping: Callable[[], bool]) -> None:
    """Seal calls as they close, until ``stopping()``.  Raises ``Conflict`` when another sealer owns the spool."""
    setbacks = Setbacks()
    await wait_for_proven_store(archive, stopping)
    with spool.owned(settings.spool_dir, spool.SEALER_LOCK):
        while not stopping():
            done = 0
            for directory in spool.waiting(settings.spool_dir):
                if stopping():
                    return
                if setbacks.ready(directory.name, time.monotonic()):
                    done += await try_call(archive, settings, directory, setbacks)
            if not done:
                await asyncio.sleep(POLL_SECONDS)


async def try_call(archive: Archive, settings: Settings, directory: Path, setbacks: Setbacks) -> bool:
    """One call's turn.  A failure keeps its directory and never stands in the way of the next call."""
    try:
        await seal_call(archive, settings, directory)
    except (HuiyinError, SQLAlchemyError, OSError, ValueError) as error:
        wait = setbacks.add(directory.name, time.monotonic())
        facts = {"recording": directory.name, "error": f"{type(error).__name__}: {error}", "retry_in_s": wait}
        log.error("a call could not be sealed and stays in the spool", extra={"facts": facts})
        return False
    setbacks.clear(directory.name)
    return True


async def seal_call(archive: Archive, settings: Settings, directory: Path) -> None:
    """Assemble, seal and remove one closed call."""
    facts = CallFacts.load(directory)
    audio = directory / AUDIO_FILE
    assembly = await asyncio.to_thread(assemble, directory, facts, audio)
    recording = describe(facts, assembly, directory)

    async def next_jobs(session: AsyncSession) -> None:
        payload = {"recording_id": str(facts.recording_id)}
        for kind in (TRANSCRIBE, FIND_ORDER):
            await jobs.enqueue(session, kind, payload, now=archive.clock(), key=str(facts.recording_id))

    retain_until = keep_until(settings, recording.ended_at)
    await seal_recording(archive, recording, audio, retain_until=retain_until, then=next_jobs)
    await asyncio.to_thread(shutil.rmtree, directory)
    log.info(
        "sealed",
        extra={
            "facts": {
                "recording": facts.recording_id,
                "seconds": assembly.duration_ms / 1000,
                "interrupted": facts.interrupted,
            }
        },
    )


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
