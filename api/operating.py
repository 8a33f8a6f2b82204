"""The settings as people see and change them: which there are, what holds today and why, and what was changed."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.models_settings import Kind, SettingChanged, SettingFrom, SettingView
from archive.events import events_about
from core.effective import EffectiveValue
from core.operating import CHANGED, OPERATED, OPERATION, PREFIX
from core.settings import Settings, variable
from reporting.formulas import DEFAULTS, FAIRLY_FACTOR, WEIGHTS, Formulas

_SECRETS = ("_url", "_secret", "_key_file")
_WEIGHED = tuple(DEFAULTS[WEIGHTS])


@dataclass(frozen=True)
class Choice:
    """One value that is changed in operation.  ``stored`` is its name among the effective values; ``read`` makes the
    kept value of what somebody enters (``ValueError``), ``show`` the text of a kept one."""

    name: str
    stored: str
    kind: Kind
    read: Callable[[str], Any]
    show: Callable[[Any], str]


def _weights(text: str) -> Mapping[str, str]:
    parts = re.split(r"[\s,\uff0c\u3001]+", text.strip())
    if len(parts) != len(_WEIGHED):
        raise ValueError("expected three weights, such as 0.1 0.5 0.4")
    weights = dict(zip(_WEIGHED, parts, strict=True))
    Formulas.parse(DEFAULTS[FAIRLY_FACTOR], weights)
    return weights


def _factor(text: str) -> str:
    Formulas.parse(text.strip(), DEFAULTS[WEIGHTS])
    return text.strip()


CHOICES: Mapping[str, Choice] = {
    **{
        name: Choice(name, PREFIX + name, "operation" if name in OPERATION else "security", str, str)
        for name in OPERATED
    },
    FAIRLY_FACTOR: Choice(FAIRLY_FACTOR, FAIRLY_FACTOR, "formula", _factor, str),
    WEIGHTS: Choice(WEIGHTS, WEIGHTS, "formula", _weights, lambda kept: " ".join(kept[name] for name in _WEIGHED)),
}


async def settings_shown(session: AsyncSession, installed: Settings, today: date) -> list[SettingView]:
    """Every setting, those that are changed in operation first."""
    rows = await session.scalars(
        select(EffectiveValue)
        .where(EffectiveValue.name.in_([choice.stored for choice in CHOICES.values()]))
        .order_by(EffectiveValue.effective_from)
    )
    kept: dict[str, list[EffectiveValue]] = {}
    for row in rows:
        kept.setdefault(row.name, []).append(row)
    plain = {each.name: each for each in installed_shown(installed)}
    changed = [
        _shown(choice, plain.get(choice.name), kept.get(choice.stored, ()), today) for choice in CHOICES.values()
    ]
    return changed + [each for each in plain.values() if each.name not in CHOICES]


def installed_shown(settings: Settings) -> list[SettingView]:
    """Every setting as it was installed; of those that may hold a password only whether they are set."""
    defaults = Settings()
    shown = []
    for each in fields(Settings):
        value = getattr(settings, each.name)
        secret = each.name.endswith(_SECRETS) and each.name != "public_url"
        shown.append(
            SettingView(
                name=each.name,
                variable=variable(each),
                kind="installed",
                value=("•••" if value else "") if secret else plain_text(value),
                source="default" if value == getattr(defaults, each.name) else "installation",
                meaning=str(each.metadata["doc"]),
            )
        )
    return shown


async def changes_of(session: AsyncSession, choice: Choice) -> list[SettingChanged]:
    """Who set it to what, from which day and why, newest first."""
    told = (await events_about(session, [choice.stored], [CHANGED]))[choice.stored]
    return [
        SettingChanged(
            at=event.at,
            by=event.actor,
            reason=str(event.facts.get("reason", "")),
            value=_text(choice, event.facts["value"]),
            effective_from=date.fromisoformat(event.facts["effective_from"]),
        )
        for event in reversed(told)
    ]


def _shown(choice: Choice, plain: SettingView | None, kept: Sequence[EffectiveValue], today: date) -> SettingView:
    held = [row for row in kept if row.effective_from <= today]
    base = plain or SettingView(
        name=choice.name, variable="", kind="formula", value=choice.show(DEFAULTS[choice.name]), source="default",
        meaning="",
    )  # fmt: skip
    shown = base.model_copy(update={"kind": choice.kind})
    if held and (text := _text(choice, held[-1].value)) is not None:
        shown = shown.model_copy(update={"value": text, "source": "page", "since": held[-1].effective_from})
    coming = [
        SettingFrom(effective_from=row.effective_from, value=_text(choice, row.value))
        for row in kept
        if row.effective_from > today
    ]
    return shown.model_copy(update={"coming": coming})


def _text(choice: Choice, kept: Any) -> str | None:
    return None if kept is None else choice.show(kept)


def plain_text(value: Any) -> str:
    """A setting's value in the text that the environment would give."""
    if isinstance(value, tuple | frozenset):
        return " ".join(each.pattern if isinstance(each, re.Pattern) else str(each) for each in sorted(value, key=str))
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if isinstance(value, timedelta):
        return str(round(value.total_seconds()))
    return "" if value is None else str(value)
