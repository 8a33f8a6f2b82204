"""What decides the text: prompt, hot words, windows and threads, by model and settings."""

from pathlib import Path

import pytest

from core.errors import SettingsError, Unavailable
from core.settings import load
from transcription.guards import phantom
from transcription.model_files import SAMPLE_DIR, hash_model, local_directory
from transcription.options import (
    MOST_HOTWORD_CHARACTERS,
    PROMPT,
    choose_options,
    choose_threads,
    cores,
    join_hotwords,
    read_hotwords,
)

REAL, SMALL = 51_866, 1_900


def test_a_real_model_gets_prompt_hot_words_and_long_windows(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# 单位\n回龙观街道\n\n 城管委 \n", encoding="utf-8")
    options = choose_options(load({"HUIYIN_ASR_HOTWORDS": str(tmp_path / "words.txt"), "HUIYIN_ASR_BEAM": "3"}), REAL)
    assert (options.prompt, options.hotwords, options.beam) == (PROMPT, ("回龙观街道", "城管委"), 3)
    assert 20 < options.window_seconds < 30
    assert options.share_windows


def test_a_small_model_gets_neither_prompt_nor_hot_words(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("城管委", encoding="utf-8")
    options = choose_options(load({"HUIYIN_ASR_HOTWORDS": str(tmp_path / "words.txt")}), SMALL)
    assert (options.prompt, options.hotwords, options.takes_hotwords) == ("", (), False)
    assert options.window_seconds == 10
    assert not options.share_windows


@pytest.mark.parametrize(("setting", "language"), [("zh", "zh"), ("yue", "yue"), ("auto", "")])
def test_language_is_fixed_unless_detection_is_asked_for(setting: str, language: str) -> None:
    assert choose_options(load({"HUIYIN_ASR_LANGUAGE": setting}), REAL).language == language


def test_the_prompt_is_known_as_the_engines_own() -> None:
    assert phantom(PROMPT, PROMPT)
    assert PROMPT.endswith("。")
    assert "，" in PROMPT


def test_hot_words_of_the_call_come_first_and_once() -> None:
    assert join_hotwords(["城管委", "安贞街道"], ["住建委", "城管委"]) == "城管委、安贞街道、住建委"
    assert join_hotwords([], []) == ""


def test_hot_words_leave_room_for_the_text() -> None:
    joined = join_hotwords([], [f"第{index}街道办事处" for index in range(100)])
    assert 100 < len(joined) <= MOST_HOTWORD_CHARACTERS


def test_unreadable_hot_words_name_the_setting(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes("城管委".encode("gb18030"))
    with pytest.raises(SettingsError, match="HUIYIN_ASR_HOTWORDS"):
        read_hotwords(tmp_path / "words.txt")


def test_threads_times_workers_stay_within_the_cores() -> None:
    assert choose_threads(load({"HUIYIN_ASR_THREADS": "3"})) == 3
    assert choose_threads(load({"HUIYIN_WORKERS": "1"})) == cores()
    assert choose_threads(load({"HUIYIN_WORKERS": "64"})) == max(1, cores() // 64)


def test_models_by_name_directory_and_the_embedded_one(tmp_path: Path) -> None:
    assert local_directory("sample") == SAMPLE_DIR
    assert local_directory(str(tmp_path)) == tmp_path
    assert local_directory("large-v3-turbo") is None


def test_the_hash_is_of_what_the_engine_reads(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_text(name)
    first = hash_model(tmp_path)
    (tmp_path / "README.md").write_text("about")
    assert hash_model(tmp_path) == first
    (tmp_path / "vocabulary.json").write_text("other")
    assert hash_model(tmp_path) != first


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"holds no speech model.*model\.bin"):
        hash_model(tmp_path)
