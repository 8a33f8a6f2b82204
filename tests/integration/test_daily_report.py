"""The daily report from real rows: figures counted by hand, both forms opened again, editions, the ledger."""

import re
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from docx import Document as open_docx
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from sqlalchemy import select

from archive.catalogue import Call, StoredObject
from core.effective import set_value
from core.errors import Conflict, Refused
from core.ids import new_id
from core.ledger import LedgerRow, check
from reporting.daily import issue_daily
from reporting.formulas import FAIRLY_FACTOR
from reporting.reports import Report
from tests.integration.kept import NOON, SETTINGS, House
from workorders.orders import Finding

DAY = date(2026, 11, 22)
UNTIL = NOON + timedelta(days=740)
SOLVED = {"connected": "yes", "contacted": "yes", "solved": "yes", "satisfied": "satisfied", "suggestion": "no"}


async def fill(house: House) -> None:
    """Four orders called, one of them twice; one not reached; one not called; one call without a recording."""
    for number, unit, category in (
        ("G-1", "甲街道", "供热"),
        ("G-2", "甲街道", "道路"),
        ("G-3", "乙委员会", "供热"),
        ("G-4", "乙委员会", "供热"),
        ("G-5", "乙委员会", "供热"),
    ):
        await house.order(number, unit=unit, category=category, caller="甄市民")
    early, late = NOON - timedelta(hours=3), NOON - timedelta(hours=1)
    await house.callback("G-1", {**SOLVED, "solved": "no", "satisfied": "dissatisfied"}, started_at=early)
    await house.callback("G-1", SOLVED, started_at=late, standing="accepted")
    await house.callback(
        "G-2",
        {**SOLVED, "satisfied": "fairly", "suggestion": "yes"},
        sentence="甄市民建议<多装>路灯，电话13800000000。",
    )
    await house.callback("G-3", {**SOLVED, "contacted": "no", "solved": "no", "satisfied": "dissatisfied"})
    await house.callback("G-4", {"connected": "no"})
    async with house.archive.database.write() as session:
        session.add(
            Call(
                id=new_id(),
                sip_call_id="lost@gateway.test",
                state="missing",
                started_at=early,
                work_order="G-5",
                note="通话结束已超过1小时，没有录音",
            )
        )


async def issue(house: House, day: date = DAY, by: str = "li") -> Report:
    return await issue_daily(house.archive, SETTINGS, day, by=by, retain_until=UNTIL)


async def content(house: House, identifier: object) -> bytes:
    async with house.archive.database.read() as session:
        stored = await session.get_one(StoredObject, identifier)
    return b"".join([part async for part in house.archive.store.read(stored.key, stored.version_id)])


async def test_the_figures_are_those_counted_by_hand(house: House) -> None:
    await fill(house)
    report = await issue(house)
    figures = report.figures
    # G-1 counts with its later call only; G-4 was not reached.
    assert {name: count["value"] for name, count in figures["counts"].items()} == {
        "valid": 3,
        "contacted": 2,
        "solved": 2,
        "satisfied": 1,
        "fairly": 1,
        "dissatisfied": 1,
    }
    assert figures["rates"] == {
        "response": "66.67%",
        "solution": "66.67%",
        "satisfaction": "63.33%",  # (1 + 0.9 × 1) / 3
        "overall": "65.33",  # (0.1 × 2 + 0.5 × 2 + 0.4 × 1.9) / 3
    }
    assert figures["rates_before"]["overall"] == "—"
    assert figures["callbacks"]["due"] == ["G-1", "G-2", "G-3", "G-4", "G-5"]
    assert figures["callbacks"]["done"] == ["G-1", "G-2", "G-3", "G-4"]
    assert figures["callbacks"]["connected"] == ["G-1", "G-2", "G-3"]
    assert [(unit["name"], unit["counts"]["valid"]["value"]) for unit in figures["units"]] == [
        ("甲街道", 2),
        ("乙委员会", 1),
    ]
    assert [(each["name"], each["rates"]["solution"]) for each in figures["categories"]] == [
        ("供热", "50.00%"),
        ("道路", "100.00%"),
    ]
    assert (len(figures["kept"]), [call["work_order"] for call in figures["absent"]]) == (5, ["G-5"])
    assert figures["unconfirmed"] == ["G-2", "G-3"]


async def test_every_figure_leads_to_its_order_recording_and_second(house: House) -> None:
    await fill(house)
    figures = (await issue(house)).figures
    (fairly,) = figures["counts"]["fairly"]["behind"]
    assert (fairly["work_order"], fairly["start_ms"], fairly["confirmed"]) == ("G-2", 12_000, False)
    assert fairly["recording"] in figures["kept"]
    (suggestion,) = figures["suggestions"]
    assert (suggestion["work_order"], suggestion["start_ms"]) == ("G-2", 12_000)
    assert suggestion["sentence"] == "某某建议<多装>路灯，电话（号码略）。"
    # The first call on G-1 was superseded in the rates, but what the citizen said in it was heard.
    assert sorted((each["work_order"], each["what"]) for each in figures["complaints"]) == [
        ("G-1", "不满意"),
        ("G-1", "未解决"),
        ("G-3", "不满意"),
        ("G-3", "未解决"),
    ]


async def test_the_docx_is_an_official_page(house: House) -> None:
    await fill(house)
    report = await issue(house)
    word: Any = open_docx(BytesIO(await content(house, report.docx_object)))
    section = word.sections[0]
    sizes = (section.page_width, section.page_height, section.top_margin, section.bottom_margin)
    sides = (section.left_margin, section.right_margin)
    for found, wanted in zip((*sizes, *sides), (210, 297, 37, 35, 28, 26), strict=True):
        assert abs(found - Mm(wanted)) < Mm(0.1)
    title = word.paragraphs[0]
    assert title.text == "测试回访项目组工作日报"
    assert title.runs[0].font.size == Pt(22)
    assert east_asia(title.runs[0]) == "方正小标宋简体"
    body = next(each for each in word.paragraphs if "应回访工单5件" in each.text)
    assert "接通3件，形成有效回访3件" in body.text
    assert "响应率66.67%，解决率66.67%，满意率63.33%，综合得分65.33分" in body.text
    assert (body.runs[0].font.size, east_asia(body.runs[0])) == (Pt(16), "仿宋")
    assert body.paragraph_format.first_line_indent == Pt(32)
    assert Pt(28) <= body.paragraph_format.line_spacing <= Pt(29)
    heading = next(each for each in word.paragraphs if each.text == "一、总体情况")
    assert east_asia(heading.runs[0]) == "黑体"
    assert all(east_asia(run) for each in all_paragraphs(word) for run in each.runs)
    assert "PAGE" in section.footer.paragraphs[0]._p.xml
    assert section.footer.paragraphs[0].alignment != section.even_page_footer.paragraphs[0].alignment
    rates = word.tables[0]
    assert [cell.text for cell in rates.rows[3].cells] == ["满意率", "1＋0.9×1", "3", "63.33%", "—", "—"]
    assert rates.rows[0]._tr.trPr.find(qn("w:tblHeader")) is not None


def east_asia(run: Any) -> Any:
    return run._r.rPr.rFonts.get(qn("w:eastAsia"))


def all_paragraphs(word: Any) -> list[Any]:
    cells = [cell for table in word.tables for row in table.rows for cell in row.cells]
    return [*word.paragraphs, *(paragraph for cell in cells for paragraph in cell.paragraphs)]


async def test_both_forms_say_the_same_and_name_nobody(house: House) -> None:
    await fill(house)
    report = await issue(house)
    html = (await content(house, report.html_object)).decode()
    word = open_docx(BytesIO(await content(house, report.docx_object)))
    for text in {paragraph.text for paragraph in all_paragraphs(word)} - {""}:
        assert text.replace("<", "&lt;").replace(">", "&gt;") in html
    for private in ("13800000000", "甄市民", "测试市民", "回访员甲"):
        assert private not in html
    assert "<多装>" not in html
    assert "系统建议、待人工确认" in html
    assert not re.search(r"<script|src=|href=|url\(", html)


async def test_an_empty_day_is_still_a_report(house: House) -> None:
    house.clock.now = NOON + timedelta(days=1)
    report = await issue(house)
    assert report.number == "日报〔2026〕第326号"
    assert report.figures["rates"]["response"] == "—"
    assert not report.figures["unfinished"]
    word = open_docx(BytesIO(await content(house, report.docx_object)))
    text = "\n".join(paragraph.text for paragraph in word.paragraphs)
    assert "当日没有有效回访，各率不作计算，以“—”表示。" in text
    assert "当日没有封存的通话录音。" in text
    assert "0.00%" not in text


async def test_issuing_again_makes_an_edition_only_when_something_changed(house: House) -> None:
    await fill(house)
    first = await issue(house)
    assert (await issue(house)).id == first.id
    async with house.archive.database.write() as session:
        for finding in await session.scalars(select(Finding)):
            finding.standing, finding.by = "accepted", "li"
    second = await issue(house, by="wang")
    assert (first.edition, second.edition, second.number) == (1, 2, "日报〔2026〕第326号（第2版）")
    async with house.archive.database.read() as session:
        assert len((await session.scalars(select(Report))).all()) == 2
        entries = (await session.scalars(select(LedgerRow).where(LedgerRow.kind == "reported"))).all()
        assert [(entry.actor, entry.subject) for entry in entries] == [("li", str(first.id)), ("wang", str(second.id))]
        objects = await session.scalars(select(StoredObject).where(StoredObject.kind == "report"))
        assert {stored.lock_until for stored in objects} == {UNTIL}
        await check(session)
    assert "系统建议、待人工确认" not in (await content(house, second.html_object)).decode()


async def test_a_report_made_during_its_day_says_so_and_is_made_again_after_it(house: House) -> None:
    await fill(house)
    first = await issue(house)
    assert "数字截至12:00" in (await content(house, first.html_object)).decode()
    house.clock.now = NOON + timedelta(days=1)
    second = await issue(house)
    assert second.edition == 2
    assert "数字截至" not in (await content(house, second.html_object)).decode()


async def test_yesterday_is_compared_in_percentage_points(house: House) -> None:
    await fill(house)
    house.clock.now = NOON + timedelta(days=1)
    await house.callback("G-4", SOLVED)
    report = await issue(house, DAY + timedelta(days=1))
    html = (await content(house, report.html_object)).decode()
    assert "上升33.33个百分点" in html
    assert "综合得分100.00分，较上日上升34.67分" in html


async def test_the_days_edges_are_those_of_the_zone(house: House) -> None:
    await house.order("G-1")
    await house.order("G-2")
    await house.callback("G-1", SOLVED, started_at=datetime(2026, 11, 21, 16, 0, tzinfo=UTC))
    await house.callback("G-2", SOLVED, started_at=datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC))
    figures = (await issue(house)).figures
    assert [each["work_order"] for each in figures["counts"]["valid"]["behind"]] == ["G-1"]


async def test_formulas_hold_from_their_day(house: House) -> None:
    await fill(house)
    async with house.archive.database.write() as session:
        await set_value(session, FAIRLY_FACTOR, "0.6", effective_from=DAY, by="zhao", at=NOON)
        await set_value(session, FAIRLY_FACTOR, "9", effective_from=DAY + timedelta(days=1), by="zhao", at=NOON)
    report = await issue(house)
    assert report.figures["rates"]["satisfaction"] == "53.33%"  # (1 + 0.6) / 3
    assert "0.6×基本满意数" in (await content(house, report.html_object)).decode()
    house.clock.now = NOON + timedelta(days=1)
    with pytest.raises(Conflict, match="formulas"):
        await issue(house, DAY + timedelta(days=1))


async def test_a_day_that_has_not_begun_has_no_report(house: House) -> None:
    with pytest.raises(Refused):
        await issue(house, DAY + timedelta(days=1))
