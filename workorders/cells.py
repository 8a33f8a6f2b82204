"""One cell of the export as a number, a moment, a telephone or text.  Each raises ``ValueError`` with its reason."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.telephone import normal_telephone
from workorders.reading import Cell

# Spreadsheet programs keep 15 significant digits; what was typed beyond them is gone (and 2⁵³ is not far away).
EXACT_DIGITS = 15
_SCIENTIFIC = re.compile(r"[+-]?\d(?:\.\d+)?[Ee]\+?\d{1,3}")
_MOMENT = re.compile(
    r"(?P<year>\d{4})\s*[-/.年]\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})\s*日?"
    r"(?:[T\s]*(?P<hour>\d{1,2})\s*[:：时点]\s*(?:(?P<minute>\d{1,2})\s*(?:[:：分]\s*(?:(?P<second>\d{1,2})(?:\.\d+)?\s*秒?)?)?)?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?)?"
)
_YEARS = range(1990, 2101)
# Days since 1899-12-30 of the years above: a date whose cell lost its format.
_SERIALS = range(32874, 73416)


def text_of(cell: Cell) -> str:
    """A cell as text, digits kept as they are."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 10**EXACT_DIGITS else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    return str(cell)


def number_of(cell: Cell) -> str:
    """An order's number, opaque text.  Numbers that a spreadsheet program has rounded or shortened are refused."""
    if isinstance(cell, bool | datetime | date | time):
        raise ValueError("工单编号不是文本 / the number is not text")
    if isinstance(cell, int | float):
        if isinstance(cell, float) and not cell.is_integer():
            raise ValueError("工单编号带小数 / the number has a fraction")
        if abs(cell) >= 10**EXACT_DIGITS:
            raise ValueError(
                "工单编号以数值存放，超过 15 位，Excel 已舍入；请把该列设为文本后重新导出"
                " / stored as a number and rounded by Excel: export the column as text"
            )
        return str(int(cell))
    number = (cell or "").strip()
    if not number:
        raise ValueError("缺少工单编号 / the number is missing")
    if _SCIENTIFIC.fullmatch(number):
        raise ValueError(
            "工单编号成了科学记数法，末尾数字已丢失；请把该列设为文本后重新导出"
            " / digits were lost to scientific notation: export the column as text"
        )
    if re.search(r"[\r\n\t]", number):
        raise ValueError("工单编号中有换行 / the number holds a line break")
    return number


def telephone_of(cell: Cell) -> str:
    """The digits of the first telephone in a cell, without +86; empty when there is none that could be called."""
    first = re.split(r"[/、,，;；|]", text_of(cell))[0]
    if isinstance(cell, int | float) and re.fullmatch(r"(?!1[3-9]\d{9}$)\d{10,11}", first):
        first = "0" + first  # a land line stored as a value has lost the 0 of its area code
    return normal_telephone(first)


def moment_of(cell: Cell, zone: ZoneInfo) -> datetime | None:
    """A moment in UTC, to the second; ``None`` for an empty cell.  Without a zone of its own it is local time."""
    if isinstance(cell, str):
        return _written_moment(cell.strip(), zone) if cell.strip() not in ("", "-", "--", "无") else None
    if isinstance(cell, datetime):
        return _checked(cell, zone)
    if isinstance(cell, date):
        return _checked(datetime.combine(cell, time.min), zone)
    if isinstance(cell, int | float) and not isinstance(cell, bool) and int(cell) in _SERIALS:
        return _checked(_from_serial(cell), zone)
    if isinstance(cell, int) and len(str(cell)) in (8, 12, 14):
        return _written_moment(str(cell), zone)
    if cell is None:
        return None
    raise ValueError("不是日期 / not a date")


def _from_serial(serial: float) -> datetime:
    from openpyxl.utils.datetime import from_excel

    moment = from_excel(serial)
    assert isinstance(moment, datetime)
    return moment


def _written_moment(written: str, zone: ZoneInfo) -> datetime:
    found = _MOMENT.fullmatch(written) or _COMPACT.fullmatch(written)
    if not found:
        raise ValueError("日期写法无法识别 / the date cannot be read")
    parts = found.groupdict()
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    try:
        moment = datetime(int(parts["year"]), int(parts["month"]), int(parts["day"]), hour, minute, second)
    except ValueError as error:
        raise ValueError("没有这样的日期 / there is no such date") from error
    if written_zone := parts.get("zone"):
        moment = datetime.fromisoformat(f"{moment.isoformat()}{written_zone}")
    return _checked(moment, zone)


def _checked(moment: datetime, zone: ZoneInfo) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError("年份不合理 / the year makes no sense")
    # Excel's fractions of a day are a few microseconds off the second that was written.
    rounded = (moment + timedelta(milliseconds=500)).replace(microsecond=0)
    return (rounded if rounded.tzinfo else rounded.replace(tzinfo=zone)).astimezone(UTC)
