"""Which column of the export is which field of an order, and the TOML file that maps other headers.

The mapping file has one table; each standard header names the file's own header, or several that may stand for it::

    [columns]
    "工单编号" = "诉求编号"
    "来电人电话" = ["联系电话", "手机号码"]
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workorders.reading import ExportRefused

TEXT, MOMENT, TELEPHONE, NUMBER = "text", "moment", "telephone", "number"


@dataclass(frozen=True)
class Column:
    """A standard column: the order's field, the export's header, what its cells hold, and whether it must be there."""

    field: str
    header: str
    holds: str = TEXT
    required: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("number", "工单编号", NUMBER, required=True),
    Column("kind", "工单类型"),
    Column("category", "问题分类"),
    Column("category1", "一级分类"),
    Column("category2", "二级分类"),
    Column("category3", "三级分类"),
    Column("tags", "标签"),
    Column("title", "标题"),
    Column("content", "主要内容"),
    Column("status", "工单状态"),
    Column("caller", "来电人"),
    Column("caller_phone", "来电人电话", TELEPHONE, required=True),
    Column("district", "被反映区"),
    Column("street", "被反映街乡镇"),
    Column("result", "办理结果"),
    Column("reply", "回复内容"),
    Column("handling", "处理受理方式"),
    Column("created_at", "创建时间", MOMENT, required=True),
    Column("closed_at", "办结时间", MOMENT, required=True),
    Column("solved", "是否解决"),
    Column("satisfied", "是否满意"),
    Column("nature", "工单性质"),
    Column("unit", "承办单位"),
)
# Headers that exports write for the same column without any mapping file.
OTHER_HEADERS: Mapping[str, Sequence[str]] = {
    "一级分类": ("问题分类一级", "一级问题分类", "问题分类(一级)"),
    "二级分类": ("问题分类二级", "二级问题分类", "问题分类(二级)"),
    "三级分类": ("问题分类三级", "三级问题分类", "问题分类(三级)"),
    "被反映街乡镇": ("被反映街道乡镇", "被反映街道(乡镇)", "被反映街乡"),
    "处理受理方式": ("处理/受理方式", "受理方式"),
}
CATEGORY_LEVELS = ("category1", "category2", "category3")


def folded(header: str) -> str:
    """A header as it is compared: full and half width alike, without spaces, line breaks and a required mark."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", header)).strip("*:")


def known_headers(mapping: Path | None = None) -> dict[str, Column]:
    """Every header (folded) that means a column.  A mapping file's headers stand beside the standard ones.

    Raises `ExportRefused` when the mapping file cannot be read or names a column that does not exist.
    """
    known = {folded(column.header): column for column in COLUMNS}
    by_header = {column.header: column for column in COLUMNS}
    for header, others in (*OTHER_HEADERS.items(), *_read_mapping(mapping).items()):
        for other in others:
            known[folded(other)] = by_header[header]
    return known


def _read_mapping(path: Path | None) -> dict[str, list[str]]:
    if path is None:
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))["columns"]
        mapping = {header: [given] if isinstance(given, str) else list(given) for header, given in table.items()}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError) as error:
        raise ExportRefused(
            "列对照文件读不出来：应为 UTF-8 的 TOML，内有 [columns] 一节 / cannot read the column mapping",
            file=path.name,
        ) from error
    standard = {column.header for column in COLUMNS}
    for header, others in mapping.items():
        if header not in standard or not all(isinstance(other, str) for other in others):
            raise ExportRefused(
                f"列对照文件中的“{header}”不是标准列名 / the mapping names an unknown column", file=path.name
            )
    return mapping


@dataclass(frozen=True)
class Headers:
    """The header row found: its place (from 0) and, for each column of the sheet, its name and meaning."""

    row: int
    names: tuple[str, ...]
    columns: tuple[Column | None, ...]

    @property
    def missing(self) -> list[Column]:
        """Standard columns that the file does not have (the category may come in one cell or in three)."""
        there = {column.field for column in self.columns if column}
        if "category" in there:
            there |= set(CATEGORY_LEVELS)
        elif "category1" in there:
            there.add("category")
        else:
            there |= set(CATEGORY_LEVELS)
        return [column for column in COLUMNS if column.field not in there]


def find_headers(rows: Sequence[Sequence[str]], known: Mapping[str, Column]) -> Headers | None:
    """The row among ``rows`` that has most known headers (at least two); title rows above it are passed over."""
    best: Headers | None = None
    score = 1
    for place, cells in enumerate(rows):
        columns = tuple(known.get(folded(cell)) for cell in cells)
        matched = len({column.field for column in columns if column})
        if matched > score:
            best, score = Headers(place, _distinct(cells), columns), matched
    return best


def _distinct(cells: Sequence[str]) -> tuple[str, ...]:
    """Header texts, made different where the file repeats one or leaves it empty, so that no column is lost."""
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        name = cell.strip() or f"第{place}列"
        names.append(f"{name} ({place})" if name in names else name)
    return tuple(names)


def check_headers(headers: Headers) -> None:
    """`ExportRefused` naming a required column that is missing, or a column that the file has twice."""
    absent = [column.header for column in headers.missing if column.required]
    if absent:
        raise ExportRefused(
            f"文件缺少“{'”“'.join(absent)}”列，未导入任何内容。若文件用了别的列名，请在列对照文件的 [columns] 中写明，"
            f'例如 "{absent[0]}" = "文件中的列名" / required columns are missing; map them in the column mapping',
            header_row=headers.row + 1,
            found="、".join(headers.names),
        )
    fields = [column.field for column in headers.columns if column]
    for column in COLUMNS:
        if fields.count(column.field) > 1:
            raise ExportRefused(
                f"文件中有不止一列对应“{column.header}”，无法确定用哪一列 / two columns mean the same",
                header_row=headers.row + 1,
            )
