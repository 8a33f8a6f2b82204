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

from sqlalchemy import ColumnElement, and_, or_, select, union_all

from archive.catalogue import Recording
from core.errors import Refused
from core.telephone import person_of
from retention.rule import midnight_after
from workorders.orders import Link


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
            "persons": [person_of(each) for each in self.persons],
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
        narrowing: list[ColumnElement[bool]] = []
        if self.orders:
            linked = select(Link.recording_id).where(Link.work_order.in_(self.orders))
            signalled = select(Recording.id).where(Recording.work_order.in_(self.orders))
            narrowing.append(Recording.id.in_(union_all(linked, signalled)))
        if self.persons:
            people = _people(self.persons)
            narrowing.append(or_(Recording.citizen_person.in_(people), Recording.agent_person.in_(people)))
        if self.first:
            narrowing.append(Recording.started_at >= _midnight(self.first, timezone))
        if self.last:
            narrowing.append(Recording.started_at < midnight_after(self.last, timezone))
        listed = Recording.id.in_(self.recordings)
        if not narrowing or not self.recordings:
            return and_(*narrowing) if narrowing else listed
        # Each by its own index.
        return Recording.id.in_(union_all(*(select(Recording.id).where(each) for each in (and_(*narrowing), listed))))

    def confirms(self, recording_id: UUID, numbers: Iterable[str]) -> bool:
        """Of a recording that ``condition`` found: whether the numbers of its parties really are the persons'."""
        if not self.persons or recording_id in self.recordings:
            return True
        return bool(_people(numbers) & _people(self.persons))


def _people(numbers: Iterable[str]) -> set[str]:
    return {person_of(each) for each in numbers} - {""}


def _midnight(day: date, timezone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone)
