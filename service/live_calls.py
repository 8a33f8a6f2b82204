"""The recorder's side of the status page: who speaks in each call, how well it is heard, whether it pauses."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from archive.live_calls import FAIR, GOOD, POOR, SILENT, Live, clear, renew, show
from core.clock import Clock
from core.database import Database
from telephony.call import AGENT, CITIZEN, CallFacts, Party
from telephony.rtp.capture import Condition

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
# Well before a row that nobody renews counts for lost.
RENEW_AFTER = timedelta(seconds=15)
# ITU-T G.107 and its kin: conversation suffers audibly from about these shares of lost packets on.
FAIR_LOSS, POOR_LOSS = 0.01, 0.05
SILENT_SECONDS = 10.0
MOST_AT_ONCE = 500


class Seen(Protocol):
    """What is needed of ``telephony.recorder.Recorder``."""

    @property
    def calls(self) -> tuple[CallFacts, ...]: ...


class Ears(Protocol):
    """What is needed of ``telephony.rtp.capture.Capture``."""

    def condition(self, port: int) -> Condition | None: ...


def live(facts: CallFacts, ears: Ears) -> Live:
    """One call as it is now."""
    pause = next((pause for pause in reversed(facts.pauses) if pause.ended_at is None), None)
    agent, citizen = facts.party(AGENT) or Party(AGENT), facts.party(CITIZEN) or Party(CITIZEN)
    ports = [stream.port for stream in facts.streams if not stream.received]
    heard = [condition for port in ports if (condition := ears.condition(port))]
    return Live(
        agent_number=agent.number[:64],
        agent_name=agent.name[:120],
        citizen_number=citizen.number[:64],
        citizen_name=citizen.name[:120],
        quality="" if pause else quality(heard),
        paused_by=pause.by[:120] if pause else "",
        paused_at=pause.started_at if pause else None,
    )


def quality(heard: Iterable[Condition]) -> str:
    """That of the worst stream; empty where there is none."""
    conditions = list(heard)
    if not conditions:
        return ""
    if any(each.quiet_seconds >= SILENT_SECONDS for each in conditions):
        return SILENT
    lost = max(each.lost for each in conditions)
    return POOR if lost >= POOR_LOSS else FAIR if lost >= FAIR_LOSS else GOOD


class LiveCalls:
    """What was last written of one spool's calls, so that only what changed is written again."""

    def __init__(self, database: Database, spool: UUID, clock: Clock) -> None:
        self._database, self._spool, self._clock = database, spool, clock
        self._written: dict[UUID, Live] = {}
        # Nothing: what the database holds of this spool is not known; it is taken away and written anew.
        self._renewed_at: datetime | None = None

    async def look(self, recorder: Seen, ears: Ears) -> None:
        """Bring the rows to what is, a bounded number at once, and say from time to time that they hold."""
        now, due = self._clock(), self._due()
        if self._renewed_at is None:
            self._written.clear()
        calls = {facts.recording_id: live(facts, ears) for facts in recorder.calls}
        changed = dict(islice(self._changes(calls), MOST_AT_ONCE))
        gone = list(islice(self._written.keys() - calls.keys(), MOST_AT_ONCE))
        if not changed and not gone and not due:
            return
        async with self._database.write() as session:
            known = not due or await self._renew(session, now)
            await show(session, self._spool, changed, gone, now)
        self._written.update(changed)
        for key in gone:
            del self._written[key]
        if due:
            self._renewed_at = now if known else None

    def _due(self) -> bool:
        """Also after the clock was set back."""
        if self._renewed_at is None:
            return True
        return bool(self._written) and not timedelta(0) <= self._clock() - self._renewed_at < RENEW_AFTER

    async def _renew(self, session: AsyncSession, now: datetime) -> bool:
        """Whether the rows are those that were written: somebody may have taken some away."""
        if self._renewed_at is None:
            await clear(session, self._spool)
            return True
        return await renew(session, self._spool, now) == len(self._written)

    def _changes(self, now: Mapping[UUID, Live]) -> Iterable[tuple[UUID, Live]]:
        return ((key, each) for key, each in now.items() if self._written.get(key) != each)

    async def clear(self) -> None:
        """Nothing of this spool is in progress."""
        async with self._database.write() as session:
            await clear(session, self._spool)
        self._written.clear()


@asynccontextmanager
async def showing(recorder: Seen, ears: Ears, database: Database, spool: UUID, clock: Clock) -> AsyncIterator[None]:
    """Keep the rows of a spool's calls up to date while the block runs; calls never wait for it."""
    calls = LiveCalls(database, spool, clock)
    task = asyncio.create_task(_keep_showing(calls, recorder, ears), name="live calls")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(SQLAlchemyError, OSError):
            await calls.clear()


async def _keep_showing(calls: LiveCalls, recorder: Seen, ears: Ears) -> None:
    while True:
        try:
            await calls.look(recorder, ears)
        except (SQLAlchemyError, OSError) as error:
            log.debug("calls in progress are not shown", extra={"facts": {"error": type(error).__name__}})
        await asyncio.sleep(LOOK_SECONDS)
