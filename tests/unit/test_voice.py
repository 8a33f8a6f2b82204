"""Speech packed into windows and words brought back to their time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcription.audio import ENGINE_RATE
from transcription.voice import Span, Window, pack

S = ENGINE_RATE


def spans_of(gaps_and_lengths: list[tuple[int, int]]) -> list[Span]:
    spans, position = [], 0
    for gap, length in gaps_and_lengths:
        spans.append(Span(position + gap, position + gap + length))
        position += gap + length
    return spans


SPANS = st.lists(st.tuples(st.integers(0, 5 * S), st.integers(S // 10, 25 * S)), max_size=15).map(spans_of)


@given(SPANS, st.sampled_from([5.0, 10.0, 29.0]))
def test_windows_hold_all_speech_in_order_within_the_limit(spans: list[Span], limit: float) -> None:
    windows = pack("agent", spans, limit)
    laid = [span for window in windows for span in window.spans]
    assert sum(span.end - span.start for span in laid) == sum(span.end - span.start for span in spans)
    assert all(earlier.end <= later.start for earlier, later in pairwise(laid))
    assert all(window.seconds <= limit + 1e-9 for window in windows)


def test_short_neighbours_share_a_window() -> None:
    spans = [Span(0, 3 * S), Span(5 * S, 8 * S), Span(9 * S, 12 * S), Span(20 * S, 25 * S)]
    assert [window.spans for window in pack("agent", spans, 10.0)] == [tuple(spans[:3]), (spans[3],)]
    assert len(pack("agent", spans, 29.0)) == 1


def test_where_windows_are_not_shared_each_span_has_its_own() -> None:
    spans = [Span(0, 3 * S), Span(5 * S, 8 * S), Span(10 * S, 22 * S)]
    found = pack("agent", spans, 10.0, share=False)
    assert [window.seconds for window in found] == [3, 3, 6, 6]


def test_no_speech_no_window() -> None:
    assert pack("agent", [], 10.0) == []


WINDOW = Window("agent", (Span(1 * S, 2 * S), Span(10 * S, 13 * S)))


def test_the_windows_sound_is_the_speech_end_to_end() -> None:
    channel = np.arange(14 * S, dtype=np.float32)
    cut = WINDOW.cut(channel)
    assert len(cut) == WINDOW.samples == 4 * S
    assert (cut[0], cut[S - 1], cut[S], cut[-1]) == (1 * S, 2 * S - 1, 10 * S, 13 * S - 1)


@pytest.mark.parametrize(
    ("inside", "placed"),
    [
        ((0.0, 0.5), (1.0, 1.5)),
        ((0.8, 1.1), (1.8, 2.0)),
        ((0.9, 1.4), (10.0, 10.4)),
        ((2.0, 3.0), (11.0, 12.0)),
        ((3.8, 4.6), (12.8, 13.0)),
        ((-0.1, 0.2), (1.0, 1.2)),
    ],
    ids=["first span", "over its end", "into the next", "second span", "over the end", "before the beginning"],
)
def test_words_are_clamped_inside_their_span(inside: tuple[float, float], placed: tuple[float, float]) -> None:
    assert WINDOW.place(*inside) == pytest.approx(placed)


@given(SPANS.filter(bool), st.floats(0, 40), st.floats(0, 3))
def test_every_word_lands_inside_speech(spans: list[Span], start: float, length: float) -> None:
    window = Window("agent", tuple(spans))
    first, last = window.place(start, start + length)
    assert first <= last
    assert any(span.start / S <= first and last <= span.end / S for span in spans)
