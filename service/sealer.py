"""The sealer: closed spool directory → stereo FLAC → sealed recording → next jobs; only then is the spool removed.

The spool is its queue, so it needs nothing else to know what to do.  Calls begin oldest first, a few at a time.  A call
that fails waits by itself and stands in nobody's way; while the store or the database is away the whole line waits, and
goes on by itself.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from archive.house import Archive
from core.alerts import BACKLOG, CALL_STUCK, DATABASE_AWAY, SPOOL_DAMAGED, SPOOL_FULL, STORE_AWAY
from core.clock import utc_now
from core.errors import HuiyinError, Unavailable
from core.settings import Settings
from service import spool
from service.alarms import Alarms
from service.assemblers import Assemblers, lanes_for
from service.proof import prove_store
from service.sealing import DISK_FULL, seal_call
from service.setbacks import Setbacks

log = logging.getLogger(__name__)

POLL_SECONDS = 0.3
# A look that takes long is followed by a pause that is this many times longer.
LOOKING_SHARE = 20.0
AWAY_SECONDS = 2.0
ANSWERS_WITHIN = 10.0
# Sealing mostly waits, for the store and the database: a lane has several calls under way.
CALLS_PER_LANE = 8
# What is under way when the sealer is told to stop; the rest is done after the next start.
STOP_SECONDS = 5.0
DAMAGE_SHOWN_FOR = timedelta(days=1)


class Sealer:
    """Seals the closed calls of one spool directory while it runs."""

    def __init__(self, archive: Archive, settings: Settings, alarms: Alarms | None = None) -> None:
        self._archive, self._settings = archive, settings
        self._alarms = alarms or Alarms("sealer", utc_now)
        self._backlog = spool.Backlog(settings.spool_dir)
        self._setbacks = Setbacks(archive.clock)
        self._running: dict[asyncio.Task[None], Path] = {}
        self._look_at = 0.0
        self._proven = self._line_stopped = False
        self._damaged = 0
        self._damaged_at: datetime | None = None
        self.sealed = 0

    def figures(self) -> Mapping[str, Any]:
        """What the status page shows: calls in progress, closed, stuck, and since when the oldest waits."""
        oldest = self._backlog.oldest
        return {
            "recording": self._backlog.recording,
            "closed": self._backlog.closed,
            "stuck": len(self._setbacks.stuck),
            "oldest_at": datetime.fromtimestamp(oldest, UTC).isoformat() if oldest else None,
            "sealed": self.sealed,
        }

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Seal calls as they close, until ``stopping()``.  Raises ``Conflict`` when another sealer owns the spool."""
        with spool.owned(self._settings.spool_dir, spool.SEALER_LOCK):
            lanes = lanes_for(self._settings.assemblers)
            assemblers = Assemblers(lanes)
            try:
                while not stopping():
                    self._reap()
                    await self._look()
                    if not await self._open_line():
                        await asyncio.sleep(AWAY_SECONDS)
                        continue
                    self._begin(assemblers, lanes * CALLS_PER_LANE)
                    await self._wait()
            finally:
                if self._running:
                    await asyncio.wait(self._running, timeout=STOP_SECONDS)
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)
                assemblers.close()

    async def _look(self) -> None:
        """Look at the spool now and then: often enough for a call, rarely enough for a long backlog."""
        began = time.monotonic()
        if began < self._look_at:
            return
        await asyncio.to_thread(self._backlog.look)
        self._look_at = began + max(POLL_SECONDS, LOOKING_SHARE * (time.monotonic() - began))
        self._watch()

    async def _open_line(self) -> bool:
        """Whether sealing can go on: the store has proved its locks, and nothing that it needs is away."""
        if not self._proven:
            try:
                await prove_store(self._archive)
            except Unavailable as error:
                self._alarms.hold(STORE_AWAY, {"error": error.message})
                return False
            self._alarms.hold(STORE_AWAY, None)
            self._proven = True
        if self._line_stopped and not self._running:
            self._line_stopped = bool(await self._away())
        return not self._line_stopped

    def _begin(self, assemblers: Assemblers, most: int) -> None:
        under_way = set(self._running.values())
        for waiting in self._backlog.waiting if len(under_way) < most else ():
            if waiting.directory not in under_way and self._setbacks.ready(waiting.directory):
                task = asyncio.create_task(self._try(assemblers, waiting.directory))
                self._running[task] = waiting.directory
                if len(self._running) >= most:
                    return

    async def _wait(self) -> None:
        """Until a call is done, or it is time to look again."""
        if self._running:
            await asyncio.wait(self._running, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(POLL_SECONDS)

    def _reap(self) -> None:
        for task in [task for task in self._running if task.done()]:
            self._backlog.tried(self._running.pop(task).name)
            task.result()

    async def _try(self, assemblers: Assemblers, directory: Path) -> None:
        """One call's turn.  A failure keeps its directory; only what hits every call stops the line."""
        try:
            kept = await seal_call(self._archive, self._settings, assemblers, directory)
        except Exception as error:  # a worker's outer loop: whatever went wrong becomes the call's reason
            await self._failed(directory, error)
            return
        self.sealed += 1
        self._alarms.hold(SPOOL_FULL, None)
        self._setbacks.clear(directory.name)
        if kept:
            self._damaged, self._damaged_at = self._damaged + 1, self._archive.clock()

    async def _failed(self, directory: Path, error: Exception) -> None:
        if disk_is_full(error):
            self._line_stopped = True
            self._alarms.hold(SPOOL_FULL, {"why": reason(error)})
            return
        if isinstance(error, HuiyinError | SQLAlchemyError | OSError) and await self._away():
            self._line_stopped = True
            return
        setback = self._setbacks.add(directory, reason(error))
        facts = {"recording": directory.name, "error": setback.error, "again_at": setback.again_at.isoformat()}
        log.error(
            "a call could not be sealed and stays in the spool",
            extra={"facts": facts},
            exc_info=not isinstance(error, HuiyinError | SQLAlchemyError | OSError),
        )

    async def _away(self) -> tuple[str, ...]:
        """What does not answer; raises and clears its alerts."""
        away = []
        pings = ((DATABASE_AWAY, self._archive.database.ping()), (STORE_AWAY, self._archive.store.ping()))
        for name, ping in pings:
            try:
                await asyncio.wait_for(ping, ANSWERS_WITHIN)
                self._alarms.hold(name, None)
            except (HuiyinError, OSError) as error:
                away.append(name)
                self._alarms.hold(name, {"error": reason(error)})
        return tuple(away)

    def _watch(self) -> None:
        """Hold the alerts about what lies in the spool."""
        now, oldest = self._archive.clock(), self._backlog.oldest
        waits = (now.timestamp() - oldest) / 60 if oldest else 0.0
        late = waits >= self._settings.backlog_alert_minutes
        self._alarms.hold(BACKLOG, {"calls": self._backlog.closed, "minutes": int(waits)} if late else None)
        stuck = self._setbacks.stuck
        reasons = {"calls": len(stuck), "recording": min(stuck), "error": stuck[min(stuck)].error} if stuck else None
        self._alarms.hold(CALL_STUCK, reasons)
        if self._damaged_at and now - self._damaged_at > DAMAGE_SHOWN_FOR:
            self._damaged, self._damaged_at = 0, None
        damaged = self._damaged + len(self._backlog.damaged)
        self._alarms.hold(SPOOL_DAMAGED, {"calls": damaged} if damaged else None)


def disk_is_full(error: BaseException | None) -> bool:
    """Whether a disk of this machine (spool, local store, SQLite) is why."""
    if isinstance(error, DBAPIError):
        return "disk is full" in str(error.orig)
    return error is not None and (getattr(error, "errno", None) in DISK_FULL or disk_is_full(error.__cause__))


def reason(error: BaseException) -> str:
    """Why, without what a driver quotes: rows hold numbers and names."""
    if isinstance(error, HuiyinError):
        return str(error)
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {type(error.orig).__name__}"
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or error}"
    return f"{type(error).__name__}: {error}" if isinstance(error, ValueError) else type(error).__name__
