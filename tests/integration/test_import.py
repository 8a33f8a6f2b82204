"""Importing exports into real databases: what is added, changed and refused, and that nothing is half done."""

import asyncio
import csv
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook
from sqlalchemy import func, select

from core import ledger
from core.database import Database
from core.ledger import LedgerRow
from service.sample_orders import HEADERS, NUMBER_OF_ORDERS, write_orders
from workorders.importing import ExportRefused, ImportReport, import_orders
from workorders.orders import WorkOrder
from workorders.queries import OrderFilter, count_orders, list_orders

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
ROW = {
    "工单编号": "20261101000101",
    "问题分类": "城市管理→市容→路灯不亮",
    "标题": "路灯不亮",
    "来电人": "王试一",
    "来电人电话": "+86 138-0000-0101",
    "创建时间": "2026/11/1 9:30",
    "办结时间": "2026年11月5日",
    "承办单位": "城管局",
    "坐席备注": "甲",
}


def write_csv(path: Path, *rows: Mapping[str, str]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


async def bring(database: Database, path: Path, *, dry_run: bool = False, columns: Path | None = None) -> ImportReport:
    return await import_orders(database, path, by="tester", now=NOW, timezone=ZONE, dry_run=dry_run, columns=columns)


async def order(database: Database, number: str) -> WorkOrder | None:
    async with database.read() as session:
        return await session.get(WorkOrder, number)


async def how_many(database: Database) -> int:
    async with database.read() as session:
        return await count_orders(session, OrderFilter())


async def test_a_row_becomes_an_order(database: Database, tmp_path: Path) -> None:
    report = await bring(database, write_csv(tmp_path / "a.csv", ROW))
    assert (report.counts, report.header_row) == ({"added": 1, "changed": 0, "unchanged": 0, "refused": 0}, 1)
    assert "回复内容" in report.missing
    assert "问题分类" not in report.missing
    found = await order(database, "20261101000101")
    assert found is not None
    assert (found.category1, found.category2, found.category3) == ("城市管理", "市容", "路灯不亮")
    assert found.caller_phone == "13800000101"
    assert found.created_at == datetime(2026, 11, 1, 1, 30, tzinfo=UTC)
    assert found.closed_at == datetime(2026, 11, 4, 16, tzinfo=UTC)
    assert found.raw == ROW
    assert (found.imported_at, len(found.row_sha256)) == (NOW, 64)


async def test_importing_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "orders.xlsx"
    numbers = write_orders(path, date(2026, 11, 22))
    first, again = await bring(database, path), await bring(database, path)
    assert [row.number for row in first.added] == numbers
    assert len(again.unchanged) == NUMBER_OF_ORDERS == await how_many(database)
    assert (first.missing, first.header_row, first.sheet) == ((), 2, "工单")
    found = await order(database, numbers[4])
    assert found is not None
    assert (found.caller_phone, found.district, set(found.raw)) == ("01055500105", "丰台区", set(HEADERS))


async def test_changes_name_their_columns(database: Database, tmp_path: Path) -> None:
    await bring(database, write_csv(tmp_path / "a.csv", ROW))
    changed = {**ROW, "标题": "路灯仍不亮", "创建时间": "2026-11-01 09:30:00", "坐席备注": "乙"}
    report = await bring(database, write_csv(tmp_path / "b.csv", changed))
    # The date is written otherwise and means the same.
    assert [(row.outcome, row.columns) for row in report.rows] == [("changed", ("标题", "坐席备注"))]
    found = await order(database, ROW["工单编号"])
    assert found is not None
    assert (found.title, found.raw["坐席备注"]) == ("路灯仍不亮", "乙")


async def test_columns_that_a_later_file_lacks_are_left_alone(database: Database, tmp_path: Path) -> None:
    await bring(database, write_csv(tmp_path / "a.csv", ROW))
    fewer = {name: ROW[name] for name in ("工单编号", "来电人电话", "创建时间", "办结时间")}
    report = await bring(database, write_csv(tmp_path / "b.csv", {**fewer, "办结时间": "2026-11-06"}))
    assert [row.columns for row in report.changed] == [("办结时间",)]
    found = await order(database, ROW["工单编号"])
    assert found is not None
    assert (found.title, found.category3, found.raw["坐席备注"]) == ("路灯不亮", "路灯不亮", "甲")


async def test_bad_rows_are_refused_one_by_one(database: Database, tmp_path: Path) -> None:
    bad = [
        {**ROW, "工单编号": ""},
        {**ROW, "工单编号": "2.0261E+13"},
        {**ROW, "工单编号": "3", "创建时间": "昨天"},
        {**ROW, "工单编号": "4", "工单编号 ": ""},
        {**ROW, "工单编号": "5", "承办单位": "长" * 161},
        {**ROW, "工单编号": "6"},
        {**ROW, "工单编号": "6", "标题": "另一件事"},
        {**ROW, "工单编号": "7"},
        {**ROW, "工单编号": "7"},
    ]
    rows = [{name: value for name, value in row.items() if name != "工单编号 "} for row in bad]
    report = await bring(database, write_csv(tmp_path / "a.csv", *rows))
    refused = {row.row: row.reason for row in report.refused}
    assert list(refused) == [2, 3, 4, 6, 7, 8]
    for row, reason in {
        2: "缺少工单编号",
        3: "科学记数法",
        4: "创建时间",
        6: "承办单位”超过 160",
        7: "第 7、8 行",
        8: "第 7、8 行",
    }.items():
        assert reason in refused[row]
    assert [(row.number, row.outcome) for row in report.rows if row.outcome != "refused"] == [
        ("4", "added"),
        ("7", "added"),
        ("7", "unchanged"),
    ]
    assert "与第 9 行相同" in report.unchanged[0].reason
    assert await how_many(database) == 2


@pytest.mark.parametrize("missing", ["工单编号", "来电人电话", "创建时间", "办结时间"])
async def test_a_file_without_a_required_column_is_refused_whole(
    database: Database, tmp_path: Path, missing: str
) -> None:
    path = write_csv(tmp_path / "a.csv", {name: value for name, value in ROW.items() if name != missing})
    with pytest.raises(ExportRefused, match=f"“{missing}”.*\\[columns\\]"):
        await bring(database, path)
    assert await how_many(database) == 0


async def test_a_mapping_file_lets_it_in(database: Database, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", {("诉求编号" if name == "工单编号" else name): ROW[name] for name in ROW})
    mapping = tmp_path / "columns.toml"
    mapping.write_text('[columns]\n"工单编号" = "诉求编号"\n', encoding="utf-8")
    assert len((await bring(database, path, columns=mapping)).added) == 1


async def test_a_file_without_headers_is_refused(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("甲,乙\n1,2\n", encoding="utf-8")
    with pytest.raises(ExportRefused, match="表头"):
        await bring(database, path)


async def test_a_trial_run_tells_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ROW)
    report = await bring(database, path, dry_run=True)
    assert (report.counts["added"], report.applied) == (1, False)
    assert await how_many(database) == 0
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(LedgerRow)) == 0


async def test_every_import_is_in_the_ledger_without_personal_data(database: Database, tmp_path: Path) -> None:
    report = await bring(database, write_csv(tmp_path / "王试一.csv", ROW, {**ROW, "工单编号": ""}))
    async with database.read() as session:
        await ledger.check(session)
        (row,) = await session.scalars(select(LedgerRow))
    assert (row.kind, row.actor, row.subject) == ("imported", "tester", f"sha256:{report.sha256}")
    facts = json.loads(row.leaf)["facts"]
    counts = {"added": 1, "changed": 0, "unchanged": 0, "refused": 1, "rows": 2}
    reading = {"file_sha256": report.sha256, "timezone": "Asia/Shanghai", "columns_sha256": None}
    assert facts == {**counts, **reading}
    assert not any(secret in row.leaf for secret in ("王试一", "13800000101", "路灯"))


async def test_two_imports_at_once(database: Database, tmp_path: Path) -> None:
    """The same new orders from two sides: one import adds them, the other finds them unchanged."""
    path = tmp_path / "orders.xlsx"
    write_orders(path, date(2026, 11, 22))
    reports = await asyncio.gather(bring(database, path), bring(database, path))
    assert sorted(report.counts["added"] for report in reports) == [0, NUMBER_OF_ORDERS]
    assert await how_many(database) == NUMBER_OF_ORDERS


async def test_excel_numbers_keep_their_digits_or_are_refused(database: Database, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["工单编号", "来电人电话", "创建时间", "办结时间"])
    for number in (20261101000101, 20261101000102.0, 2026110100010300001, "2026110100010400001"):
        sheet.append([number, 13800000101, datetime(2026, 11, 1, 9, 30), None])
    book.save(tmp_path / "a.xlsx")
    report = await bring(database, tmp_path / "a.xlsx")
    assert [row.number for row in report.added] == ["20261101000101", "20261101000102", "2026110100010400001"]
    assert ["舍入" in row.reason for row in report.refused] == [True]


async def test_lists_are_narrowed_and_paged(database: Database, tmp_path: Path) -> None:
    write_orders(tmp_path / "orders.xlsx", date(2026, 11, 22))
    await bring(database, tmp_path / "orders.xlsx")
    async with database.read() as session:
        wheelchairs = await list_orders(session, OrderFilter(text="轮椅"))
        of_unit = await count_orders(session, OrderFilter(units=("供热公司",)))
        first, second = [await list_orders(session, OrderFilter(), limit=20, offset=start) for start in (0, 20)]
        none = await count_orders(session, OrderFilter(text="100%"))
        late = await count_orders(session, OrderFilter(created_from=date(2026, 11, 23)))
    assert [each.number for each in wheelchairs] == ["20261101000101"]
    assert (of_unit, len(first), len(second), none, late) == (1, 20, 10, 0, 0)
    created = [each.created_at for each in first + second]
    assert created == sorted(created, key=lambda moment: moment or NOW, reverse=True)
