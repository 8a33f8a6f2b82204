"""Every phrase of the pages has its English, with the same places; and the readers of phrases miss none."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.language import half, translator, written
from tools import translations
from tools.phrases import ROOT, Found, everything, places, read_python, read_script, read_template


def test_every_phrase_has_its_english() -> None:
    catalogue = translations.read()
    assert translations.faults(everything(), catalogue) == []


def test_a_phrase_without_english_is_named() -> None:
    found = Found({"没有人说过": {"api/templates/x.html"}})
    (fault,) = translations.faults(found, translations.read())
    assert "api/templates/x.html" in fault
    assert "没有人说过" in fault


def test_other_places_are_named() -> None:
    catalogue = translations.read()
    translations.enter(catalogue, "共 {a} 件", "{b} in all")
    (fault,) = translations.faults(Found({"共 {a} 件": {"x"}}), catalogue)
    assert "places" in fault


def test_places_are_names_without_their_form() -> None:
    assert places("{count} {count:call|calls} of {day}") == {"count", "day"}


@pytest.mark.parametrize(
    ("source", "phrases"),
    [
        ('t("甲")', {"甲"}),
        ('WORDS = {"key": "乙"}', {"乙"}),
        ('"""文件说明"""\ndef f():\n    """说明"""\n', set()),
        ('raise Problem(422, "缺少 / missing")', set()),
        ('f"缺少 {x} / {x} is missing"', set()),
        ('NAME = "回音 Huiyin"', set()),
    ],
)
def test_phrases_of_python(source: str, phrases: set[str]) -> None:
    found = Found()
    read_python(source, "x.py", found)
    assert set(found.phrases) == phrases
    assert not found.faults


def test_an_f_string_cannot_be_translated() -> None:
    found = Found()
    read_python('f"共 {x} 件"', "x.py", found)
    assert found.faults


@pytest.mark.parametrize(
    ("source", "phrases"),
    [
        ('<p>{{ t("甲") }}</p>', {"甲"}),
        ('{% for path, name in (("/a", "乙"),) %}{{ t(name) }}{% endfor %}', {"乙"}),
        ('<a>{{ "English" if x else "中文" }}</a> 回音', set()),
        ("<code>huiyin call --to 127.0.0.1</code> DOCX", set()),
        ('{{ t("丙 {n}", n=rows | length) }}', {"丙 {n}"}),
    ],
)
def test_phrases_of_templates(source: str, phrases: set[str]) -> None:
    found = Found()
    read_template(source, "x.html", found)
    assert set(found.phrases) == phrases
    assert not found.faults


@pytest.mark.parametrize(
    "source",
    [
        "<p>录音</p>",
        '<input placeholder="录音">',
        '{{ "录音" }}',
        '{{ "录音" if x else t("甲") }}',
        "<p>Recordings</p>",
        '<input aria-label="Recordings">',
        "{% if x %}<p>\n录音</p>{% endif %}",
    ],
)
def test_words_outside_the_catalogue_are_faults(source: str) -> None:
    found = Found()
    read_template(source, "x.html", found)
    assert found.faults


def test_phrases_of_scripts() -> None:
    found = Found()
    read_script('// 注释\nsay(t("甲 {x}", {x: 1}));\n/* 说\n明 */ const url = "https://x";', "x.js", found)
    assert set(found.phrases) == {"甲 {x}"}
    assert not found.faults


@pytest.mark.parametrize("source", ['say("甲")', "t(`甲 ${x}`)", "const word = '甲';"])
def test_scripts_say_nothing_past_the_catalogue(source: str) -> None:
    found = Found()
    read_script(source, "x.js", found)
    assert found.faults


def test_a_number_chooses_its_word() -> None:
    t = translator("en")
    assert t("{count} {count:call|calls}", count=1) == "1 call"
    assert t("{count} {count:call|calls}", count=2) == "2 calls"


def test_each_language_writes_its_dates() -> None:
    moment = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
    assert written(moment, "minute", "zh") == "2026-11-02 09:05"
    assert written(moment, "minute", "en") == "2 Nov 2026, 09:05"
    assert written(moment, "%H:%M", "en") == "09:05"


def test_half_of_a_sentence_in_two_languages() -> None:
    assert half("请选择日期 / choose a day", "zh") == "请选择日期"
    assert half("请选择日期 / choose a day", "en") == "choose a day"
    assert half("recording=1", "zh") == "recording=1"


def test_those_who_add_at_once_all_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "en.po"
    entries = [("甲", "A"), ("乙 {x}", "B {x}"), ("丙", "C")]
    adding = [
        subprocess.Popen([sys.executable, "-m", "tools.translations", "--catalogue", path, "add", *entry], cwd=ROOT)
        for entry in entries
    ]
    assert [each.wait() for each in adding] == [0, 0, 0]
    assert translations.main(["--catalogue", str(path), "add", "甲", "Aa"]) == 0
    kept = {str(message.id): message.string for message in translations.read(path) if message.id}
    assert kept == {"甲": "Aa", "乙 {x}": "B {x}", "丙": "C"}
