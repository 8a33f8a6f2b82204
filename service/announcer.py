"""Tells the catalogue which calls are signalled, without ever making telephony wait.

The rows are the other side of the nightly reconciliation (calls signalled against recordings sealed) and what the
status page shows as calls in progress.  They are written in order from a queue; while the database is away they wait,
and the spool stays the truth about calls.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from archive.catalogue import SIGNALLED, Call
from archive.house import Archive
from telephony.call import CallFacts

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
MOST_WAITING = 100_000


class Announcer:
    """A ``telephony.recorder.CallObserver`` that writes rows of ``calls``."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._queue: asyncio.Queue[CallFacts] = asyncio.Queue(MOST_WAITING)

    def started(self, facts: CallFacts) -> None:
        self._put(facts)

    def finished(self, facts: CallFacts, directory: Path) -> None:
        self._put(facts)

    def _put(self, facts: CallFacts) -> None:
        try:
            self._queue.put_nowait(facts)
        except asyncio.QueueFull:
            log.error("a call was not announced", extra={"facts": {"recording": facts.recording_id}})

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Announcer"]:
        """Write rows while the block runs, then what is left, once, if the database answers."""
        task = asyncio.create_task(self._write_all())
        try:
            yield self
        finally:
            task.cancel()
            while not self._queue.empty() and await self._try(self._queue.get_nowait()):
                pass

    async def _write_all(self) -> None:
        while True:
            facts = await self._queue.get()
            while not await self._try(facts):  # noqa: ASYNC110 - it waits for the database, not for an event here
                await asyncio.sleep(RETRY_SECONDS)

    async def _try(self, facts: CallFacts) -> bool:
        try:
            async with self._archive.database.write() as session:
                row = await session.get(Call, facts.recording_id)
                if row is None:
                    row = Call(
                        id=facts.recording_id,
                        state=SIGNALLED,
                        sip_call_id=facts.sip_call_id[:255],
                        started_at=facts.started_at,
                    )
                    session.add(row)
                row.ended_at, row.work_order, row.note = facts.ended_at, facts.work_order[:64], facts.end_reason
        except (SQLAlchemyError, OSError) as error:
            log.warning("the database is away; calls go on", extra={"facts": {"error": type(error).__name__}})
            return False
        return True
