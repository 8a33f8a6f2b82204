"""Rows of the export as orders: fields parsed, every cell kept as text, contradictions within the file refused."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import String

from workorders.cells import moment_of, number_of, telephone_of, text_of
from workorders.columns import CATEGORY_LEVELS, COLUMNS, MOMENT, NUMBER, TELEPHONE, Column, Headers
from workorders.orders import WorkOrder
from workorders.reading import Cell, Sheet

# One separator divides a whole cell: the first of these that stands in it.
_CATEGORY_SEPARATORS = ("→", "->", "—>", ">", "＞", "/", "／", "|", "-", "－", "—")
_HEADERS = {column.field: column.header for column in COLUMNS}
_LENGTHS = {
    name: column.type.length
    for name, column in WorkOrder.__table__.columns.items()
    if isinstance(column.type, String) and column.type.length
}


@dataclass(frozen=True)
class OrderRow:
    """A sound row: ``fields`` of the order that the file has, ``raw`` every cell as text by header, ``others`` those
    of them that no field stands for."""

    row: int
    number: str
    fields: Mapping[str, Any]
    raw: Mapping[str, str]
    others: Mapping[str, str]


@dataclass(frozen=True)
class RefusedRow:
    """A row that cannot be imported, and why (for the user, Chinese first)."""

    row: int
    number: str
    reason: str


def parse_rows(sheet: Sheet, headers: Headers, zone: ZoneInfo) -> Iterator[OrderRow | RefusedRow]:
    """Every row below the header row."""
    for row, cells in sheet.rows[headers.row + 1 :]:
        padded = (*cells, *(None,) * (len(headers.names) - len(cells)))
        try:
            yield _parse(row, padded, headers, zone)
        except ValueError as error:
            yield RefusedRow(row, _number_if_any(padded, headers), str(error))


def _parse(row: int, cells: Sequence[Cell], headers: Headers, zone: ZoneInfo) -> OrderRow:
    raw: dict[str, str] = {}
    others: dict[str, str] = {}
    fields: dict[str, Any] = {}
    for name, column, cell in zip(headers.names, headers.columns, cells, strict=False):
        raw[name] = text_of(cell)
        if column is None:
            others[name] = raw[name]
        elif column.field == "category":
            fields.update(zip(CATEGORY_LEVELS, split_category(raw[name]), strict=True))
        else:
            fields[column.field] = _value(column, cell, zone)
    for name, value in fields.items():
        if isinstance(value, str) and len(value) > _LENGTHS.get(name, len(value)):
            raise ValueError(f"“{_HEADERS[name]}”超过 {_LENGTHS[name]} 个字 / too long")
    return OrderRow(row, fields["number"], fields, raw, others)


def _value(column: Column, cell: Cell, zone: ZoneInfo) -> Any:
    try:
        if column.holds == NUMBER:
            return number_of(cell)
        if column.holds == MOMENT:
            return moment_of(cell, zone)
    except ValueError as error:
        raise ValueError(f"“{column.header}”：{error}") from None
    return telephone_of(cell) if column.holds == TELEPHONE else text_of(cell)


def _number_if_any(cells: Sequence[Cell], headers: Headers) -> str:
    for column, cell in zip(headers.columns, cells, strict=False):
        if column and column.field == "number":
            return text_of(cell)
    return ""


def split_category(written: str) -> tuple[str, str, str]:
    """``A→B→C`` (also ``A-B-C``, ``A/B/C``) as three levels; whatever is deeper stays in the third."""
    separator = next((each for each in _CATEGORY_SEPARATORS if each in written), "→")
    parts = [part.strip() for part in written.split(separator, 2)]
    first, second, third = (*parts, "", "", "")[:3]
    return first, second, third


def refuse_contradictions(rows: Iterator[OrderRow | RefusedRow]) -> list[OrderRow | RefusedRow]:
    """Rows that share a number and differ are all refused: nobody can tell which of them is true."""
    parsed = list(rows)
    same: dict[str, list[OrderRow]] = defaultdict(list)
    for each in parsed:
        if isinstance(each, OrderRow):
            same[each.number].append(each)
    contradicting = {
        number: "、".join(str(each.row) for each in group)
        for number, group in same.items()
        if any(each.raw != group[0].raw for each in group[1:])
    }
    return [
        RefusedRow(
            each.row,
            each.number,
            f"本文件第 {contradicting[each.number]} 行工单编号相同而内容不同 / the rows contradict each other",
        )
        if each.number in contradicting and isinstance(each, OrderRow)
        else each
        for each in parsed
    ]
