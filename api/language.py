"""Pages are written in Chinese; ``en.json`` translates each phrase for the English switch."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("zh", "en")
COOKIE = "huiyin_language"
_CATALOGUE = Path(__file__).parent / "templates" / "en.json"


@cache
def english() -> Mapping[str, str]:
    """The catalogue: Chinese phrase → English phrase."""
    found: dict[str, str] = json.loads(_CATALOGUE.read_text(encoding="utf-8"))
    return found


def translator(language: str) -> Callable[..., str]:
    """``t("保存至 {day}", day=…)``: the phrase in the chosen language, with its places filled."""

    def translate(phrase: str, **places: object) -> str:
        text = english().get(phrase, phrase) if language == "en" else phrase
        return text.format(**places) if places else text

    return translate
