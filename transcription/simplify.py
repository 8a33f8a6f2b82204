"""Simplified characters, whatever the engine wrote.  The only importer of opencc."""

from functools import lru_cache

import opencc


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def simplify(text: str) -> str:
    """``text`` with traditional characters replaced by simplified ones; everything else stays as it is."""
    return str(_converter().convert(text))


def simplify_words(words: list[str]) -> list[str]:
    """Words of one text, converted in their context, so that together they read as ``simplify`` of the whole."""
    whole = simplify("".join(words))
    if len(whole) != sum(map(len, words)):  # no conversion known to do this; then context is given up, not alignment
        return [simplify(word) for word in words]
    pieces, position = [], 0
    for word in words:
        pieces.append(whole[position : position + len(word)])
        position += len(word)
    return pieces
