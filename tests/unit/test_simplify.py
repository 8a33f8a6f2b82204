"""Simplified characters, for whole texts and word by word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcription.simplify import simplify, simplify_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("對處理結果滿意嗎？", "对处理结果满意吗？"),
        ("頭髮和發展", "头发和发展"),
        ("乾隆吃餅乾", "乾隆吃饼干"),
        ("12345 熱線 OK", "12345 热线 OK"),
        ("已经是简体的，不变。", "已经是简体的，不变。"),
        ("", ""),
    ],
)
def test_known_texts(text: str, expected: str) -> None:
    assert simplify(text) == expected


def test_words_are_converted_in_their_context() -> None:
    assert simplify_words(["乾", "隆", "吃", "餅", "乾，"]) == ["乾", "隆", "吃", "饼", "干，"]


@given(st.lists(st.text(alphabet="對處理結果滿意嗎乾隆餅髮發裏面著，。 a1", max_size=4), max_size=20))
def test_words_together_read_as_the_whole(words: list[str]) -> None:
    converted = simplify_words(words)
    assert len(converted) == len(words)
    assert "".join(converted) == simplify("".join(words))


@given(st.text(alphabet="對处理結果滿意嗎乾隆餅髮發裏面著，。 a1", max_size=80))
def test_converting_twice_changes_nothing(text: str) -> None:
    assert simplify(simplify(text)) == simplify(text)
