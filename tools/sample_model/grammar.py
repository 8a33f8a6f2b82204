"""Callback vocabulary and sentence generator of the sample model.

Sentences come from a small context-free grammar: a rule is a list of alternatives, ``{name}`` inside one is replaced by an
expansion of the rule ``name``.  Besides dialogue sentences there are *free* ones (words, digits, dates and names in random
order), because a decoder that can guess the sentence never learns to listen.

Every text is one sentence.  Whether it may be trained on is decided by a hash of its characters, so the training and the
held-out texts are disjoint whatever the seed and whoever generates them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from random import Random

from tools.sample_model.phrases import RULES

DIGITS = "零一二三四五六七八九"
PUNCTUATION = "，。？"
HELD_OUT_SHARE = 8
"""One sentence in this many is held out of training."""
SHORTEST_HELD_OUT = 7
"""Shorter sentences are fixed phrases (是的, 非常满意): there are too few of them to hold any out."""

_SLOT = re.compile(r"\{(\w+)\}")
_HANZI = re.compile(r"[\u4e00-\u9fff]")

FREE_WORDS = (
    "issue",
    "issue",
    "unit",
    "place",
    "person",
    "date",
    "clock",
    "digits",
    "number",
    "service",
    "word",
    "word",
    "feeling",
)
DIALOGUE: dict[str, float] = {
    "greeting": 1.0,
    "identity": 1.0,
    "purpose": 1.5,
    "ask_contacted": 1.5,
    "contacted": 1.5,
    "not_contacted": 1.0,
    "ask_solved": 1.5,
    "solved": 1.5,
    "not_solved": 1.5,
    "ask_satisfied": 1.0,
    "satisfied": 1.0,
    "mostly_satisfied": 0.8,
    "dissatisfied": 1.0,
    "ask_suggestion": 1.0,
    "no_suggestion": 0.8,
    "suggestion": 2.0,
    "complaint": 2.0,
    "registration": 2.0,
    "later": 1.0,
    "closing": 1.0,
    "short": 0.8,
}
"""Dialogue rules with their shares in training."""
FREE_SHARE = 0.4


def spoken(text: str) -> str:
    """Characters that are heard: the text without punctuation and spaces."""
    return "".join(_HANZI.findall(text))


def is_held_out(text: str) -> bool:
    """True for a sentence that must never be trained on (stable over runs, machines and Python versions)."""
    heard = spoken(text)
    if len(heard) < SHORTEST_HELD_OUT:
        return False
    return hashlib.sha256(heard.encode()).digest()[0] % HELD_OUT_SHARE == 0


def cardinal(n: int) -> str:
    """0…99 as spoken: 十, 十二, 二十, 三十五."""
    tens, ones = divmod(n, 10)
    if tens == 0:
        return DIGITS[ones]
    return ("" if tens == 1 else DIGITS[tens]) + "十" + (DIGITS[ones] if ones else "")


def digit_string(rng: Random, length: int) -> str:
    """Digits read out one by one, as in order and telephone numbers."""
    return "".join(rng.choice(DIGITS) for _ in range(length))


def _date(rng: Random) -> str:
    year = rng.choice(["", "", "", "二零二五年", "二零二六年", "今年", "去年"])
    return f"{year}{cardinal(rng.randint(1, 12))}月{cardinal(rng.randint(1, 31))}日"


def _clock(rng: Random) -> str:
    day = rng.choice(
        ["", "今天", "明天", "昨天", "后天", "星期" + rng.choice("一二三四五六"), "周" + rng.choice("一二三四五六")]
    )
    half = rng.choice(["", "半", "", cardinal(rng.randint(11, 59)) + "分"])
    return f"{day}{rng.choice(['上午', '下午', '晚上', '中午'])}{cardinal(rng.randint(1, 12))}点{half}"


def _computed(name: str, rng: Random) -> str | None:
    """Slots that are calculated instead of listed."""
    if name == "digits":
        return digit_string(rng, rng.choice([3, 4, 4, 5, 6, 7, 8, 11]))
    if name == "phone":
        return "一" + digit_string(rng, 10)
    if name == "tail":
        return digit_string(rng, 4)
    if name == "count":
        return cardinal(rng.randint(3, 60))
    if name == "date":
        return _date(rng)
    if name == "clock":
        return _clock(rng)
    return None


def expand(rule: str, rng: Random, facts: Mapping[str, str] | None = None) -> str:
    """A random expansion of a rule or computed slot; ``facts`` fixes what some slots say throughout a call."""
    if facts and rule in facts:
        return facts[rule]
    value = _computed(rule, rng)
    if value is not None:
        return value
    return _SLOT.sub(lambda match: expand(match.group(1), rng, facts), rng.choice(RULES[rule]))


def free_sentence(rng: Random) -> str:
    """Words that have nothing to do with each other; commas only where a pause will be heard."""
    words = [expand(rng.choice(FREE_WORDS), rng) for _ in range(rng.randint(2, 6))]
    text = words[0]
    for word in words[1:]:
        text += rng.choice(["", "", "，"]) + word
    return text + "。"


def sentence(rng: Random) -> str:
    """Any sentence of the grammar, held out or not."""
    if rng.random() < FREE_SHARE:
        return free_sentence(rng)
    return expand(rng.choices(list(DIALOGUE), list(DIALOGUE.values()))[0], rng)


def training_sentences(rng: Random) -> Iterator[str]:
    """Endless sentences that may be trained on."""
    while True:
        text = sentence(rng)
        if not is_held_out(text):
            yield text


def held_out_sentences(rng: Random) -> Iterator[str]:
    """Endless sentences that are never trained on."""
    while True:
        text = sentence(rng)
        if is_held_out(text):
            yield text


def held_out_turn(rule: str, rng: Random, facts: Mapping[str, str] | None = None, tries: int = 2000) -> str:
    """A held-out expansion of one dialogue rule; raises LookupError when the rule has too few."""
    for _ in range(tries):
        text = expand(rule, rng, facts)
        if is_held_out(text):
            return text
    raise LookupError(f"rule {rule!r} gave no held-out sentence in {tries} tries")


def characters() -> list[str]:
    """All characters that the grammar can produce, sorted, punctuation first."""
    listed = {char for options in RULES.values() for option in options for char in _HANZI.findall(option)}
    computed = set(DIGITS + "十年月日今去明昨后天星期周上下午中晚点半分")
    return list(PUNCTUATION) + sorted(listed | computed)
