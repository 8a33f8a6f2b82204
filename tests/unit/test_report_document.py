"""The report as a value, printed as DOCX and HTML: whatever the texts are, both open."""

from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from docx import Document as open_docx

from reporting.daily import number_of
from reporting.document import Column, Document, Heading, Note, Paragraph, Table
from reporting.formulas import Formulas
from reporting.queries import DayFacts
from reporting.web import to_html
from reporting.word import to_docx
from reporting.wording import Issue, compose
from workorders.queries import CallbackDay

AT = datetime(2026, 11, 22, 4, tzinfo=UTC)


def document(*blocks: Any) -> Document:
    return Document("标题", "日报〔2026〕第1号", "2026年1月1日", blocks, "项目组", "2026年1月2日")


def words_of(made: Document) -> Any:
    return open_docx(BytesIO(to_docx(made, created=AT)))


def test_every_kind_of_block_is_printed_in_both_forms() -> None:
    made = document(
        Heading("一、标题"), Paragraph("正文"), Note("说明"), Table((Column("甲", 20), Column("乙", 20)), (("1", "2"),))
    )
    word = words_of(made)
    assert [each.text for each in word.paragraphs if each.text] == [
        *("标题", "日报〔2026〕第1号", "2026年1月1日", "一、标题", "正文", "说明", "项目组", "2026年1月2日")
    ]
    assert [[cell.text for cell in row.cells] for row in word.tables[0].rows] == [["甲", "乙"], ["1", "2"]]
    html = to_html(made).decode()
    assert "<h2>一、标题</h2>" in html
    assert "<td>1</td><td>2</td>" in html


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a&b", "\x00\x0b控制\x1f符", '"引号"', "𠀀生僻字"])
def test_any_text_is_safe_in_both_forms(text: str) -> None:
    made = document(Paragraph(text), Table((Column(text, 20),), ((text,),)))
    visible = "".join(character for character in text if character >= " ")
    word = words_of(made)
    assert word.tables[0].rows[1].cells[0].text == visible
    assert visible in [each.text for each in word.paragraphs]
    assert "<script" not in to_html(made).decode()


def test_a_row_that_does_not_fit_its_table_is_refused() -> None:
    with pytest.raises(ValueError, match="cell for each column"):
        Table((Column("甲", 20),), (("1", "2"),))


def test_a_leap_year_has_366_daily_reports() -> None:
    assert number_of(date(2028, 12, 31)) == "日报〔2028〕第366号"
    assert number_of(date(2026, 11, 22)) == "日报〔2026〕第326号"


def test_the_signature_is_dated_in_the_zone_and_sections_are_numbered_in_order() -> None:
    day = date(2026, 11, 21)
    facts = DayFacts(day, CallbackDay([], [], []), (), (), (), (), (), ())
    late = datetime(2026, 11, 21, 22, tzinfo=UTC)
    made = compose(facts, Formulas(), Issue("项目组", number_of(day), 1, late, ZoneInfo("Asia/Shanghai"), False))
    assert made.signed_on == "2026年11月22日"
    assert made.period == "2026年11月21日　星期六"
    headings = [block.text for block in made.blocks if isinstance(block, Heading)]
    assert [heading[0] for heading in headings] == list("一二三四五六七八九")
