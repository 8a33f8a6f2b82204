"""What the HTTP API takes and answers about settings and dictionaries.  Days are local days."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from api.models import Model
from core.dictionaries import LONGEST, MOST_ALIASES
from core.operating import LONGEST_REASON, LONGEST_VALUE

Kind = Literal["operation", "formula", "security", "installed"]
Source = Literal["default", "installation", "page"]


class SettingFrom(Model):
    """``value`` is ``null`` where what was installed holds again."""

    effective_from: date
    value: str | None


class SettingChanged(SettingFrom):
    at: datetime
    by: str
    reason: str


class SettingView(Model):
    """``value`` holds today (``•••``: it may hold a secret), since ``since`` where somebody set it; ``coming`` are
    values of coming days.  Those of the kind ``installed`` change only where the service is installed."""

    name: str
    variable: str
    kind: Kind
    value: str
    source: Source
    since: date | None = None
    coming: list[SettingFrom] = Field(default_factory=list)
    meaning: str


class SettingList(Model):
    """``seconds``: within how long every process follows a change."""

    items: list[SettingView]
    seconds: int


class SettingDetail(Model):
    setting: SettingView
    changes: list[SettingChanged]


class SettingRequest(Model):
    """Without ``value`` what was installed holds again from that day on."""

    value: str | None = Field(default=None, max_length=LONGEST_VALUE)
    effective_from: date
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


class SecuritySettingRequest(SettingRequest):
    """``password``: of whoever asks, once more."""

    password: str = Field(max_length=200)


class DictionaryView(Model):
    """``valid``: entries that are valid today."""

    name: str
    aliases: bool
    valid: int
    entries: int


class DictionaryList(Model):
    items: list[DictionaryView]


class EntryQuery(Model):
    on: date | None = None


class EntryView(Model):
    """``valid_until`` is the last day, where an end is known; ``set_by`` is empty for what the product brings along."""

    id: UUID
    value: str
    english: str
    aliases: list[str]
    position: int
    valid_from: date
    valid_until: date | None
    set_by: str
    set_at: datetime | None


class EntryList(Model):
    name: str
    items: list[EntryView]


class EntryRequest(Model):
    """Valid from today where no day is given."""

    value: str = Field(min_length=1, max_length=LONGEST)
    english: str = Field(default="", max_length=LONGEST)
    aliases: list[str] = Field(default_factory=list, max_length=MOST_ALIASES)
    position: int = Field(default=0, ge=0, le=9999)
    valid_from: date | None = None
    valid_until: date | None = None


class EndRequest(Model):
    """The last day on which an entry is valid; without one it ends at once."""

    last_day: date | None = None
