"""Dictionaries 字典: the words that a team chooses by itself, each with the days on which it is valid.

An entry never changes and is never deleted: it is ended, or ended and followed by another one, so that a past day
always reads as it did.  On any day a name (value or alias) stands for one entry of its dictionary.  What the product
brings along (``BUILT_IN``) holds until somebody changes the dictionary, and is written down with that first change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import JSON, Date, String, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, UtcDateTime
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append, take_turn

CHANGED = "dictionary changed"
UNITS, CATEGORIES, PURPOSES, HOTWORDS = "unit", "category", "purpose", "hotword"
RISKS, PAUSES, CORRECTIONS, KEEPING = "risk", "pause", "correction", "keeping"
ALWAYS = date(2000, 1, 1)
LONGEST, MOST_ALIASES = 160, 50

BUILT_IN: Mapping[str, Sequence[tuple[str, str]]] = {
    # 承办单位 and 问题分类: aliases are counted and found under one name.
    UNITS: (),
    CATEGORIES: (),
    # Offered where a purpose or a reason is asked.
    PURPOSES: (
        ("投诉复核", "Review of a complaint"),
        ("质量抽查", "Quality check"),
        ("审计抽样", "Audit sample"),
        ("甲方核查", "Inspection by the client"),
        ("再次回访，拨打市民电话", "Another callback to the citizen"),
    ),
    PAUSES: (
        ("市民正在说出证件号码", "The citizen is telling an identity number"),
        ("市民要求暂不录音", "The citizen asks not to be recorded for now"),
        ("与本次回访无关的谈话", "Talk that has nothing to do with this callback"),
    ),
    CORRECTIONS: (
        ("听录音核对", "Checked by listening"),
        ("同音字更正", "A word that sounds the same"),
        ("人名地名更正", "A name of a person or place"),
        ("数字更正", "A number"),
    ),
    KEEPING: (
        ("审计正在进行", "An audit is under way"),
        ("投诉尚未办结", "A complaint is not settled yet"),
        ("诉讼或仲裁需要", "Needed for a lawsuit or an arbitration"),
        ("有关机关要求保存", "An authority asks to keep it"),
    ),
    # Words of this city that the speech engine is told, and that ask for somebody's attention at once.
    HOTWORDS: (),
    RISKS: (),
}
WITH_ALIASES = frozenset({UNITS, CATEGORIES})


class DictionaryEntry(Base):
    """One entry; days are local and inclusive, ``valid_until`` is nothing while no end is known."""

    __tablename__ = "dictionary_entries"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    dictionary: Mapped[str] = mapped_column(String(20), index=True)
    value: Mapped[str] = mapped_column(String(LONGEST))
    english: Mapped[str] = mapped_column(String(LONGEST), default="")
    aliases: Mapped[list[Any]] = mapped_column(JSON)
    position: Mapped[int] = mapped_column(default=0)
    valid_from: Mapped[date] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    set_by: Mapped[str] = mapped_column(String(120))
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Word:
    """An entry as it is read."""

    id: UUID
    value: str
    english: str
    aliases: tuple[str, ...]
    position: int
    valid_from: date
    valid_until: date | None
    set_by: str
    set_at: datetime | None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.value, *self.aliases)

    def valid_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def meets(self, first: date, last: date | None) -> bool:
        """Whether it is valid on a day from ``first`` to ``last``."""
        ends = self.valid_until or date.max
        return self.valid_from <= (last or date.max) and ends >= first and ends >= self.valid_from


@dataclass(frozen=True)
class NewWord:
    """What somebody enters; in the order of ``position``, then of the value."""

    value: str
    english: str = ""
    aliases: tuple[str, ...] = ()
    position: int = 0
    valid_from: date = ALWAYS
    valid_until: date | None = None


async def words(session: AsyncSession, dictionary: str) -> list[Word]:
    """Every entry that was ever made, in order; ``NotFound`` for a dictionary that there is none of."""
    return (await all_words(session, (_known(dictionary),)))[dictionary]


async def all_words(session: AsyncSession, dictionaries: Iterable[str] = tuple(BUILT_IN)) -> dict[str, list[Word]]:
    """The entries of several dictionaries, with one question."""
    found: dict[str, list[Word]] = {name: [] for name in dictionaries}
    rows = await session.scalars(select(DictionaryEntry).where(DictionaryEntry.dictionary.in_(list(found))))
    for row in rows:
        found[row.dictionary].append(_word(row))
    return {name: sorted(each or _built_in(name), key=_place) for name, each in found.items()}


async def words_on(session: AsyncSession, dictionary: str, day: date) -> list[Word]:
    """The entries that are valid on a local day."""
    return [word for word in await words(session, dictionary) if word.valid_on(day)]


async def names_on(session: AsyncSession, dictionary: str, day: date) -> dict[str, str]:
    """Alias → value, of the entries that are valid on a day."""
    return {alias: word.value for word in await words_on(session, dictionary, day) for alias in word.aliases}


async def same_as(session: AsyncSession, dictionary: str, name: str) -> tuple[str, ...]:
    """``name``, and every name that an entry has or had which has this one."""
    return family(await words(session, dictionary), name)


def family(there: Iterable[Word], name: str) -> tuple[str, ...]:
    """As ``same_as``, of entries that were read."""
    return tuple(dict.fromkeys([name, *(each for word in there if name in word.names for each in word.names)]))


async def add_word(
    session: AsyncSession, dictionary: str, new: NewWord, *, by: str, now: datetime, today: date
) -> DictionaryEntry:
    """Add an entry.  ``Refused`` for one that cannot be, or from a past day; ``Conflict`` where one of its names stands
    for another entry meanwhile."""
    there = await _begun(session, dictionary, by=by, now=now)
    return await _add(session, dictionary, new, there, by=by, now=now, today=today)


async def end_word(
    session: AsyncSession, dictionary: str, identifier: UUID, last: date, *, by: str, now: datetime, today: date
) -> None:
    """Let ``last`` be the last day of an entry; yesterday ends it at once.  ``Refused`` for a day before."""
    await _begun(session, dictionary, by=by, now=now)
    row = await _entry(session, dictionary, identifier)
    if last < today - timedelta(days=1):
        raise Refused("不得追溯终止 / no entry ends in the past", last_day=last, today=today)
    _require_open(row, today)
    row.valid_until = max(last, row.valid_from - timedelta(days=1))
    row.set_by, row.set_at = by, now
    await _note(session, row, by, now)


async def follow_word(
    session: AsyncSession, dictionary: str, identifier: UUID, new: NewWord, *, by: str, now: datetime, today: date
) -> DictionaryEntry:
    """End an entry before the day from which ``new`` holds in its place."""
    _require_from_today(new, today)
    day_before = new.valid_from - timedelta(days=1)
    await end_word(session, dictionary, identifier, day_before, by=by, now=now, today=today)
    return await add_word(session, dictionary, new, by=by, now=now, today=today)


async def restore_word(session: AsyncSession, facts: Mapping[str, Any], *, by: str, at: datetime) -> None:
    """An entry as the ledger tells it, after the database was lost."""
    until = facts["valid_until"]
    row = DictionaryEntry(
        id=UUID(facts["id"]),
        dictionary=facts["dictionary"],
        value=facts["value"],
        english=facts["english"],
        aliases=list(facts["aliases"]),
        position=facts["position"],
        valid_from=date.fromisoformat(facts["valid_from"]),
        valid_until=date.fromisoformat(until) if until else None,
        set_by=by,
        set_at=at,
    )
    await session.merge(row)
    await session.flush()


async def _begun(session: AsyncSession, dictionary: str, *, by: str, now: datetime) -> list[Word]:
    """The entries, once those that the product brings along are rows; one change at a time."""
    await take_turn(session)
    there = await words(session, dictionary)
    if there and there[0].set_at is None:
        for word in there:
            values = {name: getattr(word, name) for name in ("id", "value", "english", "position", "valid_from")}
            row = DictionaryEntry(**values, dictionary=dictionary, aliases=[], set_by=by, set_at=now)
            session.add(row)
            await _note(session, row, by, now)
    return there


async def _add(
    session: AsyncSession, dictionary: str, new: NewWord, there: Sequence[Word], *, by: str, now: datetime, today: date
) -> DictionaryEntry:
    value, aliases = new.value.strip(), tuple(dict.fromkeys(each.strip() for each in new.aliases if each.strip()))
    _require_possible(dictionary, value, aliases, new, today)
    for word in there:
        if (shared := {value, *aliases} & set(word.names)) and word.meets(new.valid_from, new.valid_until):
            name = sorted(shared)[0]
            raise Conflict("这个名称已属于另一条目 / this name stands for another entry", name=name, entry=word.value)
    row = DictionaryEntry(
        id=new_id(now),
        dictionary=dictionary,
        value=value,
        english=new.english.strip(),
        aliases=[alias for alias in aliases if alias != value],
        position=new.position,
        valid_from=new.valid_from,
        valid_until=new.valid_until,
        set_by=by,
        set_at=now,
    )
    session.add(row)
    await _note(session, row, by, now)
    return row


def _require_possible(dictionary: str, value: str, aliases: Sequence[str], new: NewWord, today: date) -> None:
    lengths = [len(each) for each in (value, new.english, *aliases)]
    if not value or max(lengths) > LONGEST or len(aliases) > MOST_ALIASES:
        raise Refused("条目须有名称，且不能过长 / an entry needs a name, and not a long one", longest=LONGEST)
    if aliases and dictionary not in WITH_ALIASES:
        raise Refused("这部字典没有别名 / this dictionary has no aliases", dictionary=dictionary)
    _require_from_today(new, today)
    if new.valid_until is not None and new.valid_until < new.valid_from:
        raise Refused("终止日早于生效日 / it ends before it begins", valid_until=new.valid_until)


def _require_from_today(new: NewWord, today: date) -> None:
    if new.valid_from < today:
        raise Refused("不得追溯生效 / no entry begins in the past", valid_from=new.valid_from, today=today)


def _require_open(row: DictionaryEntry, today: date) -> None:
    if row.valid_until is not None and row.valid_until < today:
        raise Conflict("这个条目已经终止 / this entry has ended already", entry=row.value, ended=row.valid_until)


async def _entry(session: AsyncSession, dictionary: str, identifier: UUID) -> DictionaryEntry:
    row = await session.get(DictionaryEntry, identifier, with_for_update=True)
    if row is None or row.dictionary != dictionary:
        raise NotFound("没有这个条目 / no such entry", dictionary=dictionary, entry=identifier)
    return row


async def _note(session: AsyncSession, row: DictionaryEntry, by: str, now: datetime) -> None:
    """The whole entry: a lost database is told again by these rows."""
    until = row.valid_until.isoformat() if row.valid_until else None
    facts = {
        **{name: getattr(row, name) for name in ("dictionary", "value", "english", "aliases", "position")},
        **{"id": str(row.id), "valid_from": row.valid_from.isoformat(), "valid_until": until},
    }
    await append(session, Entry(CHANGED, by, f"dictionary.{row.dictionary}", facts), now)
    await session.flush()


def _known(dictionary: str) -> str:
    if dictionary not in BUILT_IN:
        raise NotFound("没有这部字典 / no such dictionary", dictionary=dictionary)
    return dictionary


_NAMESPACE = UUID("6f4b0f0e-5a3c-4c57-9a57-0d6a3f0a8e11")


def _built_in(dictionary: str) -> list[Word]:
    return [
        Word(uuid5(_NAMESPACE, f"{dictionary} {value}"), value, english, (), place, ALWAYS, None, "", None)
        for place, (value, english) in enumerate(BUILT_IN[dictionary])
    ]


def _word(row: DictionaryEntry) -> Word:
    values = {name: getattr(row, name) for name in ("id", "value", "english", "position", "valid_from", "valid_until")}
    return Word(**values, aliases=tuple(row.aliases), set_by=row.set_by, set_at=row.set_at)


def _place(word: Word) -> tuple[int, str, date]:
    return word.position, word.value, word.valid_from
