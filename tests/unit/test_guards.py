"""Guards against invented text: what each takes out, what it must leave, and that nothing disappears silently."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcription.engine import Word
from transcription.guards import (
    IMPROBABLE,
    NO_SPEECH,
    OUTSIDE,
    PHANTOM,
    PROMPT,
    REPETITION,
    TOO_FAST,
    Heard,
    Thresholds,
    find_loop,
    guard,
    phantom,
    reason_to_drop,
    sentences,
    sentences_of_text,
)

LIMITS = Thresholds()


def words_of(text: str, start: float = 0.0, each: float = 0.2) -> tuple[Word, ...]:
    """One word for each character, punctuation with the one before it."""
    pieces: list[str] = []
    for char in text:
        if pieces and not char.isalnum():
            pieces[-1] += char
        else:
            pieces.append(char)
    return tuple(
        Word(round(start + i * each, 3), round(start + (i + 1) * each, 3), p, 0.9) for i, p in enumerate(pieces)
    )


def heard(text: str, scores: Mapping[str, float] | None = None, outside: Sequence[Word] = ()) -> Heard:
    words = words_of(text)
    return Heard("citizen", 0.0, 20.0, 20.0, words, scores or {}, tuple(outside))


def split(piece: Heard, **more: Any) -> tuple[str, list[tuple[str, str]]]:
    kept, dropped = guard([piece], LIMITS, **more)
    return "".join(item.text for item in kept), [(item.text, item.reason) for item in dropped]


ORDINARY = [
    "您好，这里是一二三四五政务服务热线。",
    "对对对对对对。",
    "是的是的是的。",
    "谢谢谢谢谢谢，再见再见。",
    "电话是一三八零零零零零零零零。",
    "哈哈哈哈哈哈哈。",
    "他们来过，来过，来过三次。",
    "感谢您的接听，祝您生活愉快，再见。",
    "谢谢大家。",
    "我是看了电视才知道的，谢谢。",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_speech_stays(text: str) -> None:
    assert split(heard(text, {"avg_logprob": -0.3, "no_speech_prob": 0.01, "compression_ratio": 1.1})) == (text, [])


@pytest.mark.parametrize("text", ORDINARY)
def test_low_confidence_alone_is_shown_not_hidden(text: str) -> None:
    assert split(heard(text, {"avg_logprob": -1.6, "no_speech_prob": 0.2}))[0] == text


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"avg_logprob": -1.2, "no_speech_prob": 0.7}, NO_SPEECH),
        ({"avg_logprob": -0.4, "no_speech_prob": 0.7}, ""),
        ({"avg_logprob": -1.2, "no_speech_prob": 0.5}, ""),
        ({"avg_logprob": -0.4, "compression_ratio": 2.5}, REPETITION),
        ({"avg_logprob": -0.4, "compression_ratio": 2.3}, ""),
        ({"avg_logprob": -2.1}, IMPROBABLE),
        ({}, ""),
    ],
)
def test_scores_that_tell_against_speech(scores: dict[str, float], reason: str) -> None:
    assert reason_to_drop(heard("问题还没有解决。", scores), LIMITS) == reason


def test_a_window_of_half_a_second_holds_no_long_sentence() -> None:
    words = words_of("您在三月五日反映的噪音扰民问题", each=0.03)
    piece = Heard("agent", 3.0, 3.5, 0.5, words)
    kept, dropped = guard([piece], LIMITS)
    assert not kept
    assert [item.reason for item in dropped] == [TOO_FAST]
    assert guard([Heard("agent", 3.0, 3.5, 0.5, words_of("嗯，是的。"))], LIMITS)[0]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("满意吗" * 6, "满意吗"),
        ("您好，请问您对处理结果满意吗？" * 4, "您好，请问您对处理结果满意吗？"),
        ("前面是真的。" + "我们会尽快处理，" * 5 + "再见。", "前面是真的。我们会尽快处理，再见。"),
        ("好" * 10, "好"),
        ("啊" * 12 + "结束了" * 6, "啊结束了"),
    ],
)
def test_a_loop_leaves_its_first_unit(text: str, kept: str) -> None:
    found, dropped = split(heard(text))
    assert found == kept
    assert {reason for _, reason in dropped} == {REPETITION}
    assert Counter(found + "".join(out for out, _ in dropped)) == Counter(text)


@given(
    st.text(alphabet="一二三四五六七八九零您好请问，。", min_size=4, max_size=20),
    st.integers(min_value=4, max_value=12),
)
def test_every_long_unit_repeated_often_is_found(unit: str, times: int) -> None:
    if any(char.isalnum() for char in unit):
        assert find_loop(unit * times) is not None


def test_repeated_punctuation_is_no_loop() -> None:
    assert find_loop("……………………………………………………") is None


@pytest.mark.parametrize(
    "sentence",
    [
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "字幕由 Amara.org 社区提供",
        "谢谢观看。",
        "中文字幕志愿者 某某",
        "優優獨播劇場——YoYo Television Series Exclusive",
    ],
)
def test_known_phantoms_are_recognised(sentence: str) -> None:
    assert phantom(sentence) == PHANTOM


def test_only_the_phantom_sentence_goes() -> None:
    text = "问题解决了。请不吝点赞订阅转发打赏支持明镜与点点栏目。谢谢。"
    assert split(heard(text)) == ("问题解决了。谢谢。", [("请不吝点赞订阅转发打赏支持明镜与点点栏目。", PHANTOM)])


def test_the_engines_own_prompt_comes_back() -> None:
    prompt = "以下是政务服务热线回访通话的录音，文字为简体中文，带标点符号。"
    text = "以下是政务服务热线回访通话的录音文字为简体中文带标点符号。满意。"
    kept, dropped = split(heard(text), prompt=prompt)
    assert kept == "满意。"
    assert [reason for _, reason in dropped] == [PROMPT]


def test_words_behind_the_windows_end_are_kept_apart() -> None:
    tail = words_of("再见。", start=25.0)
    assert split(heard("好的。", outside=tail)) == ("好的。", [("再见。", OUTSIDE)])
    assert split(heard("", outside=tail)) == ("", [("再见。", OUTSIDE)])


def test_an_empty_window_gives_nothing() -> None:
    assert guard([heard("")], LIMITS) == ((), ())


def test_what_is_dropped_comes_in_the_order_of_time() -> None:
    late = Heard("agent", 30.0, 31.0, 1.0, words_of("谢谢观看。", start=30.0))
    early = Heard("citizen", 3.0, 4.0, 1.0, words_of("谢谢观看。", start=3.0))
    _, dropped = guard([late, early], LIMITS)
    assert [(item.party, item.start, item.end) for item in dropped] == [("citizen", 3.0, 3.8), ("agent", 30.0, 30.8)]


@given(
    st.lists(
        st.sampled_from([*ORDINARY, "谢谢观看。", "满意吗" * 7, "请不吝点赞。", "好" * 15, "。"]),
        min_size=1,
        max_size=5,
    ),
    st.floats(min_value=-3, max_value=0),
    st.floats(min_value=0, max_value=1),
)
def test_nothing_disappears(texts: list[str], probability: float, no_speech: float) -> None:
    piece = heard("".join(texts), {"avg_logprob": probability, "no_speech_prob": no_speech})
    kept, dropped = guard([piece], LIMITS)
    remaining = "".join(item.text for item in kept) + "".join(item.text for item in dropped)
    assert Counter(remaining) == Counter(piece.text)


def test_sentences_follow_the_punctuation() -> None:
    assert sentences_of_text("您好。满意吗？满意") == ["您好。", "满意吗？", "满意"]
    grouped = sentences(words_of("您好。满意吗？满意"))
    assert ["".join(word.text for word in group) for group in grouped] == ["您好。", "满意吗？", "满意"]
