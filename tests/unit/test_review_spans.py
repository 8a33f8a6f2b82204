"""A turn as words that can be heard, and moments as people write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models import TurnView
from api.pages.review import Span, milliseconds, spans

WORDS: list[list[Any]] = [[0, 300, "路灯", 0.9], [300, 500, "不", 0.4], [500, 900, "亮了。", 0.95]]


def _turn(text: str, words: list[list[Any]], confidence: float = 0.8) -> TurnView:
    return TurnView(
        ordinal=0,
        party="citizen",
        start_ms=0,
        end_ms=900,
        text=text,
        confidence=confidence,
        overlaps=False,
        words=words,
    )


def test_words_are_heard_and_doubtful_ones_marked() -> None:
    assert spans(_turn("路灯不亮了。", WORDS)) == [
        Span("路灯", 0, 300),
        Span("不", 300, 500, low=True),
        Span("亮了。", 500, 900),
    ]


def test_what_stands_between_words_is_kept() -> None:
    assert [span.text for span in spans(_turn("嗯，路灯 不，亮了。", WORDS))] == [
        "嗯，",
        "路灯",
        " ",
        "不",
        "，",
        "亮了。",
    ]


def test_without_times_a_doubtful_turn_is_one_doubtful_stretch() -> None:
    assert spans(_turn("路灯不亮了。", [], confidence=0.3)) == [Span("路灯不亮了。", low=True)]
    assert spans(_turn("", [])) == []


@given(text=st.text("路灯不亮了。 a1", max_size=20), words=st.lists(st.text("路灯不亮了。 a1", max_size=3), max_size=6))
def test_the_stretches_are_the_text(text: str, words: list[str]) -> None:
    timed: list[list[Any]] = [[place * 100, place * 100 + 100, word, 0.5] for place, word in enumerate(words)]
    assert "".join(span.text for span in spans(_turn(text, timed))) == text


@pytest.mark.parametrize(("written", "found"), [("1:23", 83_000), ("1:02:03", 3_723_000), (" 83.5 ", 83_500), ("0", 0)])
def test_a_moment_is_read(written: str, found: int) -> None:
    assert milliseconds(written) == found


@pytest.mark.parametrize("written", ["", "soon", "-1", "nan", "99:99:99", "1:-5:-99"])
def test_what_is_no_moment_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        milliseconds(written)
