"""Where a redacted copy is silent and what its text says there: located by what was heard, or refused."""

import io
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.corrections import corrected_turn
from archive.redaction import MARK, PAD_MS, Pick, Plan, Span, covered, joined, occurrences, padded, plan
from archive.redaction_sound import silence
from archive.seal import NewTurn
from core.errors import Refused

LONG = 60_000
HEARD = "我叫赵测试，电话是13800000321。"


def turn(text: str, start: int = 1000, each: int = 200, party: str = "citizen") -> NewTurn:
    """Every character takes ``each`` milliseconds."""
    words: list[list[Any]] = [[start + each * n, start + each * (n + 1), letter, 0.9] for n, letter in enumerate(text)]
    return NewTurn(party, start, start + each * len(text), text, 0.9, False, words)


def planned(newest: NewTurn, *picks: Pick, heard: NewTurn | None = None) -> Plan:
    return plan([heard or turn(HEARD)], [newest], picks, duration_ms=LONG)


def spoken(words: str, text: str = HEARD) -> Span:
    first = 1000 + 200 * text.index(words)
    return Span(first - PAD_MS, first + 200 * len(words) + PAD_MS)


def test_a_pick_takes_the_time_of_its_words_and_250_ms_on_either_side() -> None:
    found = planned(turn(HEARD), Pick(0, 2, 5))
    assert found.spans == (spoken("赵测试"),)
    assert found.spans == (Span(1400 - 250, 2000 + 250),)
    [told] = found.turns
    assert told.text == f"我叫{MARK}，电话是138****0321。", "numbers that nobody picked are masked as everywhere"
    assert "".join(word[2] for word in told.words) == told.text


def test_a_word_of_several_characters_is_silent_as_a_whole() -> None:
    heard = replace(turn("我叫赵测试"), words=[[1000, 1500, "我叫赵", 0.9], [1500, 2600, "测试", 0.9]])
    found = plan([heard], [heard], [Pick(0, 2, 4)], duration_ms=LONG)
    assert found.spans == (Span(750, 2850),)
    assert found.turns[0].text == f"我叫{MARK}试"


def test_a_corrected_character_takes_all_the_time_of_what_it_replaced() -> None:
    """The engine heard 照册式: where each of the right characters was spoken is not known, but there they all were."""
    heard = turn("我叫照册式，电话")
    newest = corrected_turn(heard, "我叫赵测试，电话")
    for pick in (Pick(0, 2, 5), Pick(0, 3, 4)):
        assert planned(newest, pick, heard=heard).spans == (Span(1400 - 250, 2000 + 250),)


def test_what_a_person_took_out_beside_a_pick_is_silent_too() -> None:
    heard = turn("电话是138000003219，谢谢")
    newest = corrected_turn(heard, "电话是13800000321，谢谢")
    end = 1000 + 200 * len("电话是138000003219") + PAD_MS
    assert planned(newest, Pick(0, 3, 14), heard=heard).spans == (Span(1600 - PAD_MS, end),)


def test_what_a_person_added_has_no_sure_time() -> None:
    heard = turn("我住在小区")
    newest = corrected_turn(heard, "我住在小区，电话是13800000321")
    with pytest.raises(Refused) as refused:
        planned(newest, Pick(0, 9, 20), heard=heard)
    assert refused.value.message.startswith("第 1 句第 10–20 个字不能可靠地定位（人工补写")
    assert " / sentence 1, characters 10–20 cannot be located (a person added it" in refused.value.message
    assert refused.value.facts == {"turn": 0, "start": 9, "end": 20}
    assert "13800000321" not in str(refused.value)
    # Beside it, where something was heard, nothing is refused; and the whole sentence goes by its own times.
    assert planned(newest, Pick(0, 0, 2), heard=heard).spans == (Span(750, 1650),)
    assert planned(newest, Pick(0), heard=heard).spans == (Span(750, 2250),)
    assert planned(newest, Pick(0), heard=heard).turns[0].text == MARK


@pytest.mark.parametrize(
    "words",
    [
        [],
        [[None, None, HEARD, 0.9]],
        [[1000, 900, HEARD, 0.9]],
        [[-5, 900, HEARD, 0.9]],
        [[1000, 1000, HEARD, 0.9]],
        [[1000, 1040, HEARD, 0.9]],
    ],
    ids=["none", "no times", "backwards", "before the start", "no length", "faster than speech"],
)
def test_words_without_usable_times_are_refused_and_their_sentence_is_not(words: list[list[Any]]) -> None:
    heard = replace(turn(HEARD), words=words)
    with pytest.raises(Refused, match="不能可靠地定位"):
        planned(heard, Pick(0, 2, 5), heard=heard)
    assert planned(heard, Pick(0), heard=heard).spans == (Span(750, heard.end_ms + 250),)


def test_a_sentence_that_the_engine_did_not_hear_so_has_only_its_own_times() -> None:
    newest = turn(HEARD)
    for heard in ([], [replace(newest, start_ms=900)], [replace(newest, party="agent")]):
        with pytest.raises(Refused):
            plan(heard, [newest], [Pick(0, 2, 5)], duration_ms=LONG)
    with pytest.raises(Refused):
        plan([], [replace(newest, start_ms=5000, end_ms=5000, words=[])], [Pick(0)], duration_ms=LONG)


@pytest.mark.parametrize("pick", [Pick(1), Pick(-1), Pick(0, 3, 3), Pick(0, 5, 3), Pick(0, 0, 99), Pick(0, -1, 2)])
def test_a_pick_that_is_not_in_the_text_is_refused(pick: Pick) -> None:
    with pytest.raises(Refused):
        planned(turn(HEARD), pick)
    with pytest.raises(Refused, match="没有选择"):
        planned(turn(HEARD))


def test_all_characters_are_the_sentence_and_neighbours_are_one() -> None:
    whole = planned(turn(HEARD), Pick(0, 0, 7), Pick(0, 7, len(HEARD)))
    assert whole == planned(turn(HEARD), Pick(0))
    assert planned(turn(HEARD), Pick(0, 2, 4), Pick(0, 3, 5)).turns[0].text.count(MARK) == 1
    apart = planned(turn(HEARD, each=600), Pick(0, 2, 3), Pick(0, 5, 6), heard=turn(HEARD, each=600))
    assert len(apart.spans) == 2


def test_spans_stay_inside_the_recording() -> None:
    assert padded([Span(100, 300), Span(9900, 9990)], duration_ms=10_000) == (Span(0, 550), Span(9650, 10_000))
    assert padded([Span(11_000, 12_000)], duration_ms=10_000) == ()
    assert padded([Span(500, 600), Span(1100, 1200)], duration_ms=10_000) == (Span(250, 1450),), "they touch"


def test_a_phrase_is_found_wherever_it_stands_whatever_spaces_are_in_it() -> None:
    turns = [turn("赵测试和赵 测试"), turn("测试"), turn("哈哈哈")]
    assert occurrences(turns, " 赵测试") == [Pick(0, 0, 3), Pick(0, 4, 8)]
    assert occurrences(turns, "哈哈") == [Pick(2, 0, 2), Pick(2, 1, 3)]
    assert occurrences(turns, "  ") == []


@given(text=st.text(max_size=60), pieces=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8))
def test_nothing_of_a_covered_piece_is_left(text: str, pieces: list[tuple[int, int]]) -> None:
    inside = [(min(start, len(text)), min(end, len(text))) for start, end in pieces]
    gone = {place for start, end in inside for place in range(start, end)}
    told = covered(text, inside)
    assert told.replace(MARK, "") == "".join(letter for place, letter in enumerate(text) if place not in gone).replace(
        MARK, ""
    )
    assert told.count(MARK) - text.count(MARK) <= len(joined(inside))


@given(
    rate=st.sampled_from([8000, 16000, 44100]),
    channels=st.integers(1, 2),
    frames=st.integers(1, 30_000),
    subtype=st.sampled_from(["PCM_16", "PCM_24"]),
    drawn=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 1500)), max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_the_copy_is_silent_in_its_spans_and_the_original_to_the_last_bit_elsewhere(
    rate: int, channels: int, frames: int, subtype: str, drawn: Sequence[tuple[int, int]]
) -> None:
    samples = _noise(frames, channels, subtype)
    duration = -(-frames * 1000 // rate)
    spans = padded([Span(start, start + length) for start, length in drawn], duration_ms=duration)
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory) / "source.flac", Path(directory) / "copy.flac"
        soundfile.write(source, samples, rate, subtype=subtype, format="FLAC")
        shares = list(silence(source, target, spans))
        copy = io.BytesIO(target.read_bytes())
    assert shares[-1] == 1.0
    with soundfile.SoundFile(copy) as file:
        assert (file.frames, file.samplerate, file.channels, file.subtype) == (frames, rate, channels, subtype)
        found = file.read(dtype="int32", always_2d=True)
    quiet = np.zeros(frames, dtype=bool)
    for span in spans:
        quiet[span.start_ms * rate // 1000 : -(-span.end_ms * rate // 1000)] = True
    assert not found[quiet].any()
    np.testing.assert_array_equal(found[~quiet], samples[~quiet])


def _noise(frames: int, channels: int, subtype: str) -> "np.ndarray[Any, np.dtype[np.int32]]":
    """Without a silent sample, so that silence is what was made silent."""
    bits = 16 if subtype == "PCM_16" else 24
    loud = np.random.default_rng(frames).integers(1, 2 ** (bits - 1), (frames, channels), dtype=np.int32)
    return loud << np.int32(32 - bits)
