"""How text is folded, cut into tokens and marked."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.folding import MAX_TERMS, find_marks, fold, folded_text, query_terms
from archive.search_index import (
    AT_MOST,
    ON_SHELF,
    key_anywhere,
    keys_on,
    moment_of,
    place_of,
    row_keys,
    tokens_of,
    word_of,
)
from archive.search_wanted import MAX_TOKENS, narrowing_tokens
from core.ids import new_id


def test_width_case_marks_and_punctuation_do_not_matter() -> None:
    assert fold("ＡＢｃ１２３，满 意。é").text == "abc123满意e"
    assert fold("ß").text == "ss"


def test_each_folded_character_knows_its_place() -> None:
    folded = fold("《ﬁ》满")
    assert (folded.text, folded.places) == ("fi满", (1, 1, 3))


@given(st.text(), st.data())
def test_a_part_of_a_text_folds_to_a_part_of_the_folded_text(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    folded = fold(text)
    assert fold(text[start:end]).text in folded.text
    assert len(folded.text) == len(folded.places)


@given(st.text())
def test_words_are_hexadecimal_whatever_the_text(text: str) -> None:
    words = [word_of(token) for token in tokens_of(folded_text(text))]
    assert all(word.isalnum() and word == word.lower() for word in words)


@given(st.text(), st.data())
def test_what_is_looked_up_for_a_part_is_kept_for_the_whole(text: str, data: st.DataObject) -> None:
    folded = folded_text(text)
    start = data.draw(st.integers(0, len(folded)))
    part = folded[start : data.draw(st.integers(start, len(folded)))]
    for longest in (ON_SHELF, AT_MOST):
        looked_up = narrowing_tokens([part] if part else [], longest)
        assert set(looked_up) <= tokens_of(folded, longest)
        assert len(looked_up) <= MAX_TOKENS
        assert bool(looked_up) == bool(part)


def test_what_is_looked_up_covers_a_term_from_end_to_end() -> None:
    assert narrowing_tokens(["路灯不亮了", "满", "满意"], 2) == ["路灯", "不亮", "亮了", "满", "满意", "灯不"]
    assert narrowing_tokens(["路灯不亮了", "满", "满意"], 3) == ["路灯不", "不亮了", "满", "满意", "灯不亮"]


@given(st.integers(2**26, 2**40), st.text(max_size=4))
def test_a_key_is_looked_up_as_it_was_written(milliseconds: int, text: str) -> None:
    tokens = sorted(tokens_of(folded_text(text)))
    place = milliseconds << 21
    shelves = np.array([place >> 47], dtype=np.int64)
    on_shelf = {int(keys_on(shelves, token)[0]) for token in tokens if len(token) <= ON_SHELF}
    assert row_keys(place, tokens).tolist() == sorted(on_shelf | {key_anywhere(token) for token in tokens})


def test_places_are_in_the_order_of_time() -> None:
    moments = [datetime(2026, 11, 20, 2, 30, second, tzinfo=UTC) for second in range(3)]
    places = [place_of(moment, new_id()) for moment in moments]
    assert places == sorted(places)
    assert [moment_of(place) for place in places] == moments
    assert all(place_of(moment) <= place for moment, place in zip(moments, places, strict=True))
    assert places[-1] < 2**63


@pytest.mark.parametrize(
    ("text", "terms", "marks"),
    [
        ("非常满意，满意", ["满意"], ((2, 4), (5, 7))),
        ("非常满，意", ["满意"], ((2, 5),)),
        ("解决了，很满意", ["满意", "解决"], ((0, 2), (5, 7))),
        ("aaa", ["aa"], ((0, 3),)),
        ("解决了", ["解决", "满意"], ((0, 2),)),
        ("", ["满"], ()),
    ],
)
def test_marks_stand_where_the_words_stand(text: str, terms: list[str], marks: tuple[tuple[int, int], ...]) -> None:
    assert find_marks(text, terms) == marks


def test_a_query_is_cut_to_a_reasonable_size() -> None:
    assert query_terms("  满意　路灯\t满意 ，。 ") == ["满意", "路灯"]
    assert len(query_terms(" ".join(str(n) for n in range(500)))) == MAX_TERMS
    assert query_terms("") == query_terms("，。！") == []
