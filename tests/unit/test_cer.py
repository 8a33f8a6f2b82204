"""Character error rate: the distance, the normal form, and labelled sets."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import HuiyinError, NotFound
from transcription.engine import Transcript, Turn
from transcription.evaluate import (
    character_error_rate,
    distance,
    evaluate_set,
    normalise,
    read_labels,
    score_file,
)

TEXT = st.text(alphabet="一二三四满意不", max_size=40)


def by_the_book(first: str, second: str) -> int:
    """Wagner and Fischer's table, to compare with."""
    row = list(range(len(second) + 1))
    for index, char in enumerate(first, 1):
        before, row[0] = row[0], index
        for position, other in enumerate(second, 1):
            before, row[position] = (
                row[position],
                min(row[position] + 1, row[position - 1] + 1, before + (char != other)),
            )
    return row[-1]


@given(TEXT, TEXT)
def test_distance_equals_the_full_table(first: str, second: str) -> None:
    assert distance(first, second) == by_the_book(first, second)


@given(st.text(max_size=300), st.text(max_size=300))
def test_distance_is_symmetric_and_bounded(first: str, second: str) -> None:
    found = distance(first, second)
    assert found == distance(second, first)
    assert abs(len(first) - len(second)) <= found <= max(len(first), len(second))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("", "", 0),
        ("", "满意", 2),
        ("满意", "", 2),
        ("满意", "满意", 0),
        ("不满意", "满意", 1),
        ("满意吗", "满意呀吗", 1),
    ],
)
def test_distance_of_known_pairs(first: str, second: str, expected: int) -> None:
    assert distance(first, second) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("您好，请问 您满意吗？", "您好请问您满意吗"),
        ("１２３４５热线", "12345热线"),
        ("Ａbc", "abc"),
        ("「餅乾」……", "饼干"),
        ("頭髮、發展", "头发发展"),
        ("\t\n 。！", ""),
    ],
)
def test_only_what_is_heard_remains(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text(alphabet="满意，滿ＡbＣ１2。　 \t「」", max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_punctuation_and_script_are_no_errors() -> None:
    assert character_error_rate("您对处理结果满意吗？", "您對處理結果滿意嗎") == 0
    assert character_error_rate("满意。", "不满意。") == pytest.approx(0.5)


def test_no_true_text_has_no_rate() -> None:
    with pytest.raises(ValueError, match="no character"):
        character_error_rate("。", "满意")


def transcript(*texts: str) -> Transcript:
    turns = tuple(Turn("agent", float(i), i + 0.5, text, 0.9) for i, text in enumerate(texts))
    return Transcript(turns, (), 4.0, "zh", {}, {}, elapsed_seconds=1.0)


class Parrot:
    """A transcriber that knows what each file says."""

    def __init__(self, texts: dict[str, tuple[str, ...]]) -> None:
        self.texts = texts

    def transcribe(self, audio: Path, *, hotwords: object = ()) -> Transcript:
        return transcript(*self.texts[audio.name])


def test_total_weighs_by_characters(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps({"a.flac": "满意", "b.flac": "问题还没有解决", "c.flac": ""}))
    seen: list[str] = []
    engine = Parrot({"a.flac": ("不满意",), "b.flac": ("问题", "还没有解决"), "c.flac": ("嗯",)})
    found = evaluate_set(engine, tmp_path, on_file=lambda score: seen.append(score.file))
    assert seen == ["a.flac", "b.flac", "c.flac"]
    assert [score.cer for score in found.files] == [0.5, 0.0, None]
    assert (found.characters, found.errors) == (9, 2)
    assert found.cer == pytest.approx(2 / 9)
    assert found.real_time_factor == pytest.approx(3.0 / 12.0)


def test_a_limit_takes_the_first_files_by_name(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps({"b.flac": "二", "a.flac": "一"}))
    found = evaluate_set(Parrot({"a.flac": ("一",)}), tmp_path, limit=1)
    assert [score.file for score in found.files] == ["a.flac"]


def test_texts_beside_the_audio_are_labels(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    for name in ("calls/a.flac", "calls/unlabelled.wav"):
        (tmp_path / name).touch()
    (tmp_path / "calls/a.txt").write_text("\ufeff满意。", encoding="utf-8")
    assert read_labels(tmp_path) == {"calls/a.flac": "满意。"}


def test_no_labels_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no labelled audio"):
        read_labels(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", '{"a.flac": 3}'])
def test_broken_labels_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(HuiyinError, match="labels cannot be read"):
        read_labels(tmp_path)


def test_turns_count_in_the_order_of_time() -> None:
    score = score_file("a", "您好请问您满意吗满意", transcript("您好，请问您满意吗？", "满意。"))
    assert (score.errors, score.characters) == (0, 10)
