"""The sample model's sentences: what is held out stays held out."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from tools.sample_model.grammar import (
    DIALOGUE,
    PUNCTUATION,
    cardinal,
    characters,
    digit_string,
    expand,
    held_out_sentences,
    held_out_turn,
    is_held_out,
    spoken,
    training_sentences,
)
from tools.sample_model.tokens import TIMESTAMPS, Vocabulary


def test_training_and_held_out_texts_are_disjoint() -> None:
    training = {spoken(text) for text in islice(training_sentences(Random(1)), 4000)}
    held_out = {spoken(text) for text in islice(held_out_sentences(Random(2)), 1000)}
    assert not training & held_out


def test_the_split_does_not_depend_on_seed_or_run() -> None:
    assert is_held_out("解决了，供电公司已经处理的。") == is_held_out("解决了供电公司已经处理的")
    fixed = {"请问街道办事处有没有跟您联系？": True, "请问物业公司跟您联系了吗？": False}
    assert {text: is_held_out(text) for text in fixed} == fixed


def test_the_same_seed_gives_the_same_sentences() -> None:
    first = list(islice(training_sentences(Random(5)), 200))
    assert first == list(islice(training_sentences(Random(5)), 200))


def test_about_one_sentence_in_eight_is_held_out() -> None:
    rng = Random(3)
    texts = {expand(rule, rng) for rule in ("complaint", "suggestion", "registration") for _ in range(1000)}
    assert 0.08 < sum(map(is_held_out, texts)) / len(texts) < 0.17


def test_every_held_out_character_is_heard_in_training() -> None:
    trained = {char for text in islice(training_sentences(Random(1)), 20000) for char in spoken(text)}
    held_out = {char for text in islice(held_out_sentences(Random(2)), 3000) for char in spoken(text)}
    assert held_out <= trained


def test_the_vocabulary_holds_every_character_once() -> None:
    known = characters()
    assert len(known) == len(set(known))
    produced = {char for text in islice(training_sentences(Random(7)), 5000) for char in text}
    assert produced <= set(known)


@pytest.mark.parametrize("rule", sorted(set(DIALOGUE) - {"short"}))
def test_every_dialogue_rule_has_held_out_turns(rule: str) -> None:
    text = held_out_turn(rule, Random(11))
    assert is_held_out(text)
    assert text[-1] in PUNCTUATION
    assert "{" not in text


def test_a_rule_without_held_out_sentences_says_so() -> None:
    with pytest.raises(LookupError, match="short"):
        held_out_turn("short", Random(1), tries=50)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "零"), (7, "七"), (10, "十"), (12, "十二"), (20, "二十"), (99, "九十九")]
)
def test_cardinals(number: int, text: str) -> None:
    assert cardinal(number) == text


def test_digit_strings_have_their_length() -> None:
    assert len(digit_string(Random(1), 11)) == 11


def test_token_numbers_follow_whispers_order() -> None:
    vocabulary = Vocabulary.of_grammar()
    assert vocabulary.tokens[vocabulary.special("endoftext") - 1] == ""
    assert vocabulary.special("startoftranscript") == vocabulary.special("endoftext") + 1
    assert vocabulary.timestamp(0.0) == vocabulary.special("notimestamps") + 1
    assert len(vocabulary.tokens) == vocabulary.timestamp(0.0) + TIMESTAMPS
    assert vocabulary.timestamp(99.0) == len(vocabulary.tokens) - 1


def test_unknown_characters_become_the_unknown_token() -> None:
    vocabulary = Vocabulary.of_grammar()
    assert vocabulary.encode("鑫") == [1]
    assert len(vocabulary.number) == len(vocabulary.tokens)
