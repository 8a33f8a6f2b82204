"""From the text as it is shown, with its numbers masked, to the text as it is, and back (pure)."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from api.masking import mask_text
from api.models_redaction import PickBody, SuggestionView
from archive.redaction import Pick, Said, joined, occurrences
from archive.redaction_hints import Hint
from core.errors import Refused
from core.logging import numbers_in


def picks_of(turns: Sequence[Said], picked: Sequence[PickBody], phrases: Sequence[str]) -> list[Pick]:
    """What is to be covered.  A number is covered as a whole.  ``Refused`` for a sentence that is not there and for a
    phrase that nowhere stands, told by its place in the list: it may be somebody's name."""
    found = [_pick(turns, each) for each in picked]
    for place, phrase in enumerate(phrases, start=1):
        stands = occurrences(turns, phrase)
        if not stands:
            raise Refused(
                f"文字里没有第 {place} 个词，没有制作副本 / the text has no words as in line {place}: no copy was made",
                phrase=place,
            )
        found += stands
    return [_whole_numbers(turns, each) for each in found]


def suggestion(turns: Sequence[Said], hint: Hint) -> SuggestionView:
    """A hint by the characters that are shown."""
    text, pick = turns[hint.pick.turn].text, hint.pick
    shown = mask_text(text)
    start, end = carried(text, shown, pick.start, len(text) if pick.end is None else pick.end)
    return SuggestionView(kind=hint.kind, turn=pick.turn, start=start, end=end, words=shown[start:end])


def carried(old: str, new: str, start: int, end: int) -> tuple[int, int]:
    """The characters of ``new`` that stand for ``start`` to ``end`` of ``old``; what differs is taken as a whole."""
    if old == new:
        return start, end
    found: list[tuple[int, int]] = []
    for operation, first, last, at, until in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        low, high = max(first, start), min(last, end)
        if low < high:
            exact = operation == "equal"
            found.append((at + low - first, at + high - first) if exact else (at, until))
    return (min(each[0] for each in found), max(each[1] for each in found)) if found else (0, 0)


def _pick(turns: Sequence[Said], asked: PickBody) -> Pick:
    if asked.start is None or asked.end is None:
        return Pick(asked.turn)
    if asked.turn >= len(turns):
        return Pick(asked.turn, asked.start, asked.end)  # refused where it is located, by its number
    text = turns[asked.turn].text
    shown = mask_text(text)
    if not asked.start < asked.end <= len(shown):
        raise Refused(f"第 {asked.turn + 1} 句没有这一段 / sentence {asked.turn + 1} has no such characters")
    return Pick(asked.turn, *carried(shown, text, asked.start, asked.end))


def _whole_numbers(turns: Sequence[Said], pick: Pick) -> Pick:
    if pick.end is None or pick.turn >= len(turns):
        return pick
    text, pieces = turns[pick.turn].text, [(pick.start, pick.end)]
    for number in numbers_in(text):
        at = text.find(number)
        while at >= 0:
            if at < pick.end and pick.start < at + len(number):
                pieces.append((at, at + len(number)))
            at = text.find(number, at + 1)
    [(start, end), *_] = joined(pieces)
    return Pick(pick.turn, start, end)
