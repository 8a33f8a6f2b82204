"""The engine's segments for one window, as words at their place in the recording."""

from types import SimpleNamespace

import pytest

from transcription.audio import ENGINE_RATE
from transcription.voice import Span, Window
from transcription.whisper import heard_in

# Speech at 10 to 12 s and 20 to 21 s of the citizen's channel, heard as one piece of 3 s.
WINDOW = Window("citizen", (Span(10 * ENGINE_RATE, 12 * ENGINE_RATE), Span(20 * ENGINE_RATE, 21 * ENGINE_RATE)))


def segment(*words: tuple[float, float, str], text: str = "", seek: int = 0) -> SimpleNamespace:
    """What faster-whisper yields; ``seek`` is where the window begins in all windows' sound, in hundredths."""
    return SimpleNamespace(
        seek=seek,
        text=text or "".join(word for _, _, word in words),
        words=[SimpleNamespace(start=s, end=e, word=word, probability=0.75) for s, e, word in words],
        avg_logprob=-0.25,
        no_speech_prob=0.05,
        compression_ratio=0.9,
    )


def test_words_stand_where_they_were_spoken() -> None:
    found = heard_in(WINDOW, [segment((33.2, 33.6, "满"), (34.9, 35.3, "意，"), (35.4, 35.9, "好。"), seek=3300)])
    assert [(word.start, word.end, word.text) for word in found.words] == [
        (10.2, 10.6, "满"),
        (20.0, 20.3, "意，"),
        (20.4, 20.9, "好。"),
    ]
    assert (found.party, found.start, found.end, found.speech) == ("citizen", 10.0, 21.0, 3.0)
    assert found.scores == {
        "avg_logprob": -0.25,
        "no_speech_prob": 0.05,
        "compression_ratio": 0.9,
        "temperature": 0.0,
    }
    assert {word.probability for word in found.words} == {0.75}


def test_a_last_character_that_slips_into_the_padding_is_kept() -> None:
    found = heard_in(WINDOW, [segment((2.5, 3.3, "再"), (3.3, 3.7, "见。"))])
    assert [(word.start, word.end, word.text) for word in found.words] == [(20.5, 21.0, "再"), (21.0, 21.0, "见。")]
    assert found.outside == ()


def test_a_phrase_behind_the_end_was_not_heard() -> None:
    found = heard_in(WINDOW, [segment((0.2, 0.5, "好。"), (3.3, 3.4, "感谢"), (3.5, 3.8, "观看。"))])
    assert found.text == "好。"
    assert "".join(word.text for word in found.outside) == "感谢观看。"


def test_where_nothing_was_inside_nothing_is_kept() -> None:
    found = heard_in(WINDOW, [segment((3.3, 3.6, "好。"))])
    assert (found.words, [word.text for word in found.outside]) == ((), ["好。"])


def test_text_without_word_times_spans_its_window() -> None:
    (word,) = heard_in(WINDOW, [segment(text="满意。")]).words
    assert (word.start, word.end, word.text) == (10.0, 21.0, "满意。")
    assert word.probability == pytest.approx(0.7788, abs=1e-4)


def test_no_segment_is_an_empty_window() -> None:
    found = heard_in(WINDOW, [])
    assert (found.text, found.words, found.scores) == ("", (), {})


def test_the_most_doubtful_segment_counts() -> None:
    doubtful = segment((1.0, 1.2, "好"))
    doubtful.avg_logprob, doubtful.no_speech_prob = -0.9, 0.5
    scores = heard_in(WINDOW, [segment((0.1, 0.4, "您")), doubtful]).scores
    assert (scores["avg_logprob"], scores["no_speech_prob"]) == (-0.9, 0.5)
