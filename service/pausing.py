"""The recorder's side of pausing: applies what people asked for, and ends a pause that was forgotten."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from archive.pausing import APPLIED, NOT_IN_PROGRESS, PAUSE, UNCHANGED, PauseRequest, settle, unanswered
from core.clock import Clock
from core.database import Database
from telephony.call import CallFacts

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
# After this, a request for a call that no recorder has is answered by whichever recorder sees it.
ORPHANED_AFTER = timedelta(seconds=30)
SYSTEM = "system"


class Pausable(Protocol):
    """What is needed of ``telephony.recorder.Recorder``; both answer whether anything changed."""

    @property
    def calls(self) -> tuple[CallFacts, ...]: ...

    def pause(self, recording_id: UUID, *, by: str, reason: str) -> bool: ...

    def resume(self, recording_id: UUID, *, by: str) -> bool: ...


@asynccontextmanager
async def pausing(recorder: Pausable, database: Database, longest: timedelta, clock: Clock) -> AsyncIterator[None]:
    """Apply requests while the block runs; with the database away, forgotten pauses still end."""
    task = asyncio.create_task(_keep_applying(recorder, database, longest, clock), name="pausing")
    try:
        yield
    finally:
        task.cancel()


async def _keep_applying(recorder: Pausable, database: Database, longest: timedelta, clock: Clock) -> None:
    while True:
        end_forgotten(recorder, longest, clock())
        try:
            await apply_requests(recorder, database, clock)
        except (SQLAlchemyError, OSError) as error:
            log.debug("requests to pause cannot be read", extra={"facts": {"error": type(error).__name__}})
        await asyncio.sleep(POLL_SECONDS)


async def apply_requests(recorder: Pausable, database: Database, clock: Clock) -> None:
    """Do what was asked for the calls of this recorder, in the order in which it was asked."""
    async with database.read() as session:
        asked = await unanswered(session)
    if outcomes := dict(_outcomes(recorder, asked, clock())):
        async with database.write() as session:
            await settle(session, outcomes, now=clock())


def _outcomes(recorder: Pausable, asked: Iterable[PauseRequest], now: datetime) -> Iterable[tuple[UUID, str]]:
    mine = {facts.recording_id for facts in recorder.calls}
    for request in asked:
        if request.recording_id in mine:
            yield request.id, APPLIED if _apply(recorder, request) else UNCHANGED
        elif now - request.asked_at > ORPHANED_AFTER:
            yield request.id, NOT_IN_PROGRESS


def _apply(recorder: Pausable, request: PauseRequest) -> bool:
    if request.action == PAUSE:
        return recorder.pause(request.recording_id, by=request.by, reason=request.reason)
    return recorder.resume(request.recording_id, by=request.by)


def end_forgotten(recorder: Pausable, longest: timedelta, now: datetime) -> None:
    """Resume what people paused and left so: every call is to be recorded."""
    for facts in recorder.calls:
        for pause in facts.pauses:
            if pause.ended_at is None and pause.by != "gateway" and now - pause.started_at > longest:
                recorder.resume(facts.recording_id, by=SYSTEM)
                log.warning("a pause was ended by time", extra={"facts": {"recording": facts.recording_id}})
