"""Export files as rows of plain cells: XLSX through openpyxl, CSV in UTF-8, UTF-16 or GB18030.

A cell is the value that the file shows: formulas are never computed, and text that looks like one stays text.  Limits
stand against files that unfold to more than a machine can hold.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

from core.errors import HuiyinError
from workorders.unpacking import Unfolded, too_much

# What openpyxl and the readers below it raise on broken or hostile content (an XML bomb is a ValueError).
_MALFORMED = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError),
    *(ValueError, TypeError, SyntaxError, LookupError, AttributeError),
)
# Spreadsheet programs know no row beyond this one; a file that names one only wants us to count to it.
_LAST_ROW = 1_048_576
# Characters of a CSV file that tell its delimiter.
_BEGINNING = 64 * 1024

# What openpyxl gives; other kinds of value (durations) become text.
Cell = str | int | float | bool | datetime | date | time | None
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
# ="20261101000101" is how other programs keep Excel from reading digits in a CSV file as a number.
_QUOTED_TEXT = re.compile(r'="([^"]*)"')


class ExportRefused(HuiyinError):
    """A whole export file cannot be imported; the message says why and what to do, Chinese first."""


@dataclass(frozen=True)
class Limits:
    """The most that an export file may hold."""

    file_bytes: int = 64 * 2**20
    unfolded: Unfolded = Unfolded()
    sheets: int = 100
    rows: int = 200_000
    cells: int = 6_000_000
    columns: int = 300
    cell_characters: int = 100_000


@dataclass(frozen=True)
class Sheet:
    """A table as it stands in the file; ``rows`` are numbered from 1 as spreadsheet programs show them."""

    name: str
    rows: list[tuple[int, tuple[Cell, ...]]]


def read_sheets(source: Path, limits: Limits | None = None) -> Iterator[Sheet]:
    """The tables of a file with their rows that are not empty (a CSV file has one table).

    The kind of file is told from its content, not its name.  Raises `ExportRefused`.
    """
    limits = limits or Limits()
    try:
        size = source.stat().st_size
        with source.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise ExportRefused("文件打不开 / cannot open the file", file=source.name) from error
    if size > limits.file_bytes:
        raise ExportRefused("文件太大 / the file is too large", bytes=size, limit=limits.file_bytes)
    if not head.strip():
        raise ExportRefused("文件是空的 / the file is empty", file=source.name)
    if head.startswith(b"PK"):
        return _xlsx_sheets(source, limits)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise ExportRefused(
            "旧式 .xls 或加了密码的文件，请另存为不加密的 .xlsx / save it as a plain .xlsx", file=source.name
        )
    if re.search(rb"<(?:!doctype|html|table|\?xml|\?mso)", head, re.IGNORECASE):
        raise ExportRefused("网页或 XML 表格，请在 Excel 中另存为 .xlsx / save it as .xlsx", file=source.name)
    return iter([_csv_sheet(source, limits)])


def _xlsx_sheets(source: Path, limits: Limits) -> Iterator[Sheet]:
    # Every command and process loads this file, and few of them read workbooks.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        if fault := too_much(source, limits.unfolded):
            raise ExportRefused(fault, file=source.name)
        book = load_workbook(source, read_only=True, data_only=True, keep_links=False)
        try:
            if len(book.worksheets) > limits.sheets:
                raise ExportRefused(
                    "工作表太多，请分几个文件导入 / too many sheets; split the file", limit=limits.sheets
                )
            for sheet in book.worksheets:
                if sheet.sheet_state == "visible":
                    # The stated dimensions may be wrong in either direction.
                    sheet.reset_dimensions()
                    cells = sheet.iter_rows(max_col=limits.columns, values_only=True)
                    yield Sheet(sheet.title, _not_empty(cells, limits))
        finally:
            book.close()
    except (*_MALFORMED, InvalidFileException) as error:
        raise ExportRefused("不是完整的 .xlsx 文件 / not a sound .xlsx file", file=source.name) from error


def _csv_sheet(source: Path, limits: Limits) -> Sheet:
    text = decode(source.read_bytes())
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
        unquoted = ([_unquoted(cell) for cell in row] for row in rows)
        return Sheet("", _not_empty(unquoted, limits))
    except csv.Error as error:
        raise ExportRefused(f"CSV 格式有误：{error} / malformed CSV", file=source.name) from error


def decode(content: bytes) -> str:
    """The text of a CSV file: UTF-16 by its mark, UTF-8 with or without one, else GB18030 (which holds GBK)."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ExportRefused("文字编码无法识别，请存为 UTF-8 / unknown text encoding; save as UTF-8")


def _delimiter(text: str) -> str:
    beginning = "\n".join(text[:_BEGINNING].splitlines()[:20])
    return max(",\t;", key=beginning.count)


def _unquoted(cell: str) -> str:
    found = _QUOTED_TEXT.fullmatch(cell.strip())
    return found[1] if found else cell


def _not_empty(rows: Iterable[Sequence[object]], limits: Limits) -> list[tuple[int, tuple[Cell, ...]]]:
    kept, held = list[tuple[int, tuple[Cell, ...]]](), 0
    for number, row in enumerate(rows, start=1):
        if number > _LAST_ROW:
            raise ExportRefused("行数太多，请分几个文件导入 / too many rows; split the file", limit=_LAST_ROW)
        if not any(row):
            continue
        cells = [_clean(cell, limits) for cell in row[: limits.columns]]
        while cells and cells[-1] in (None, ""):
            cells.pop()
        if cells:
            kept.append((number, tuple(cells)))
            held += len(cells)
        if len(kept) > limits.rows or held > limits.cells:
            raise ExportRefused("行数太多，请分几个文件导入 / too many rows; split the file", limit=limits.rows)
    return kept


def _clean(cell: object, limits: Limits) -> Cell:
    """Text without control characters (PostgreSQL keeps no NUL) and outer spaces."""
    if cell is None or isinstance(cell, int | float | datetime | date | time):
        return cell
    cell = str(cell)
    if len(cell) > limits.cell_characters:
        raise ExportRefused("有单元格文字过长 / a cell is too long", limit=limits.cell_characters)
    return _CONTROL.sub("", cell).strip()
