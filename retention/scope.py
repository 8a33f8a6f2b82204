"""What a hold covers: recordings of orders, of persons (telephone numbers) and of a range of days, each narrowing the
others, and besides them whichever recordings are listed by name.

Orders one or the other, persons one or the other; "of this order *or* that person" is two cases.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, false, func, or_
from sqlalchemy.orm import InstrumentedAttribute

from archive.catalogue import Recording
from core.errors import Refused
from retention.rule import midnight_after
from workorders.cells import normal_telephone
from workorders.orders import Link

# What people write between the digits of a number, which a number in the catalogue may still hold.
_BETWEEN = (" ", "-", "(", ")", ".")


@dataclass(frozen=True)
class Scope:
    """``first`` and ``last`` are local days, inclusive, of the call's beginning."""

    orders: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None
    recordings: tuple[UUID, ...] = ()

    @classmethod
    def parse(cls, plain: Mapping[str, Any]) -> "Scope":
        """From what ``to_json`` gave."""
        return cls(
            orders=tuple(plain["orders"]),
            persons=tuple(plain["persons"]),
            first=date.fromisoformat(plain["first"]) if plain["first"] else None,
            last=date.fromisoformat(plain["last"]) if plain["last"] else None,
            recordings=tuple(UUID(each) for each in plain["recordings"]),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values; persons as they are compared."""
        return {
            "orders": [each.strip() for each in self.orders],
            "persons": [_person(each) for each in self.persons],
            "first": self.first.isoformat() if self.first else "",
            "last": self.last.isoformat() if self.last else "",
            "recordings": [str(each) for each in self.recordings],
        }

    def require_some(self) -> None:
        """``Refused`` for a scope that says nothing, or a range of days that ends before it begins."""
        empty = not (self.orders or self.persons or self.first or self.last or self.recordings)
        if empty or not all(each.strip() for each in (*self.orders, *self.persons)):
            raise Refused(
                "保全范围不能为空 / the scope of a hold is empty", remedy="an order, a person, a day or a recording"
            )
        if self.first and self.last and self.last < self.first:
            raise Refused("保全日期范围有误 / the range of days ends before it begins", first=self.first)

    def condition(self, timezone: ZoneInfo) -> ColumnElement[bool]:
        """As SQL: never less than the scope; ``confirms`` says of each row whether it is in it."""
        narrowing = []
        if self.orders:
            linked = exists().where(Link.recording_id == Recording.id, Link.work_order.in_(self.orders))
            narrowing.append(or_(linked, Recording.work_order.in_(self.orders)))
        if self.persons:
            narrowing.append(or_(*(_ends_like(one, each) for each in self.persons for one in _PARTIES)))
        if self.first:
            narrowing.append(Recording.started_at >= _midnight(self.first, timezone))
        if self.last:
            narrowing.append(Recording.started_at < midnight_after(self.last, timezone))
        listed = Recording.id.in_(self.recordings) if self.recordings else false()
        return or_(and_(*narrowing), listed) if narrowing else listed

    def confirms(self, recording_id: UUID, numbers: Iterable[str]) -> bool:
        """Of a recording that ``condition`` found: whether the numbers of its parties really are the persons'."""
        if not self.persons or recording_id in self.recordings:
            return True
        return bool(_people(numbers) & _people(self.persons))


_PARTIES = (Recording.citizen_number, Recording.agent_number)


def _person(number: str) -> str:
    """A number as it is compared; an extension too short to be a telephone number as it is."""
    return normal_telephone(number) or number.strip()


def _people(numbers: Iterable[str]) -> set[str]:
    return {_person(each) for each in numbers} - {""}


def _ends_like(column: InstrumentedAttribute[str], person: str) -> ColumnElement[bool]:
    bare: Any = column
    for character in _BETWEEN:
        bare = func.replace(bare, character, "")
    # A land line loses its 0 behind a country code.
    ends: ColumnElement[bool] = bare.endswith(_person(person).lstrip("0"), autoescape=True)
    return ends


def _midnight(day: date, timezone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone)
