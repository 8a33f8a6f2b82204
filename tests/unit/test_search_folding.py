"""How text is folded, cut into tokens and marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.search import MAX_TERMS, find_marks, fold, index_tokens, query_terms


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
def test_tokens_are_hexadecimal_whatever_the_text(text: str) -> None:
    assert all(token.isalnum() and token == token.lower() for token in index_tokens(text))


@pytest.mark.parametrize(
    ("text", "terms", "marks"),
    [
        ("非常满意，满意", ["满意"], ((2, 4), (5, 7))),
        ("非常满，意", ["满意"], ((2, 5),)),
        ("解决了，很满意", ["满意", "解决"], ((0, 2), (5, 7))),
        ("aaa", ["aa"], ((0, 3),)),
        ("解决了", ["解决", "满意"], ()),
        ("", ["满"], ()),
    ],
)
def test_marks_stand_where_the_words_stand(text: str, terms: list[str], marks: tuple[tuple[int, int], ...]) -> None:
    assert find_marks(text, terms) == marks


def test_a_query_is_cut_to_a_reasonable_size() -> None:
    assert query_terms("  满意　路灯\t满意 ，。 ") == ["满意", "路灯"]
    assert len(query_terms(" ".join(str(n) for n in range(500)))) == MAX_TERMS
    assert query_terms("") == query_terms("，。！") == []
