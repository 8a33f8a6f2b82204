"""Work orders as the spreadsheet that they once were: the standard headers, every cell as text."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from workorders.columns import COLUMNS
from workorders.orders import WorkOrder

# `category` only stands for the three levels in one cell.
SHOWN = tuple(column for column in COLUMNS if hasattr(WorkOrder, column.field))
# A sheet has 1,048,576 rows at most (ECMA-376), a cell 32,767 characters.
ROWS_PER_SHEET = 1_000_000
LONGEST = 32_767


async def write_spreadsheet(path: Path, orders: AsyncIterator[WorkOrder], timezone: ZoneInfo) -> int:
    """Write the orders to an XLSX file, row by row; how many there were.  The complete text is in the JSON files."""
    book = Workbook(write_only=True)
    sheet, count = book.create_sheet("工单"), 0
    sheet.append([column.header for column in SHOWN])
    async for order in orders:
        if count and count % ROWS_PER_SHEET == 0:
            sheet = book.create_sheet(f"工单{count // ROWS_PER_SHEET + 1}")
            sheet.append([column.header for column in SHOWN])
        sheet.append([_cell(sheet, _text(getattr(order, column.field), timezone)) for column in SHOWN])
        count += 1
    book.save(path)
    return count


def _text(value: object, timezone: ZoneInfo) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(timezone):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


def _cell(sheet: object, text: str) -> Cell:
    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", text)[:LONGEST])  # type: ignore[arg-type]
    # What a citizen wrote never becomes a formula.
    cell.data_type = "s"
    return cell
