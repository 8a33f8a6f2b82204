"""Renews a process's sign of life, its figures and its alerts.  Health checks and the status page read them."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from core.alerts import DATABASE_AWAY, TWO_RECORDERS, clear_unseen, raise_alert
from core.clock import Clock
from core.database import Database
from core.heartbeats import STALE_AFTER, Heartbeat
from service.alarms import Alarms

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
# Alerts are written at once, but a condition that flutters must not write more often than this.
AT_MOST_EVERY_SECONDS = 1.0
FORGET_AFTER = timedelta(days=1)
# A process that was refused at its start speaks under this name, lest it speak for the one that runs.
REFUSED = "refused"
REFUSED_SHOWN_FOR = timedelta(minutes=2)
REPORT_WITHIN = 5.0


def _no_figures() -> Mapping[str, Any]:
    return {}


@asynccontextmanager
async def beating(
    database: Database,
    process: str,
    clock: Clock,
    alarms: Alarms | None = None,
    figures: Callable[[], Mapping[str, Any]] = _no_figures,
) -> AsyncIterator[Alarms]:
    """Renew this process's row every ten seconds, and its alerts as they change, while the block runs.

    A database that does not answer is an alert of its own, written when it is back.
    """
    alarms = alarms or Alarms(process, clock)
    task = asyncio.create_task(_beat(database, alarms, clock, figures))
    try:
        yield alarms
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _beat(database: Database, alarms: Alarms, clock: Clock, figures: Callable[[], Mapping[str, Any]]) -> None:
    first = True
    while True:
        alarms.changed.clear()
        try:
            await _write(database, alarms, clock(), figures(), first=first)
        except (SQLAlchemyError, OSError) as error:
            alarms.hold(DATABASE_AWAY, {"error": type(error).__name__})
            wait = AT_MOST_EVERY_SECONDS
        else:
            first, wait = False, EVERY_SECONDS
            alarms.hold(DATABASE_AWAY, None)
        await asyncio.sleep(AT_MOST_EVERY_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(alarms.changed.wait(), wait)


async def _write(database: Database, alarms: Alarms, now: datetime, figures: Mapping[str, Any], *, first: bool) -> None:
    async with database.write() as session:
        if first:
            await session.execute(
                delete(Heartbeat).where(Heartbeat.host == alarms.host, Heartbeat.at < now - FORGET_AFTER)
            )
        await session.merge(
            Heartbeat(process=alarms.process, host=alarms.host, pid=os.getpid(), at=now, facts=dict(figures))
        )
        await clear_unseen(session, REFUSED, alarms.host, seen_before=now - REFUSED_SHOWN_FOR, at=now)
        written = await alarms.write(session)
    alarms.written(written)


async def report_second(database: Database, now: datetime, spool: Path) -> None:
    """Say that a recorder did not start because another one owns the spool.  It ends at once, so whoever lives on that
    host clears the alert when no further attempt is seen."""
    key = (TWO_RECORDERS, REFUSED, socket.gethostname())
    try:
        async with asyncio.timeout(REPORT_WITHIN), database.write() as session:
            await raise_alert(session, key, {"spool": str(spool)}, since=now, now=now)
    except (SQLAlchemyError, OSError) as error:
        log.warning("not reported: the database is away", extra={"facts": {"error": type(error).__name__}})


async def is_alive(database: Database, process: str, now: datetime) -> bool:
    """Whether some process of that name gave a sign of life within the last 45 seconds."""
    async with database.read() as session:
        newest = await session.scalar(
            select(Heartbeat.at).where(Heartbeat.process == process).order_by(Heartbeat.at.desc()).limit(1)
        )
    return newest is not None and now - newest < STALE_AFTER
