"""Alerts: conditions that need a person's eye, raised and cleared by the process that sees them.

A row is the newest state of one condition as one process on one host sees it: standing until ``cleared_at`` is set,
raised anew with a new ``since``.  ``facts`` hold figures and reasons, never a telephone number or a name.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime

SPOOL_FULL, SPOOL_DAMAGED, TWO_RECORDERS = "spool_full", "spool_damaged", "two_recorders"
BACKLOG, CALL_STUCK = "backlog", "call_stuck"
STORE_AWAY, DATABASE_AWAY = "store_away", "database_away"
EVIDENCE_FAULTS, STORE_EXPIRES = "evidence_faults", "store_expires"
PACKETS_DROPPED, PORTS_EXHAUSTED = "packets_dropped", "ports_exhausted"
WEBHOOKS_FAILING = "webhooks_failing"
WATCH_AWAY, INTAKE_STUCK, QUARANTINED = "watch_away", "intake_stuck", "quarantined"


class Alert(Base):
    """One condition on one host, as one kind of process sees it."""

    __tablename__ = "alerts"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    process: Mapped[str] = mapped_column(String(40), primary_key=True)
    host: Mapped[str] = mapped_column(String(120), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    facts: Mapped[Any] = mapped_column(JSON)
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


async def raise_alert(
    session: AsyncSession, key: tuple[str, str, str], facts: Mapping[str, Any], *, since: datetime, now: datetime
) -> None:
    """Let a condition (name, process, host) stand; raising it again renews its facts and keeps its ``since``."""
    row = await session.get(Alert, key)
    if row is None:
        row = Alert(name=key[0], process=key[1], host=key[2], since=since)
        session.add(row)
    elif row.cleared_at is not None:
        row.since = since
    row.seen_at, row.facts, row.cleared_at = now, dict(facts), None
    await session.flush()


async def clear_unseen(session: AsyncSession, process: str, host: str, *, seen_before: datetime, at: datetime) -> None:
    """Let conditions be over that nobody has reported lately, for those whose reporter cannot say so itself."""
    rows = await session.scalars(
        select(Alert).where(
            Alert.process == process, Alert.host == host, Alert.cleared_at.is_(None), Alert.seen_at < seen_before
        )
    )
    for row in rows:
        row.cleared_at = at
    await session.flush()


async def clear_alert(session: AsyncSession, key: tuple[str, str, str], *, at: datetime) -> None:
    """Let a condition be over; clearing what does not stand changes nothing."""
    row = await session.get(Alert, key)
    if row is not None and row.cleared_at is None:
        row.cleared_at = at
        await session.flush()


async def standing(session: AsyncSession) -> list[Alert]:
    """The conditions that stand, oldest first."""
    rows = await session.scalars(
        select(Alert).where(Alert.cleared_at.is_(None)).order_by(Alert.since, Alert.name, Alert.host, Alert.process)
    )
    return list(rows)
