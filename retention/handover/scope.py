"""Which recordings a handover is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, or_, select

from archive.catalogue import Recording
from workorders.orders import Link
from workorders.queries import day_bounds

ALL, PERIOD, ORDER, CASE = "all", "period", "order", "case"
_SHAPE = "expected: all | period FROM TO | order NUMBER | case NAME-or-ID"


@dataclass(frozen=True)
class Scope:
    """``first`` and ``last`` are local days, both inclusive; ``name`` is the order's number or the case's."""

    kind: str
    first: date | None = None
    last: date | None = None
    name: str = ""

    @classmethod
    def parse(cls, words: Sequence[str]) -> "Scope":
        """Read the words of a command line; ``ValueError`` says what is wrong."""
        match list(words):
            case ["all"]:
                return cls(ALL)
            case ["period", first, last]:
                begins, ends = date.fromisoformat(first), date.fromisoformat(last)
                if ends < begins:
                    raise ValueError("the period ends before it begins")
                return cls(PERIOD, begins, ends)
            case ["order" | "case" as kind, name] if name.strip():
                return cls(kind, name=name.strip())
        raise ValueError(_SHAPE)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Scope":
        """What ``to_json`` wrote; ``ValueError`` otherwise."""
        names = ("from", "to") if value.get("kind") == PERIOD else ("name",)
        return cls.parse([str(value.get("kind")), *(str(value[name]) for name in names if value.get(name))])

    def to_json(self) -> dict[str, Any]:
        if self.kind == PERIOD:
            return {"kind": PERIOD, "from": str(self.first), "to": str(self.last)}
        return {"kind": self.kind, "name": self.name} if self.name else {"kind": self.kind}

    def chinese(self) -> str:
        """The scope in words."""
        words = {ALL: "全部录音", ORDER: f"工单 {self.name}", CASE: f"保全案件 {self.name}"}
        return words.get(self.kind, f"{self.first} 至 {self.last}（含首尾两日）的通话")

    def covers_day(self, day: date) -> bool:
        """Whether what belongs to a day, and to no recording, is part of it."""
        if self.kind == PERIOD:
            assert self.first
            assert self.last
            return self.first <= day < self.last + timedelta(days=1)
        return self.kind == ALL


def condition(scope: Scope, zone: ZoneInfo, held: Sequence[UUID] = ()) -> ColumnElement[bool]:
    """The recordings of a scope, as a condition on the catalogue; ``held`` are those of a case."""
    if scope.kind == PERIOD:
        assert scope.first
        assert scope.last
        begins, ends = day_bounds(scope.first, zone)[0], day_bounds(scope.last, zone)[1]
        return (Recording.started_at >= begins) & (Recording.started_at < ends)
    if scope.kind == ORDER:
        linked = select(Link.recording_id).where(Link.work_order == scope.name)
        return or_(Recording.work_order == scope.name, Recording.id.in_(linked))
    if scope.kind == CASE:
        return Recording.id.in_(held)
    return Recording.id.is_not(None)
