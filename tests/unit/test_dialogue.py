"""From two parties' words to turns: order, pauses, taking over, overlaps, echo."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transcription.dialogue import OVERLAP, alike, confidence, dialogue, mark_echo, mark_overlaps, worst_scores
from transcription.engine import Turn, Word
from transcription.guards import Heard


def say(party: str, start: float, text: str, each: float = 0.2, probability: float = 0.9, **scores: float) -> Heard:
    """A window in which a party speaks one character every ``each`` seconds; ``_`` is as much silence."""
    words: list[Word] = []
    for index, char in enumerate(text):
        begin = round(start + index * each, 3)
        if char == "_":
            continue
        words.append(Word(begin, round(begin + each, 3), char, probability))
    # Punctuation takes no time: it belongs to the word before it, as the engine writes it.
    joined: list[Word] = []
    for word in words:
        if joined and not word.text.isalnum():
            last = joined.pop()
            word = Word(last.start, last.end, last.text + word.text, last.probability)
        joined.append(word)
    end = joined[-1].end if joined else start
    return Heard(party, start, end, end - start, tuple(joined), scores)


def shown(turns: tuple[Turn, ...]) -> list[tuple[str, str]]:
    return [(turn.party, turn.text) for turn in turns]


def test_no_speech_no_turns() -> None:
    assert dialogue([]) == ()


def test_turns_stand_in_the_order_of_time() -> None:
    found = dialogue([say("agent", 0, "您满意吗？"), say("agent", 5, "谢谢。"), say("citizen", 2, "满意。")])
    assert shown(found) == [("agent", "您满意吗？"), ("citizen", "满意。"), ("agent", "谢谢。")]
    assert not any(turn.overlaps or turn.echo for turn in found)


def test_a_pause_ends_a_turn() -> None:
    assert [turn.text for turn in dialogue([say("agent", 0, "您好_____请问")])] == ["您好", "请问"]
    assert [turn.text for turn in dialogue([say("agent", 0, "您好__请问")])] == ["您好请问"]


def test_sentences_without_a_pause_are_one_turn() -> None:
    found = dialogue([say("agent", 0, "您好。_我是热线。_请问满意吗？")])
    assert [turn.text for turn in found] == ["您好。我是热线。请问满意吗？"]


def test_windows_that_follow_each_other_are_one_turn() -> None:
    found = dialogue([say("agent", 0, "您反映的", avg_logprob=-0.2), say("agent", 1.0, "问题", avg_logprob=-0.7)])
    assert [turn.text for turn in found] == ["您反映的问题"]
    assert found[0].scores == {"avg_logprob": -0.7}


def test_at_a_sentence_end_the_other_party_takes_over() -> None:
    agent = say("agent", 0, "满意吗？__那就好。")
    citizen = say("citizen", 0.7, "满意。", each=0.4)
    assert shown(dialogue([agent, citizen])) == [("agent", "满意吗？"), ("citizen", "满意。"), ("agent", "那就好。")]


def test_a_short_word_of_the_other_does_not_cut_a_sentence() -> None:
    found = dialogue([say("agent", 0, "您反映的噪音扰民的问题已经处理了。好。"), say("citizen", 1.0, "嗯。")])
    assert shown(found) == [("agent", "您反映的噪音扰民的问题已经处理了。好。"), ("citizen", "嗯。")]
    assert [turn.overlaps for turn in found] == [True, True]


def test_overlaps_are_kept_and_marked() -> None:
    found = dialogue([say("agent", 0, "您对处理结果满意吗"), say("citizen", 1.0, "我不满意"), say("agent", 9, "好")])
    assert [(turn.party, turn.overlaps) for turn in found] == [("agent", True), ("citizen", True), ("agent", False)]


def test_touching_edges_are_no_overlap() -> None:
    turns = [Turn("agent", 0.0, 2.0, "满意吗", 0.9), Turn("citizen", 2.0 - OVERLAP / 2, 3.0, "满意", 0.9)]
    assert not any(turn.overlaps for turn in mark_overlaps(turns))


def test_one_party_never_overlaps_itself() -> None:
    turns = [Turn("unknown", 0.0, 2.0, "一", 0.9), Turn("unknown", 1.0, 3.0, "二", 0.9)]
    assert not any(turn.overlaps for turn in mark_overlaps(turns))


def test_both_writings_are_kept() -> None:
    (turn,) = dialogue([say("citizen", 0, "問題還沒有解決。")])
    assert (turn.text, turn.raw_text) == ("问题还没有解决。", "問題還沒有解決。")
    assert "".join(word.text for word in turn.words) == turn.text


def test_confidence_is_that_of_the_characters() -> None:
    assert confidence([Word(0, 1, "满意，", 0.8), Word(1, 2, "好。", 0.2)]) == pytest.approx((2 * 0.8 + 0.2) / 3)


def test_scores_show_the_most_doubtful_window() -> None:
    first = say("agent", 0, "好", avg_logprob=-0.1, no_speech_prob=0.3)
    second = say("agent", 1, "好", avg_logprob=-0.9, no_speech_prob=0.1, decoded_again=1.0)
    assert worst_scores([first, second]) == {"avg_logprob": -0.9, "no_speech_prob": 0.3, "decoded_again": 1.0}


def loud(**levels: float) -> Callable[[str, float, float], float]:
    return lambda party, start, end: levels[party]


AGENT = Turn("agent", 10.0, 13.0, "您反映的路灯不亮问题处理好了吗？", 0.9)
ECHO = Turn("citizen", 10.2, 13.1, "反映的路灯不亮问题处理好吗", 0.5)


def test_the_quieter_repetition_at_the_same_time_is_echo() -> None:
    marked = mark_echo([AGENT, ECHO], loud(agent=-20.0, citizen=-35.0))
    assert [turn.echo for turn in marked] == [False, True]
    assert [turn.text for turn in marked] == [AGENT.text, ECHO.text]


@pytest.mark.parametrize(
    ("other", "levels"),
    [
        (ECHO, {"agent": -20.0, "citizen": -22.0}),
        (Turn("citizen", 10.2, 13.1, "没有人联系我，问题还在那儿", 0.5), {"agent": -20.0, "citizen": -35.0}),
        (Turn("citizen", 12.9, 15.8, ECHO.text, 0.5), {"agent": -20.0, "citizen": -35.0}),
        (Turn("citizen", 10.2, 10.6, "好", 0.5), {"agent": -20.0, "citizen": -35.0}),
    ],
    ids=["as loud", "other words", "repeated afterwards", "too short to tell"],
)
def test_what_is_no_echo(other: Turn, levels: dict[str, float]) -> None:
    assert not any(turn.echo for turn in mark_echo([AGENT, other], loud(**levels)))


def test_without_loudness_nothing_is_called_echo() -> None:
    assert not any(turn.echo for turn in mark_echo([AGENT, ECHO], None))


def test_alike_needs_the_characters_in_order() -> None:
    assert alike("处理好了", "您的问题处理好了吗？")
    assert not alike("了好理处", "您的问题处理好了吗？")
    assert not alike("", "您好")


WINDOWS = st.lists(
    st.builds(
        say,
        st.sampled_from(["agent", "citizen"]),
        st.integers(0, 600).map(lambda tenths: tenths / 10),
        st.text(alphabet="您好满意吗。？，_", min_size=1, max_size=30),
    ),
    max_size=12,
)


@given(WINDOWS)
def test_every_word_stands_in_exactly_one_turn(windows: list[Heard]) -> None:
    found = dialogue(windows)
    for party in ("agent", "citizen"):
        spoken = sorted((w.start, w.end, w.text) for heard in windows if heard.party == party for w in heard.words)
        assert sorted((w.start, w.end, w.text) for turn in found if turn.party == party for w in turn.words) == spoken


@given(WINDOWS)
def test_turns_are_ordered_and_hold_their_words(windows: list[Heard]) -> None:
    found = dialogue(windows)
    assert [turn.start for turn in found] == sorted(turn.start for turn in found)
    for turn in found:
        assert turn.words
        assert turn.start == min(word.start for word in turn.words)
        assert turn.end == max(word.end for word in turn.words)
        assert 0 <= turn.confidence <= 1


@example([say("agent", 6.8, "__。"), say("agent", 7.2, "。。")])
@given(WINDOWS)
def test_the_order_in_which_windows_come_does_not_matter(windows: list[Heard]) -> None:
    apart = [heard for index, heard in enumerate(windows) if heard.start not in {h.start for h in windows[:index]}]
    assert dialogue(apart) == dialogue(list(reversed(apart)))
