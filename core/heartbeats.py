"""Which processes are alive, and what each says of itself: a row for each process, renewed while it runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

STALE_AFTER = timedelta(seconds=45)


class Heartbeat(Base):
    """The last sign of life of one process on one host.  ``facts`` are figures: calls in progress, backlog …"""

    __tablename__ = "heartbeats"

    process: Mapped[str] = mapped_column(String(40), primary_key=True)
    host: Mapped[str] = mapped_column(String(120), primary_key=True)
    pid: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    facts: Mapped[Any] = mapped_column(JSON, default=dict, server_default="{}")


async def newest(session: AsyncSession) -> Mapping[tuple[str, str], Heartbeat]:
    """The newest row of each (process, host), hosts in order."""
    rows = await session.scalars(select(Heartbeat).order_by(Heartbeat.host, Heartbeat.process, Heartbeat.at))
    return {(row.process, row.host): row for row in rows}
