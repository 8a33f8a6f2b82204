"""Text that a person put in place of the machine's: the times of words, and what is shown as changed."""

from hypothesis import given
from hypothesis import strategies as st

from archive.corrections import ADDED, REMOVED, SAME, Piece, corrected_turn, differences, realign
from archive.seal import NewTurn

WORDS = [[0, 300, "路灯", 0.9], [300, 500, "不", 0.4], [500, 900, "两了，", 0.3], [900, 1200, "谢谢", 0.9]]
TEXT = st.text(alphabet="路灯不亮了，谢 a1", max_size=12)


def test_a_character_takes_the_time_of_what_it_stands_for() -> None:
    assert realign(WORDS, "路灯不亮了，谢谢") == [
        [0, 300, "路灯", 1.0],
        [300, 500, "不", 1.0],
        [500, 900, "亮了，", 1.0],
        [900, 1200, "谢谢", 1.0],
    ]


def test_a_word_put_in_joins_the_one_before_it() -> None:
    assert realign(WORDS, "路灯一直不两了，谢谢")[0] == [0, 300, "路灯一直", 1.0]
    assert realign(WORDS, "那路灯不两了，谢谢")[0] == [0, 300, "那路灯", 1.0]


def test_a_word_taken_out_leaves_the_others_where_they_are() -> None:
    assert [word[0] for word in realign(WORDS, "路灯两了，谢谢")] == [0, 500, 900]


def test_without_times_there_are_none() -> None:
    assert realign([], "路灯") == []
    assert realign(WORDS, "") == []


def test_a_person_is_certain() -> None:
    turn = NewTurn("citizen", 0, 1200, "路灯不两了，谢谢", 0.4, False, WORDS)
    corrected = corrected_turn(turn, " 路灯不亮了，谢谢 ")
    assert (corrected.text, corrected.confidence) == ("路灯不亮了，谢谢", 1.0)
    assert (corrected.start_ms, corrected.end_ms, corrected.party) == (0, 1200, "citizen")


@given(old=st.lists(TEXT.filter(bool), min_size=1, max_size=5), new=TEXT)
def test_words_spell_the_text_in_time(old: list[str], new: str) -> None:
    words = [[place * 100, place * 100 + 100, text, 0.5] for place, text in enumerate(old)]
    found = realign(words, new)
    assert "".join(word[2] for word in found) == new
    starts = [word[0] for word in found]
    assert starts == sorted(set(starts))


@given(old=TEXT, new=TEXT)
def test_differences_hold_both_texts(old: str, new: str) -> None:
    pieces = differences(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != ADDED) == old
    assert "".join(piece.text for piece in pieces if piece.kind != REMOVED) == new
    assert all(piece.text for piece in pieces)


def test_only_what_changed_is_marked() -> None:
    assert differences("路灯不两了", "路灯不亮了") == [
        Piece(SAME, "路灯不"),
        Piece(REMOVED, "两"),
        Piece(ADDED, "亮"),
        Piece(SAME, "了"),
    ]
