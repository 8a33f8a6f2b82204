"""Sheets of ours hold text and numbers, whatever is put into them."""

from datetime import datetime
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from workorders.writing import FORMULA, LONGEST, Value, as_text, write_workbook


def written(*row: Value) -> list[Value]:
    book = load_workbook(BytesIO(write_workbook("表", ["甲"] * len(row), [10] * len(row), [row])))
    return [cell.value for cell in list(book.worksheets[0].iter_rows())[1]]  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "=cmd|' /C calc'!A0", "\x00=1", "\x01\x02@x"],
)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    (value,) = written(text)
    assert str(value).startswith("'")
    assert not as_text(text).startswith(FORMULA)


def test_numbers_and_moments_stay_what_they_are() -> None:
    moment = datetime(2026, 11, 20, 10, 30)
    assert written(-5, 0.25, moment, None, "满意", "'=1", "a=b") == [-5, 0.25, moment, None, "满意", "'=1", "a=b"]


def test_a_cell_holds_what_a_cell_can_hold() -> None:
    assert written("a\x00b\x0bc\ud800d") == ["abcd"]
    assert len(str(written("长" * 40_000)[0])) < LONGEST


@settings(deadline=None)
@given(st.text(max_size=30))
def test_every_text_can_be_written_and_none_is_a_formula(text: str) -> None:
    book = load_workbook(BytesIO(write_workbook("表", ["甲"], [10], [[text]])))
    assert book.worksheets[0]["A2"].data_type != "f"
    assert not as_text(text).startswith(FORMULA)
