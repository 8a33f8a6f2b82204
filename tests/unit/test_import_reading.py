"""Reading export files and their cells: kinds of file, encodings, headers, numbers, dates, telephones, limits."""

import io
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook

from core.telephone import normal_telephone
from workorders.cells import moment_of, number_of, telephone_of, text_of
from workorders.columns import check_headers, find_headers, known_headers
from workorders.reading import Cell, ExportRefused, Limits, Sheet, read_sheets
from workorders.rows import split_category
from workorders.unpacking import Unfolded

ZONE = ZoneInfo("Asia/Shanghai")
HEADERS = ("工单编号", "标题", "来电人电话", "创建时间", "办结时间")


def write_xlsx(path: Path, *rows: Sequence[object]) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    book.save(path)
    return path


def only_sheet(path: Path, limits: Limits | None = None) -> Sheet:
    (sheet,) = read_sheets(path, limits)
    return sheet


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_csv_in_every_encoding_and_delimiter(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "orders.csv"
    rows = [HEADERS, ("20261101000101", "轮椅，维修", "13800000101", "2026-11-01", "")]
    path.write_bytes("\r\n".join(delimiter.join(row) for row in rows).encode(encoding))
    assert only_sheet(path).rows == [(1, HEADERS), (2, (*rows[1][:4],))]


def test_csv_keeps_quoted_line_breaks_and_drops_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes('工单编号,标题\r\n="001","两行\n文字"\r\n\r\n\t002 ,=1+1\x00\r\n'.encode())
    # The row's number is the record's: a quoted line break does not shift it, an empty line does.
    assert only_sheet(path).rows == [
        (1, ("工单编号", "标题")),
        (2, ("001", "两行\n文字")),
        (4, ("002", "=1+1")),
    ]


def test_xlsx_gives_values_as_stored(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 1, 9, 30)
    path = write_xlsx(
        tmp_path / "orders.xlsx", ("标题行",), (), HEADERS, (20261101000101, " 甲 ", 13800000101.0, moment)
    )
    assert only_sheet(path).rows[1:] == [(3, HEADERS), (4, (20261101000101, "甲", 13800000101, moment))]


def test_formulas_are_neither_computed_nor_kept(tmp_path: Path) -> None:
    """A formula cell gives its stored value (none here); text that looks like a formula stays text."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["工单编号", "标题"])
    sheet["A2"] = '=HYPERLINK("http://example.invalid","1")'
    sheet["B2"] = "甲"
    sheet["B3"].value = "=1+1"
    sheet["B3"].data_type = "s"
    book.save(tmp_path / "orders.xlsx")
    assert only_sheet(tmp_path / "orders.xlsx").rows[1:] == [(2, (None, "甲")), (3, (None, "=1+1"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "空"),
        (b"  \n ", "空"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, ".xlsx"),
        (b"<html><table><tr><td>1</td></tr></table></html>", ".xlsx"),
        (b"PK\x03\x04 cut short", "不是完整"),
        (b"\xff\xff\xff\x80\x80\x00\x9f", "编码"),
    ],
)
def test_files_that_are_no_export(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "orders.xls"
    path.write_bytes(content)
    with pytest.raises(ExportRefused, match=message):
        list(read_sheets(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="打不开"):
        list(read_sheets(tmp_path / "missing.xlsx"))


def _rewrite(source: Path, target: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, content if entry == name else old.read(entry))
    return target


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    sound = write_xlsx(tmp_path / "sound.xlsx", HEADERS)
    bomb = _rewrite(sound, tmp_path / "bomb.xlsx", "xl/worksheets/sheet1.xml", b" " * (8 * 2**20))
    assert bomb.stat().st_size < 2**17
    with pytest.raises(ExportRefused, match="解开后太大"):
        list(read_sheets(bomb, Limits(unfolded=Unfolded(octets=2**20))))


_SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
)


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("xl/worksheets/sheet1.xml", " " * (60 * 2**20), "解开后太大"),
        ("xl/worksheets/sheet1.xml", _SHEET % ("<row>" + "<c/>" * 200_000 + "</row>"), "一行的单元格太多"),
        ("xl/worksheets/sheet1.xml", _SHEET % ("<row>" + "<c/>row></row" * 200_000 + "</row>"), "不是完整|一行"),
        ("xl/worksheets/sheet1.xml", _SHEET % ("<row>" + "<c/><!--<row>-->" * 100_000 + "</row>"), "一行的单元格太多"),
        ("xl/worksheets/sheet1.xml", _SHEET % ("<row/>" * 420_000), "内容太多"),
        ("xl/styles.xml", "<a>" + "<b/>" * 1_100_000 + "</a>", "单元格|内容太多"),
        ("xl/theme/theme1.xml", "<a>" + "<b/>" * 1_100_000 + "</a>", "内容太多"),
    ],
)
def test_what_unfolds_to_more_than_a_machine_can_hold(tmp_path: Path, part: str, content: str, message: str) -> None:
    path = _rewrite(write_xlsx(tmp_path / "sound.xlsx", HEADERS), tmp_path / "bomb.xlsx", part, content.encode())
    tracemalloc.start()
    try:
        with pytest.raises(ExportRefused, match=message):
            list(read_sheets(path))
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


def test_too_many_tags_parts_and_sheets_are_refused(tmp_path: Path) -> None:
    sound = write_xlsx(tmp_path / "sound.xlsx", HEADERS)
    for limits in (
        Limits(unfolded=Unfolded(tags=100)),
        Limits(unfolded=Unfolded(parts=3)),
        Limits(sheets=0),
        Limits(cells=3),
    ):
        with pytest.raises(ExportRefused, match="太多"):
            list(read_sheets(sound, limits))
    assert list(read_sheets(sound))


def test_an_encrypted_part_is_named(tmp_path: Path) -> None:
    content = bytearray(write_xlsx(tmp_path / "sound.xlsx", HEADERS).read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 8] |= 1
    (tmp_path / "locked.xlsx").write_bytes(content)
    with pytest.raises(ExportRefused, match="密码"):
        list(read_sheets(tmp_path / "locked.xlsx"))


@pytest.mark.parametrize(
    "content", [b"\n" * 2_000_000, b"," * 3_000_000, b'"' + b"a" * 300_000, b"a," * 999 + b"\n" * 9]
)
def test_a_csv_file_of_nothing_much_is_refused_or_small(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(content)
    try:
        sheets = list(read_sheets(path))
    except ExportRefused:
        return
    assert all(len(row) <= Limits().columns for sheet in sheets for _, row in sheet.rows)


def test_an_xml_bomb_is_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><worksheet>&a9;</worksheet>'
    sound = write_xlsx(tmp_path / "sound.xlsx", HEADERS)
    path = _rewrite(sound, tmp_path / "bomb.xlsx", "xl/worksheets/sheet1.xml", bomb.encode())
    with pytest.raises(ExportRefused, match="不是完整"):
        list(read_sheets(path))


def test_a_row_number_from_nowhere_is_refused(tmp_path: Path) -> None:
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    row = '<row r="99000000"><c r="A99000000"><v>1</v></c></row>'
    content = f'<worksheet xmlns="{namespace}"><sheetData>{row}</sheetData></worksheet>'
    sound = write_xlsx(tmp_path / "sound.xlsx", HEADERS)
    path = _rewrite(sound, tmp_path / "far.xlsx", "xl/worksheets/sheet1.xml", content.encode())
    with pytest.raises(ExportRefused, match="行数太多"):
        list(read_sheets(path))


def test_limits_on_file_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("工单编号,标题\n" + "1,2\n" * 20, encoding="utf-8")
    with pytest.raises(ExportRefused, match="行数太多"):
        list(read_sheets(path, Limits(rows=20)))
    with pytest.raises(ExportRefused, match="太大"):
        list(read_sheets(path, Limits(file_bytes=10)))
    assert len(only_sheet(path, Limits(rows=21)).rows) == 21


def test_headers_below_titles_with_stray_spaces_and_wide_brackets() -> None:
    rows = [
        ("12345 工单",),
        ("导出时间", "2026-11-01"),
        ("工单 编号", "标\n题*", "问题分类（一级）", "备注", "备注", ""),
    ]
    headers = find_headers(rows, known_headers())
    assert headers is not None
    assert headers.row == 2
    assert [column.field if column else None for column in headers.columns] == [
        "number",
        "title",
        "category1",
        None,
        None,
        None,
    ]
    assert headers.names[3:] == ("备注", "备注 (5)", "第6列")


def test_a_missing_column_is_named_with_its_remedy() -> None:
    headers = find_headers([("标题", "来电人电话", "创建时间", "诉求编号")], known_headers())
    assert headers is not None
    with pytest.raises(ExportRefused, match=r"“工单编号”“办结时间”.*columns"):
        check_headers(headers)


def test_two_columns_of_one_meaning_are_refused() -> None:
    headers = find_headers([(*HEADERS, "标题")], known_headers())
    assert headers is not None
    with pytest.raises(ExportRefused, match="标题"):
        check_headers(headers)


def test_a_mapping_file_names_other_headers(tmp_path: Path) -> None:
    mapping = tmp_path / "columns.toml"
    mapping.write_text('[columns]\n"工单编号" = "诉求编号"\n"来电人电话" = ["联系电话", "手机"]\n', encoding="utf-8")
    headers = find_headers([("诉求编号", "手机", "创建时间", "办结时间")], known_headers(mapping))
    assert headers is not None
    check_headers(headers)
    assert [column.field for column in headers.columns if column] == [
        "number",
        "caller_phone",
        "created_at",
        "closed_at",
    ]


@pytest.mark.parametrize(
    "content",
    ["not toml", "[other]\n", '[columns]\n"不存在的列" = "x"\n', '[columns]\n"标题" = [1]\n', "columns = 3\n"],
)
def test_a_wrong_mapping_file_is_refused(tmp_path: Path, content: str) -> None:
    mapping = tmp_path / "columns.toml"
    mapping.write_text(content, encoding="utf-8")
    with pytest.raises(ExportRefused, match="对照文件"):
        known_headers(mapping)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("20261101000101", "20261101000101"),
        (" 00012 ", "00012"),
        (20261101000101, "20261101000101"),
        (20261101000101.0, "20261101000101"),
        ("BJ-2026/11-01", "BJ-2026/11-01"),
        ("=1+1", "=1+1"),
        ("20261101000101000000001", "20261101000101000000001"),
        (999_999_999_999_999, "999999999999999"),
    ],
)
def test_numbers_keep_their_digits(cell: Cell, number: str) -> None:
    assert number_of(cell) == number


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (None, "缺少"),
        ("", "缺少"),
        ("  ", "缺少"),
        (2.0261101000101e17, "舍入"),
        (2**53, "舍入"),
        (1234567890123456, "舍入"),
        ("2.02611E+13", "科学记数"),
        (1.5, "小数"),
        (True, "不是文本"),
        (datetime(2026, 11, 1), "不是文本"),
        ("1\n2", "换行"),
    ],
)
def test_numbers_that_cannot_be_trusted(cell: Cell, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        number_of(cell)


@pytest.mark.parametrize(
    "cell",
    [
        datetime(2026, 11, 1, 9, 30),
        "2026-11-01 09:30:00",
        "2026-11-01 09:30",
        "2026/11/1 9:30",
        "2026.11.1 9:30",
        "2026年11月1日 9时30分",
        "2026年11月1日9点30分0秒",
        "2026-11-01T09:30:00+08:00",
        "2026-11-01T01:30:00Z",
        "2026-11-01 09:30:00.0",
        "20261101093000",
        20261101093000,
        46327.395833333336,
        datetime(2026, 11, 1, 9, 29, 59, 999_999),
    ],
)
def test_moments_in_their_many_forms(cell: Cell) -> None:
    assert moment_of(cell, ZONE) == datetime(2026, 11, 1, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("cell", [date(2026, 11, 1), "2026年11月1日", "2026/11/1", "2026-11-01", "20261101", 46327])
def test_a_date_alone_is_its_local_midnight(cell: Cell) -> None:
    assert moment_of(cell, ZONE) == datetime(2026, 10, 31, 16, tzinfo=UTC)


def test_an_empty_moment() -> None:
    assert [moment_of(cell, ZONE) for cell in (None, "", " ", "-", "无")] == [None] * 5


@pytest.mark.parametrize(
    "cell", ["2026-13-01", "2026-02-30", "11/1/2026", "昨天", "2026-11-01 25:00", "0026-11-01", 7, True, "#VALUE!"]
)
def test_moments_that_are_none(cell: Cell) -> None:
    with pytest.raises(ValueError, match=r"日期|年份"):
        moment_of(cell, ZONE)


@pytest.mark.parametrize(
    ("cell", "telephone"),
    [
        ("13800000101", "13800000101"),
        (13800000101, "13800000101"),
        (13800000101.0, "13800000101"),
        ("+86 138-0000-0101", "13800000101"),
        ("8613800000101", "13800000101"),
        ("008613800000101", "13800000101"),
        ("013800000101", "13800000101"),
        ("138 0000 0101", "13800000101"),
        ("13800000101/010-55500101", "13800000101"),
        ("010-55500101", "01055500101"),
        ("(010)55500101", "01055500101"),
        ("+861055500101", "01055500101"),
        (1055500101, "01055500101"),
        ("", ""),
        (None, ""),
        ("匿名", ""),
        ("114", ""),
    ],
)
def test_telephones_are_compared_as_digits(cell: Cell, telephone: str) -> None:
    assert telephone_of(cell) == telephone


def test_signalled_and_exported_telephones_meet() -> None:
    assert {normal_telephone(each) for each in ("+8613800000101", "013800000101", "13800000101")} == {"13800000101"}


@pytest.mark.parametrize(
    ("written", "levels"),
    [
        ("城市管理→无障碍设施→盲道被占", ("城市管理", "无障碍设施", "盲道被占")),
        ("城市管理-无障碍设施-盲道被占", ("城市管理", "无障碍设施", "盲道被占")),
        ("城市管理 / 无障碍设施 / 盲道被占", ("城市管理", "无障碍设施", "盲道被占")),
        ("供水/供电→停水-停电", ("供水/供电", "停水-停电", "")),
        ("a→b→c→d", ("a", "b", "c→d")),
        ("城市管理", ("城市管理", "", "")),
        ("", ("", "", "")),
    ],
)
def test_categories(written: str, levels: tuple[str, str, str]) -> None:
    assert split_category(written) == levels


@pytest.mark.parametrize(("cell", "text"), [(None, ""), (True, "是"), (3, "3"), (3.0, "3"), (3.5, "3.5"), ("x", "x")])
def test_cells_as_text(cell: Cell, text: str) -> None:
    assert text_of(cell) == text


def test_hidden_sheets_are_passed_over(tmp_path: Path) -> None:
    book = Workbook()
    first = book.active
    assert first is not None
    first.append(["说明"])
    hidden = book.create_sheet("旧")
    hidden.append(list(HEADERS))
    hidden.sheet_state = "hidden"
    book.create_sheet("工单").append(list(HEADERS))
    stream = io.BytesIO()
    book.save(stream)
    path = tmp_path / "orders.xlsx"
    path.write_bytes(stream.getvalue())
    assert [sheet.name for sheet in read_sheets(path)] == ["Sheet", "工单"]
