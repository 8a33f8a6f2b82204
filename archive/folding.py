"""How spoken words are compared: folded one character at a time, so that a part of a text folds to a part of it.

Folding is NFKD and lower case, without marks, punctuation and spaces; no language needs to be known.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

# Of a longer query only the beginning is used: nobody remembers more of a sentence.
MAX_QUERY = 400
MAX_TERMS = 16


@dataclass(frozen=True)
class Folded:
    """Text as it is compared, and for each of its characters the place in the original that it came from."""

    text: str
    places: tuple[int, ...]


@lru_cache(maxsize=65536)
def _fold_character(character: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(part for part in plain if part.isalnum())


def fold(original: str) -> Folded:
    """The text as it is compared, with the way back."""
    parts = [(part, place) for place, character in enumerate(original) for part in _fold_character(character)]
    return Folded("".join(part for part, _ in parts), tuple(place for _, place in parts))


def folded_text(original: str) -> str:
    """``fold(original).text``, for whoever needs no way back."""
    return "".join(map(_fold_character, original))


def query_terms(query: str) -> list[str]:
    """The folded terms of a query, which spaces separate."""
    terms = (folded_text(part) for part in query[:MAX_QUERY].split())
    return list(dict.fromkeys(term for term in terms if term))[:MAX_TERMS]


def find_marks(original: str, terms: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Where the folded ``terms`` stand in ``original``: (start, end), in order, not overlapping."""
    folded = fold(original)
    found: list[tuple[int, int]] = []
    for term in terms:
        at = folded.text.find(term)
        while at >= 0:
            found.append((folded.places[at], folded.places[at + len(term) - 1] + 1))
            at = folded.text.find(term, at + 1)
    return _merged(found)


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
