"""What pages say, in Chinese and in English: ``t("保存至 {day}", day=…)`` in templates, Python and scripts.

The Chinese phrase is the key; its English stands in ``api/locale/en.po``.  Add one with
``python -m tools.translations add "短语" "phrase"`` (safe while others edit); without arguments the tool brings the
catalogue up to date and reports what lacks English.  ``{count} {count:call|calls}`` chooses by number.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LANGUAGES = ("zh", "en")
COOKIE = "huiyin_language"
# Characters and full-width punctuation: a colon of one language is not that of the other.
CHINESE = re.compile(r"[\u3001-\u303f\u3400-\u9fff\uff00-\uffef]")
CATALOGUE = Path(__file__).parent / "locale" / "en.po"
# How each language writes a moment.  The process keeps the C locale, so %b is English.
MOMENTS: Mapping[str, Mapping[str, str]] = {
    "zh": {"minute": "%Y-%m-%d %H:%M", "second": "%Y-%m-%d %H:%M:%S", "day": "%Y-%m-%d", "short": "%m-%d %H:%M"},
    "en": {"minute": "%-d %b %Y, %H:%M", "second": "%-d %b %Y, %H:%M:%S", "day": "%-d %b %Y", "short": "%-d %b, %H:%M"},
}


class _Count(int):
    """A number that chooses a word: ``{count:call|calls}``."""

    def __format__(self, spec: str) -> str:
        one, bar, many = spec.partition("|")
        if not bar:
            return super().__format__(spec)
        return one if self == 1 else many


@cache
def english() -> Mapping[str, str]:
    """The catalogue: Chinese phrase → English phrase; a phrase without English is left out."""
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file, locale="en")
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string}


def translator(language: str) -> Callable[..., str]:
    """``t("保存至 {day}", day=…)``: the phrase in the chosen language, with its places filled."""

    def translate(phrase: str, **places: object) -> str:
        text = english().get(phrase, phrase) if language == "en" else phrase
        return text.format(**{name: _counted(value) for name, value in places.items()}) if places else text

    return translate


def written(moment: date, form: str, language: str) -> str:
    """A moment (or a day) as the language writes it: ``minute``, ``second``, ``day``, ``short``, or ``strftime``'s."""
    return moment.strftime(MOMENTS[language].get(form, form))


def half(text: str, language: str) -> str:
    """The half of ``中文 / English`` that the language wants; any other text as it is."""
    chinese, slash, translated = text.partition(" / ")
    if not slash:
        return text
    return translated if language == "en" else chinese


def _counted(value: object) -> object:
    return _Count(value) if type(value) is int else value
