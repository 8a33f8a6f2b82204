"""Which processes are alive: a row each, renewed while they run.  Health checks and the status page read it."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import String, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from core.clock import Clock
from core.database import Base, Database, UtcDateTime

log = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=45)
EVERY_SECONDS = 10.0


class Heartbeat(Base):
    """The last sign of life of one process on one host."""

    __tablename__ = "heartbeats"

    process: Mapped[str] = mapped_column(String(40), primary_key=True)
    host: Mapped[str] = mapped_column(String(120), primary_key=True)
    pid: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


@asynccontextmanager
async def beating(database: Database, process: str, clock: Clock) -> AsyncIterator[None]:
    """Renew this process's row every ten seconds while the block runs; an absent database is only noted."""
    task = asyncio.create_task(_beat(database, process, clock))
    try:
        yield
    finally:
        task.cancel()


async def _beat(database: Database, process: str, clock: Clock) -> None:
    while True:
        try:
            async with database.write() as session:
                await session.merge(Heartbeat(process=process, host=socket.gethostname(), pid=os.getpid(), at=clock()))
        except (SQLAlchemyError, OSError) as error:
            log.warning("no heartbeat: the database is away", extra={"facts": {"error": type(error).__name__}})
        await asyncio.sleep(EVERY_SECONDS)


async def is_alive(database: Database, process: str, now: datetime) -> bool:
    """Whether some process of that name gave a sign of life within the last 45 seconds."""
    async with database.read() as session:
        newest = await session.scalar(
            select(Heartbeat.at).where(Heartbeat.process == process).order_by(Heartbeat.at.desc()).limit(1)
        )
    return newest is not None and now - newest < STALE_AFTER
