"""Tells the catalogue which calls are signalled, without ever making telephony wait.

The rows are the other side of the nightly reconciliation (calls signalled against recordings sealed) and what the
status page shows as calls in progress.  They are written in order from a queue; while the database is away they wait,
and the spool stays the truth about calls.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import SIGNALLED, Call
from archive.house import Archive
from archive.teams import NO_TEAM, team_at
from telephony.call import CallFacts

log = logging.getLogger(__name__)

RETRY_SECONDS, GATHER_SECONDS = 2.0, 0.5
MOST_AT_ONCE = 200
MOST_WAITING = 100_000


class Announcer:
    """A ``telephony.recorder.CallObserver`` that writes rows of ``calls``."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._waiting: deque[CallFacts] = deque()
        self._wake = asyncio.Event()

    def started(self, facts: CallFacts) -> None:
        self._put(facts)

    def finished(self, facts: CallFacts, directory: Path) -> None:
        self._put(facts)

    def _put(self, facts: CallFacts) -> None:
        if len(self._waiting) >= MOST_WAITING:
            log.error("a call was not announced", extra={"facts": {"recording": facts.recording_id}})
            return
        self._waiting.append(facts)
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Announcer"]:
        """Write rows while the block runs, then what is left, once, if the database answers."""
        task = asyncio.create_task(self._write_all())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            while self._waiting and await self._write_some():
                pass

    async def _write_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if not await self._write_some():
                    await asyncio.sleep(RETRY_SECONDS)
                # What comes meanwhile shares the next transaction: a hundred calls a second are a few of those.
                await asyncio.sleep(GATHER_SECONDS)

    async def _write_some(self) -> bool:
        """One transaction for the oldest of what waits; they wait on when the database is away."""
        batch = {facts.recording_id: facts for facts in islice(self._waiting, MOST_AT_ONCE)}
        count = min(len(self._waiting), MOST_AT_ONCE)
        try:
            async with self._archive.database.write() as session:
                rows = {row.id: row for row in await session.scalars(select(Call).where(Call.id.in_(batch)))}
                teams = await _teams(session, batch.values())
                for facts in batch.values():
                    row = rows.get(facts.recording_id) or _new_row(facts)
                    row.ended_at, row.work_order, row.note = facts.ended_at, facts.work_order[:64], facts.end_reason
                    row.team = teams[_number(facts)]
                    session.add(row)
        except (SQLAlchemyError, OSError) as error:
            log.warning("the database is away; calls go on", extra={"facts": {"error": type(error).__name__}})
            return False
        for _ in range(count):
            self._waiting.popleft()
        return True


async def _teams(session: AsyncSession, calls: Iterable[CallFacts]) -> Mapping[str, str]:
    """The team of each agent's number that is heard of: asked once for each number, not for each call."""
    starts = {_number(facts): facts.started_at for facts in calls}
    return {number: await team_at(session, number, at) if number else NO_TEAM for number, at in starts.items()}


def _number(facts: CallFacts) -> str:
    agent = facts.party("agent")
    return agent.number[:64] if agent else ""


def _new_row(facts: CallFacts) -> Call:
    return Call(
        id=facts.recording_id, state=SIGNALLED, sip_call_id=facts.sip_call_id[:255], started_at=facts.started_at
    )
