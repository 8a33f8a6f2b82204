"""The settings as pages show them: those of the installation without secrets, those that hold from a day on."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select

from core.database import Database
from core.effective import EffectiveValue
from core.settings import Settings, variable

_SECRETS = ("_url", "_secret", "_key_file")


@dataclass(frozen=True)
class ShownSetting:
    """A setting of the installation; ``changed``: not the default."""

    variable: str
    value: str
    changed: bool
    meaning: str


@dataclass(frozen=True)
class ShownPolicy:
    """One value from a day on; ``of`` whose (a contract's name); ``standing``: past, present or coming."""

    name: str
    of: str
    effective_from: date
    value: str
    set_by: str
    standing: str


def settings_shown(settings: Settings) -> Sequence[ShownSetting]:
    """Every setting; of those that may hold a password only whether they are set."""
    defaults = Settings()
    shown = []
    for each in fields(Settings):
        value = getattr(settings, each.name)
        changed = value != getattr(defaults, each.name)
        secret = each.name.endswith(_SECRETS) and each.name != "public_url"
        text = ("•••" if value else "") if secret else _plain(value)
        shown.append(ShownSetting(variable(each), text, changed, str(each.metadata["doc"])))
    return shown


async def policies_shown(database: Database, today: date) -> Sequence[ShownPolicy]:
    """All that was ever set to hold from a day on, the newest day first."""
    async with database.read() as session:
        rows = list(
            await session.scalars(
                select(EffectiveValue).order_by(EffectiveValue.name, EffectiveValue.effective_from.desc())
            )
        )
    present: dict[str, date] = {}
    for row in rows:
        if row.effective_from <= today:
            present.setdefault(row.name, row.effective_from)
    return [
        ShownPolicy(
            *_named(row.name), row.effective_from, _value(row.value), row.set_by, _standing(row, present, today)
        )
        for row in rows
    ]


def _named(name: str) -> tuple[str, str]:
    kind, _, of = name.partition(":")
    return kind, of


def _standing(row: EffectiveValue, present: Mapping[str, date], today: date) -> str:
    if row.effective_from > today:
        return "coming"
    return "present" if present[row.name] == row.effective_from else "past"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> str:
    if isinstance(value, tuple | frozenset):
        return " ".join(each.pattern if isinstance(each, re.Pattern) else str(each) for each in sorted(value, key=str))
    if isinstance(value, timedelta):
        return str(round(value.total_seconds()))
    return "" if value is None else str(value)
