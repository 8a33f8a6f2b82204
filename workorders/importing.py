"""Import of the 12345 export: every row is added, changed, unchanged or refused with its reason, in one transaction.

Importing the same file again changes nothing.  A file that cannot be understood as a whole (no header row, a required
column missing, too large) is refused as a whole with `ExportRefused`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from core.ledger import Entry, append, canonical
from workorders.columns import COLUMNS, Column, Headers, check_headers, find_headers, known_headers
from workorders.orders import WorkOrder, lock_orders
from workorders.reading import ExportRefused, Limits, Sheet, read_sheets
from workorders.rows import OrderRow, RefusedRow, parse_rows, refuse_contradictions

__all__ = ["ExportRefused", "ImportReport", "RowOutcome", "import_orders"]

IMPORTED = "imported"
ADDED, UPDATED, UNCHANGED, REFUSED = "added", "changed", "unchanged", "refused"
# Receives the file's SHA-256 (hex).
Keep = Callable[[str], Awaitable[None]]
_HEADER_SEARCH = 30
_CHUNK = 500
_HEADERS = {column.field: column.header for column in COLUMNS}


@dataclass(frozen=True)
class RowOutcome:
    """What became of one row (numbered as the spreadsheet shows it): ``added``, ``changed`` with the columns that
    differed, ``unchanged``, or ``refused`` with the reason in words for the user."""

    row: int
    number: str
    outcome: str
    columns: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class ImportReport:
    """The outcome of every row.  ``missing`` are standard columns that the file does not have; ``applied`` is false
    for a trial run."""

    file: str
    sha256: str
    sheet: str
    header_row: int
    missing: tuple[str, ...]
    rows: tuple[RowOutcome, ...]
    applied: bool

    def of(self, outcome: str) -> list[RowOutcome]:
        """The rows of one outcome, in the order of the file."""
        return [row for row in self.rows if row.outcome == outcome]

    @property
    def added(self) -> list[RowOutcome]:
        return self.of(ADDED)

    @property
    def changed(self) -> list[RowOutcome]:
        return self.of(UPDATED)

    @property
    def unchanged(self) -> list[RowOutcome]:
        return self.of(UNCHANGED)

    @property
    def refused(self) -> list[RowOutcome]:
        return self.of(REFUSED)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows there are of each outcome."""
        return {outcome: len(self.of(outcome)) for outcome in (ADDED, UPDATED, UNCHANGED, REFUSED)}

    def summary(self) -> str:
        """One line for people."""
        counts = self.counts
        trial = "" if self.applied else "（试运行，未写入）"
        return (
            f"共 {len(self.rows)} 行：新增 {counts[ADDED]}，更新 {counts[UPDATED]}，未变 {counts[UNCHANGED]}，"
            f"拒绝 {counts[REFUSED]}{trial}"
        )


async def import_orders(
    database: Database,
    source: Path,
    *,
    by: str,
    now: datetime,
    timezone: ZoneInfo,
    columns: Path | None = None,
    dry_run: bool = False,
    limits: Limits | None = None,
    keep: Keep | None = None,
) -> ImportReport:
    """Bring the orders of an XLSX or CSV export into the database; ``dry_run`` only tells what would happen.
    ``keep`` puts the file that could be read into safety before the database is touched.

    Raises `ExportRefused` when the file as a whole cannot be imported; then nothing has changed.
    """
    sheet, headers, digest = await asyncio.to_thread(_read, source, columns, limits)
    parsed = await asyncio.to_thread(_parsed, sheet, headers, timezone)
    if dry_run:
        async with database.read() as session:
            outcomes = await apply_rows(session, parsed, None)
    else:
        if keep is not None:
            await keep(digest)
        async with database.write() as session:
            await lock_orders(session)
            outcomes = await apply_rows(session, parsed, now)
            report = _report(source, digest, sheet, headers, outcomes, applied=True)
            facts = {**report.counts, "rows": len(report.rows), "file_sha256": digest, **_reading(timezone, columns)}
            await append(session, Entry(IMPORTED, by, f"sha256:{digest}", facts), now)
        return report
    return _report(source, digest, sheet, headers, outcomes, applied=False)


def read_rows(source: Path, columns: Path | None, timezone: ZoneInfo) -> Sequence[OrderRow | RefusedRow]:
    """The rows of an export, as an import reads them; blocking."""
    sheet, headers, _ = _read(source, columns, None)
    return _parsed(sheet, headers, timezone)


def _parsed(sheet: Sheet, headers: Headers, timezone: ZoneInfo) -> Sequence[OrderRow | RefusedRow]:
    return refuse_contradictions(parse_rows(sheet, headers, timezone))


def _reading(timezone: ZoneInfo, columns: Path | None) -> dict[str, object]:
    """What else decides how a file is read: with these and the file an import can be done again."""
    mapping = sha256(columns.read_bytes()).hexdigest() if columns else None
    return {"timezone": str(timezone), "columns_sha256": mapping}


def _read(source: Path, mapping: Path | None, limits: Limits | None) -> tuple[Sheet, Headers, str]:
    known = known_headers(mapping)
    sheet, headers = _first_table(read_sheets(source, limits), known)
    check_headers(headers)
    with source.open("rb") as file:
        return sheet, headers, file_digest(file, "sha256").hexdigest()


def _first_table(sheets: Iterator[Sheet], known: Mapping[str, Column]) -> tuple[Sheet, Headers]:
    for sheet in sheets:
        beginning = [[str(cell or "") for cell in cells] for _, cells in sheet.rows[:_HEADER_SEARCH]]
        if headers := find_headers(beginning, known):
            return sheet, headers
    raise ExportRefused(
        f"前 {_HEADER_SEARCH} 行中没有找到表头（例如“工单编号”“标题”）；若文件用了别的列名，请提供列对照文件"
        " / no header row was found; give a column mapping if the file uses other headers"
    )


def _report(
    source: Path, digest: str, sheet: Sheet, headers: Headers, outcomes: Sequence[RowOutcome], *, applied: bool
) -> ImportReport:
    missing = tuple(column.header for column in headers.missing)
    row = sheet.rows[headers.row][0]
    return ImportReport(source.name, digest, sheet.name, row, missing, tuple(outcomes), applied)


async def apply_rows(
    session: AsyncSession, parsed: Sequence[OrderRow | RefusedRow], now: datetime | None
) -> list[RowOutcome]:
    """The outcome of every row; with ``now`` the orders are written as well."""
    refused = [
        RowOutcome(each.row, each.number, REFUSED, (), each.reason) for each in parsed if isinstance(each, RefusedRow)
    ]
    sound = [each for each in parsed if isinstance(each, OrderRow)]
    outcomes: list[RowOutcome] = []
    seen: dict[str, int] = {}
    for start in range(0, len(sound), _CHUNK):
        chunk = sound[start : start + _CHUNK]
        numbers = {each.number for each in chunk}
        rows = await session.scalars(select(WorkOrder).where(WorkOrder.number.in_(numbers)))
        known = {row.number: row for row in rows}
        for each in chunk:
            if each.number in seen:
                reason = f"与第 {seen[each.number]} 行相同"
                outcomes.append(RowOutcome(each.row, each.number, UNCHANGED, (), reason))
                continue
            seen[each.number] = each.row
            outcomes.append(_one(session, known.get(each.number), each, now))
        await session.flush()
        session.expunge_all()
    return sorted([*outcomes, *refused], key=lambda outcome: outcome.row)


def _one(session: AsyncSession, order: WorkOrder | None, row: OrderRow, now: datetime | None) -> RowOutcome:
    if order is None:
        if now is not None:
            session.add(_new_order(row, now))
        return RowOutcome(row.row, row.number, ADDED)
    differing = _differences(order, row)
    if not differing:
        return RowOutcome(row.row, row.number, UNCHANGED)
    if now is not None:
        _update(order, row, now)
    return RowOutcome(row.row, row.number, UPDATED, tuple(differing))


def _differences(order: WorkOrder, row: OrderRow) -> list[str]:
    """The columns of the file whose value is another; columns that the file lacks are left alone."""
    fields = [_HEADERS[name] for name, value in row.fields.items() if getattr(order, name) != value]
    return fields + [name for name, value in row.others.items() if order.raw.get(name, "") != value]


def _new_order(row: OrderRow, now: datetime) -> WorkOrder:
    order = WorkOrder(**row.fields, raw=dict(row.raw), imported_at=now, updated_at=now)
    order.row_sha256 = _row_hash(row.fields, row.raw)
    return order


def _update(order: WorkOrder, row: OrderRow, now: datetime) -> None:
    for name, value in row.fields.items():
        setattr(order, name, value)
    order.raw = {**order.raw, **row.raw}
    order.row_sha256 = _row_hash(row.fields, order.raw)
    order.updated_at = now


def _row_hash(fields: Mapping[str, Any], raw: Mapping[str, str]) -> str:
    said = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
    return sha256(canonical({"fields": said, "raw": dict(raw)}).encode()).hexdigest()
