"""The two-year rule, as a pure function of moments, and what else asks for keeping: policies and contracts.

Periods follow the Civil Code of the People's Republic of China: counted by the civil calendar (art. 200), the day of
the event not counted (art. 201), ending with the corresponding day of the month in which they end, or with that
month's last day where there is none (art. 202), at 24:00 (art. 203).  Art. 203 also moves a last day that is a
public holiday; that protects who must act by a deadline.  Here the last day only makes a recording *eligible*, nobody
must act on it, so it stays where art. 202 puts it.

The longest obligation wins.  Every value that was in force on any day since the call counts, so that what a policy or a
contract once asked for a recording is never taken back by a later, milder one, whether or not a night ran in between.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from core.settings import Settings

T = TypeVar("T")
MINIMUM_YEARS = 2
LONGEST_YEARS = 50


@dataclass(frozen=True)
class Dated(Generic[T]):
    """Values of one setting, each in force from its day until the next one's; in the order of their days."""

    values: tuple[tuple[date, T], ...] = ()

    def during(self, first: date, last: date) -> tuple[T, ...]:
        """Every value in force on some day from ``first`` to ``last``."""
        ends = [day for day, _ in self.values[1:]] + [date.max]
        return tuple(value for (day, value), end in zip(self.values, ends, strict=False) if day <= last and end > first)


@dataclass(frozen=True)
class Contract:
    """What was recorded from ``begins`` to ``ends`` (days, inclusive) is kept for ``years_after`` calendar years after
    ``ends``; 0 keeps it until ``ends`` itself has passed."""

    name: str
    ends: date
    years_after: int = 0
    begins: date = date.min

    def covers(self, day: date) -> bool:
        """Whether a call that ended on ``day`` was recorded under this contract."""
        return self.begins <= day <= self.ends

    @property
    def last_day(self) -> date:
        """The last day on which what it covers must be there."""
        return _corresponding(self.ends, self.years_after)


@dataclass(frozen=True)
class Obligation:
    """One reason to keep a recording, and the first moment (UTC) at which it no longer does."""

    until: datetime
    years: int = 0
    contract: Contract | None = None


@dataclass(frozen=True)
class Policies:
    """All that asks for keeping.  ``floor`` are the years of the installation's settings, which no policy undercuts."""

    floor: int
    timezone: ZoneInfo
    years: Dated[int] = Dated()
    contracts: Mapping[str, Dated[Contract]] = field(default_factory=dict)

    def obligations(self, call_end: datetime, text_final: datetime | None, now: datetime) -> tuple[Obligation, ...]:
        """Every obligation on a recording, the longest first."""
        called, today = self._day(call_end), self._day(now)
        years = max((self.floor, *self.years.during(called, today)))
        rule = Obligation(eligible_at(call_end, text_final, years=years, timezone=self.timezone), years=years)
        found = [
            Obligation(midnight_after(contract.last_day, self.timezone), contract=contract)
            for versions in self.contracts.values()
            for contract in versions.during(called, today)
            if contract.covers(called)
        ]
        return tuple(sorted((rule, *found), key=lambda each: each.until, reverse=True))

    def eligible_at(self, call_end: datetime, text_final: datetime | None, now: datetime) -> datetime:
        """The first moment (UTC) at which, as things stand at ``now``, disposal may be considered."""
        return self.obligations(call_end, text_final, now)[0].until

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.timezone).date()


def last_day(begins: date, years: int) -> date:
    """The last day of a period of calendar years that an event on ``begins`` sets going; never under two years."""
    if years < MINIMUM_YEARS:
        raise ValueError(f"audio and text are kept for at least {MINIMUM_YEARS} calendar years")
    return _corresponding(begins, years)


def _corresponding(begins: date, years: int) -> date:
    year = begins.year + years
    return date(year, begins.month, min(begins.day, calendar.monthrange(year, begins.month)[1]))


def midnight_after(day: date, timezone: ZoneInfo) -> datetime:
    """The end of a local day, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=timezone).astimezone(UTC)


def later_of(call_end: datetime, text_final: datetime | None) -> datetime:
    """The moment that the period counts from; ``ValueError`` for a moment without its zone."""
    moments = [call_end] if text_final is None else [call_end, text_final]
    if any(moment.tzinfo is None for moment in moments):
        raise ValueError("a moment in time must carry its zone")
    return max(moments)


def eligible_at(call_end: datetime, text_final: datetime | None, *, years: int, timezone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which disposal may be considered: local midnight after the period's last day."""
    begins = later_of(call_end, text_final).astimezone(timezone).date()
    return midnight_after(last_day(begins, years), timezone)


def keep_until(settings: Settings, moment: datetime, text_final: datetime | None = None) -> datetime:
    """How long an object is kept that comes into being now, or whose call ended, at ``moment``: the years of the
    installation's settings.  Policies and contracts that ask for more lengthen its lock at night."""
    return eligible_at(moment, text_final, years=settings.retention_years, timezone=settings.timezone)
