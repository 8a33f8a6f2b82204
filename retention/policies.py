"""Policies: effective-dated settings that ask for keeping longer.

A row is never changed; a later one takes over on its day, and what was in force since a call still counts for it.

``retention.years``            calendar years after the later of call end and last text, never under two
``retention.contract:<name>``  a contract's last day (later when it is extended) and the years after it
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.lock import LATEST_YEAR
from core.effective import EffectiveValue, set_value
from core.errors import Refused
from core.ledger import Entry, append
from core.settings import Settings
from retention.rule import LONGEST_YEARS, MINIMUM_YEARS, Contract, Dated, Policies

YEARS = "retention.years"
CONTRACT = "retention.contract:"
LONGEST_NAME = 50


async def load_policies(session: AsyncSession, settings: Settings) -> Policies:
    """Everything that was set, and the years of the installation's settings as the floor."""
    named = or_(EffectiveValue.name == YEARS, EffectiveValue.name.startswith(CONTRACT, autoescape=True))
    rows = await session.scalars(
        select(EffectiveValue).where(named).order_by(EffectiveValue.name, EffectiveValue.effective_from)
    )
    values: dict[str, list[tuple[date, Any]]] = {}
    for row in rows:
        values.setdefault(row.name, []).append((row.effective_from, row.value))
    years = values.pop(YEARS, [])
    contracts = {name: Dated(tuple((day, _contract(value)) for day, value in each)) for name, each in values.items()}
    floor = max(MINIMUM_YEARS, settings.retention_years)
    return Policies(floor, settings.timezone, Dated(tuple((day, int(value)) for day, value in years)), contracts)


async def set_years(
    session: AsyncSession, settings: Settings, years: int, *, effective_from: date, by: str, now: datetime
) -> None:
    """Keep for ``years`` from a day on; ``Refused`` under the minimum or for a day that has passed."""
    if not MINIMUM_YEARS <= years <= LONGEST_YEARS:
        raise Refused(
            "保存年限超出允许范围 / retention years out of range",
            found=years,
            expected=f"{MINIMUM_YEARS} … {LONGEST_YEARS}",
        )
    await _set(session, settings, YEARS, years, effective_from=effective_from, by=by, now=now)


async def set_contract(
    session: AsyncSession, settings: Settings, contract: Contract, *, effective_from: date, by: str, now: datetime
) -> None:
    """Keep what was recorded under a contract as long as it asks; setting it again extends it.  ``Refused`` for a name
    that is empty or too long, a contract that ends before it begins, or a day that has passed."""
    if not 0 < len(contract.name.strip()) <= LONGEST_NAME:
        raise Refused("合同须有名称 / a contract needs a name", longest=LONGEST_NAME)
    if contract.ends < contract.begins or not 0 <= contract.years_after <= LONGEST_YEARS:
        raise Refused(
            "合同期限有误 / the contract's dates cannot be",
            begins=contract.begins,
            ends=contract.ends,
            years_after=contract.years_after,
        )
    if contract.ends.year + contract.years_after >= LATEST_YEAR:
        raise Refused("合同期限过长 / a date after 2100 is taken for a mistake", ends=contract.ends)
    value = {
        "name": contract.name.strip(),
        "ends": contract.ends.isoformat(),
        "years_after": contract.years_after,
        "begins": contract.begins.isoformat(),
    }
    name = CONTRACT + contract.name.strip()
    await _set(session, settings, name, value, effective_from=effective_from, by=by, now=now)


def _contract(value: Any) -> Contract:
    return Contract(
        name=value["name"],
        ends=date.fromisoformat(value["ends"]),
        years_after=value["years_after"],
        begins=date.fromisoformat(value["begins"]),
    )


async def _set(
    session: AsyncSession, settings: Settings, name: str, value: Any, *, effective_from: date, by: str, now: datetime
) -> None:
    today = now.astimezone(settings.timezone).date()
    if effective_from < today:
        raise Refused("不得追溯生效 / a policy cannot begin in the past", effective_from=effective_from, today=today)
    if not by.strip():
        raise Refused("须写明设定人 / a policy needs a person")
    await set_value(session, name, value, effective_from=effective_from, by=by, at=now)
    facts = {"setting": name, "value": value, "effective_from": effective_from.isoformat()}
    await append(session, Entry("setting changed", by, name, facts), now)
