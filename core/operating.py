"""Settings that a team changes in operation: a value with the day from which it holds beats what was installed.

They lie among the effective values as ``setting.<field>``, in the text that the environment would give, or ``None``
for what was installed.  The ledger keeps who set which and why; a value that is set again for the same day replaces the
other there, since a mistake must not last until tomorrow.  No value begins in the past: what held on a day stays true.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.effective import EffectiveValue
from core.errors import Refused
from core.ledger import Entry, append
from core.settings import Settings

CHANGED = "setting changed"
PREFIX = "setting."
LONGEST_VALUE, LONGEST_REASON = 200, 400

# Fields of ``Settings``: those of the first kind say how the work is done, those of the second who gets in.
OPERATION = (
    *("organisation", "callback_days", "callback_window_days", "link_window_days"),
    *("doubtful_text", "doubtful_word", "export_days"),
)
SECURITY = ("session_hours", "session_idle_minutes", "second_factor_roles", "requests_per_minute")
OPERATED = (*OPERATION, *SECURITY)

# Least values that a page may set: a service that nobody can use any more is not mended by a page.
LEAST = {"requests_per_minute": 60, "session_idle_minutes": 5}

_PARSE = {each.name: each.metadata["parse"] for each in fields(Settings)}


@dataclass(frozen=True)
class Operating:
    """The installed settings, and the values of each field by their days, in order."""

    installed: Settings
    values: Mapping[str, tuple[tuple[date, str | None], ...]] = field(default_factory=dict)

    def value_on(self, name: str, day: date) -> tuple[date, str | None] | None:
        """Since when which value holds on a day; ``None`` where nobody has set one by then."""
        held = [each for each in self.values.get(name, ()) if each[0] <= day]
        return held[-1] if held else None

    def on(self, day: date) -> Settings:
        """The settings in force on a local day.  A value that this version cannot read does not count."""
        changes: dict[str, Any] = {}
        for name in self.values:
            found = self.value_on(name, day)
            if found and found[1] is not None:
                with suppress(ValueError):
                    changes[name] = _PARSE[name](found[1])
        return replace(self.installed, **changes) if changes else self.installed

    def at(self, moment: datetime) -> Settings:
        """The settings in force on the local day of a moment."""
        return self.on(moment.astimezone(self.installed.timezone).date())


async def load_operating(session: AsyncSession, installed: Settings) -> Operating:
    """Everything that was set for fields that this version knows."""
    rows = await session.execute(
        select(EffectiveValue.name, EffectiveValue.effective_from, EffectiveValue.value)
        .where(EffectiveValue.name.startswith(PREFIX, autoescape=True))
        .order_by(EffectiveValue.name, EffectiveValue.effective_from)
    )
    values: dict[str, list[tuple[date, str | None]]] = {}
    for name, day, value in rows:
        if (known := name.removeprefix(PREFIX)) in OPERATED:
            values.setdefault(known, []).append((day, value))
    return Operating(installed, {name: tuple(each) for name, each in values.items()})


async def settings_at(session: AsyncSession, installed: Settings, moment: datetime) -> Settings:
    """The settings in force on the local day of a moment, read from the database."""
    return (await load_operating(session, installed)).at(moment)


@dataclass(frozen=True)
class Change:
    """A value (of a field of ``Settings`` its text, ``None``: as installed) from a day on, by somebody and why."""

    name: str
    value: Any
    effective_from: date
    by: str
    reason: str


async def change_setting(session: AsyncSession, installed: Settings, change: Change, *, now: datetime) -> None:
    """``Refused`` for a field that is not changed in operation, a value that it cannot have, a day that has passed, or
    without a reason."""
    if change.name not in OPERATED:
        raise Refused("这项设置只能在安装时更改 / this is set where the service is installed", setting=change.name)
    if change.value is not None:
        try:
            found = _PARSE[change.name](change.value)
            if 0 < (found if isinstance(found, int) else 0) < (least := LEAST.get(change.name, 0)):
                raise ValueError(f"expected at least {least}")
        except ValueError as error:
            raise Refused(f"设置的值不符合要求 / {error}", setting=change.name) from None
    await put_value(session, installed, replace(change, name=PREFIX + change.name), now=now)


async def put_value(session: AsyncSession, installed: Settings, change: Change, *, now: datetime) -> None:
    """Keep a value that was looked at, with a row of the ledger; ``Refused`` for a day that has passed, or without a
    reason."""
    today = now.astimezone(installed.timezone).date()
    if change.effective_from < today:
        raise Refused("不得追溯生效 / no value begins in the past", effective_from=change.effective_from, today=today)
    if not change.reason.strip():
        raise Refused("请写明更改的理由 / say why this is changed")
    row = EffectiveValue(name=change.name, effective_from=change.effective_from, value=change.value)
    row.set_by, row.set_at = change.by, now
    await session.merge(row)
    facts = {"value": change.value, "effective_from": change.effective_from.isoformat(), "reason": change.reason}
    await append(session, Entry(CHANGED, change.by, change.name, {"setting": change.name, **facts}), now)
