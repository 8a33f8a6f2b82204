"""Formulas are data: named values with the day from which they hold (weights, factors, day windows, policies)."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Date, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime
from core.errors import Conflict


class EffectiveValue(Base):
    """One value of one name, from a day on.  Rows are never changed: a later row takes over on its day."""

    __tablename__ = "effective_values"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    effective_from: Mapped[date] = mapped_column(Date, primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    set_by: Mapped[str] = mapped_column(String(120))
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)


async def value_on(session: AsyncSession, name: str, day: date, defaults: Mapping[str, Any]) -> Any:
    """The value of ``name`` in force on ``day``, or its default where none was set by then."""
    found = await session.scalar(
        select(EffectiveValue)
        .where(EffectiveValue.name == name, EffectiveValue.effective_from <= day)
        .order_by(EffectiveValue.effective_from.desc())
        .limit(1)
    )
    return defaults[name] if found is None else found.value


async def set_value(
    session: AsyncSession, name: str, value: Any, *, effective_from: date, by: str, at: datetime
) -> None:
    """Let ``value`` hold from a day on; ``Conflict`` when that day already has one (history is not rewritten)."""
    if await session.get(EffectiveValue, (name, effective_from)) is not None:
        raise Conflict("this setting already has a value from that day", setting=name, day=effective_from)
    session.add(EffectiveValue(name=name, effective_from=effective_from, value=value, set_by=by, set_at=at))
    await session.flush()
