"""Which milliseconds a derived copy is silent in, and what its text says there instead (pure).

A person picks characters of the newest text.  Their time is that of the words that the engine heard: only these were
placed by listening.  A character that a person changed lies somewhere in the time of what it replaced, so all of that
is taken; one that a person added, where the engine heard nothing, has no sure time, and the pick is refused: whoever
picks the whole sentence gets it all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from math import ceil
from typing import Any, Protocol

from archive.corrections import realign
from archive.seal import NewTurn
from core.errors import Refused
from core.logging import mask_numbers

PAD_MS = 250
# Hurried Mandarin has about ten syllables a second.
FASTEST_MS = 50
MARK = "〔已遮盖〕"
NOT_HEARD = "人工补写的文字没有可靠的时间 / a person added it, so it has no sure time"
NO_TIMES = "没有时间 / it has no times"
TOO_SHORT = "时间短得不可能 / nobody speaks that fast"
NOT_THERE = "文字里没有这一段 / the text has no such characters"


@dataclass(frozen=True)
class Pick:
    """Characters ``start`` to ``end`` (not included) of a turn's text; ``end`` ``None``: the whole sentence, from its
    first millisecond to its last."""

    turn: int
    start: int = 0
    end: int | None = None


class Said(Protocol):
    """Whatever has words."""

    @property
    def text(self) -> str: ...


@dataclass(frozen=True, order=True)
class Span:
    """Milliseconds from the recording's start, ``end_ms`` not included."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Plan:
    """What becomes of a recording: where it is silent, and its turns with what they say then."""

    spans: tuple[Span, ...]
    turns: tuple[NewTurn, ...]


def plan(
    heard: Sequence[NewTurn],
    newest: Sequence[NewTurn],
    picks: Iterable[Pick],
    *,
    duration_ms: int,
    pad_ms: int = PAD_MS,
) -> Plan:
    """``heard`` is the engine's text with its word times, ``newest`` the present one, turn for turn.  ``Refused``
    names the first pick (turn, characters) that is not there or cannot be located, and why."""
    wanted = _by_turn(picks, newest)
    if not wanted:
        raise Refused("没有选择要遮盖的内容 / nothing was picked")
    located = [
        _locate(heard[turn] if turn < len(heard) else None, newest[turn], pick)
        for turn, of_turn in wanted.items()
        for pick in of_turn
    ]
    turns = [_redacted(turn, wanted.get(place, ())) for place, turn in enumerate(newest)]
    return Plan(padded(located, duration_ms=duration_ms, pad_ms=pad_ms), tuple(turns))


def padded(spans: Iterable[Span], *, duration_ms: int, pad_ms: int = PAD_MS) -> tuple[Span, ...]:
    """Each span with ``pad_ms`` before and after it, inside the recording; what overlaps or touches is one."""
    found: list[Span] = []
    for span in sorted(spans):
        start, end = max(span.start_ms - pad_ms, 0), min(span.end_ms + pad_ms, duration_ms)
        if found and start <= found[-1].end_ms:
            found[-1] = Span(found[-1].start_ms, max(found[-1].end_ms, end))
        elif start < end:
            found.append(Span(start, end))
    return tuple(found)


def covered(text: str, pieces: Iterable[tuple[int, int]]) -> str:
    """The text with one mark in place of each piece (characters from, to); neighbours share a mark."""
    told, at = "", 0
    for start, end in joined(pieces):
        told, at = told + text[at:start] + MARK, end
    return told + text[at:]


def joined(pieces: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pieces in order; those that overlap or touch are one, empty ones are none."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return found


def occurrences(turns: Sequence[Said], phrase: str) -> list[Pick]:
    """Every place where the words of ``phrase`` stand, whatever spaces are between its characters."""
    letters = "".join(phrase.split())
    found: list[Pick] = []
    for turn, said in enumerate(turns):
        places = [place for place, letter in enumerate(said.text) if not letter.isspace()]
        plain = "".join(said.text[place] for place in places)
        at = plain.find(letters) if letters else -1
        while at >= 0:
            found.append(Pick(turn, places[at], places[at + len(letters) - 1] + 1))
            at = plain.find(letters, at + 1)
    return found


def _by_turn(picks: Iterable[Pick], newest: Sequence[NewTurn]) -> Mapping[int, list[Pick]]:
    """The picks of each turn; whoever picks all of its characters has picked the sentence."""
    found: dict[int, list[Pick]] = {}
    for pick in picks:
        length = len(newest[pick.turn].text) if 0 <= pick.turn < len(newest) else -1
        end = length if pick.end is None else pick.end
        if not 0 <= pick.start < end <= length and not (pick.end is None and length == 0):
            raise _refused(pick, NOT_THERE)
        found.setdefault(pick.turn, []).append(pick)
    return {
        turn: [Pick(turn)] if any(each.end is None for each in of_turn) else _joined_picks(turn, of_turn, newest)
        for turn, of_turn in sorted(found.items())
    }


def _joined_picks(turn: int, picks: Iterable[Pick], newest: Sequence[NewTurn]) -> list[Pick]:
    pieces = joined((pick.start, pick.end or 0) for pick in picks)
    whole = pieces == [(0, len(newest[turn].text))]
    return [Pick(turn)] if whole else [Pick(turn, start, end) for start, end in pieces]


def _locate(heard: NewTurn | None, said: NewTurn, pick: Pick) -> Span:
    """Where the picked characters were spoken; no padding yet."""
    if pick.end is None:
        return _sentence(heard, said, pick)
    if heard is None or (heard.party, heard.start_ms, heard.end_ms) != (said.party, said.start_ms, said.end_ms):
        raise _refused(pick, NOT_HEARD)
    times = [_time(word, pick) for word in heard.words for _ in str(word[2])]
    if not times:
        raise _refused(pick, NO_TIMES)
    found = list(_stretches(heard, times, said.text, pick))
    if not found:
        raise _refused(pick, NO_TIMES)
    span = Span(min(each.start_ms for each in found), max(each.end_ms for each in found))
    if span.end_ms - span.start_ms < max(FASTEST_MS * _letters(said.text[pick.start : pick.end]), 1):
        raise _refused(pick, TOO_SHORT)
    return span


def _sentence(heard: NewTurn | None, said: NewTurn, pick: Pick) -> Span:
    words = (*said.words, *(heard.words if heard else ()))
    timed = [Span(int(word[0]), ceil(word[1])) for word in words if _has_time(word)]
    whole = [Span(said.start_ms, said.end_ms), *timed]
    span = Span(min(each.start_ms for each in whole), max(each.end_ms for each in whole))
    if span.start_ms >= span.end_ms:
        raise _refused(pick, NO_TIMES)
    return span


def _has_time(word: Sequence[Any]) -> bool:
    start, end = word[0], word[1]
    return isinstance(start, int | float) and isinstance(end, int | float) and 0 <= start <= end


def _time(word: Sequence[Any], pick: Pick) -> Span:
    if not _has_time(word):
        raise _refused(pick, NO_TIMES)
    return Span(int(word[0]), ceil(word[1]))


def _stretches(heard: NewTurn, times: Sequence[Span], text: str, pick: Pick) -> Iterator[Span]:
    """The times of what was heard for the picked characters, and of what a person took out right beside them."""
    assert pick.end is not None
    old = "".join(str(word[2]) for word in heard.words)
    for operation, first, last, start, end in SequenceMatcher(None, old, text, autojunk=False).get_opcodes():
        if operation == "delete" and pick.start <= start <= pick.end:
            yield from times[first:last]
        picked = text[max(start, pick.start) : min(end, pick.end)]
        if not picked:
            continue
        if operation == "equal":
            offset = first - start
            yield from times[offset + max(start, pick.start) : offset + min(end, pick.end)]
        elif operation == "replace" and _letters(old[first:last]):
            # It lies between what is sure before it and behind it.
            before = times[first - 1].end_ms if first else heard.start_ms
            behind = times[last].start_ms if last < len(times) else heard.end_ms
            yield from (*times[first:last], Span(*sorted((before, behind))))
        elif _letters(picked):
            raise _refused(pick, NOT_HEARD)


def _letters(text: str) -> int:
    return sum(letter.isalnum() for letter in text)


def _redacted(turn: NewTurn, picks: Sequence[Pick]) -> NewTurn:
    """The turn with its picks covered, and the numbers that nobody picked masked as they are everywhere."""
    length = len(turn.text)
    pieces = [(pick.start, length if pick.end is None else pick.end) for pick in picks]
    text = mask_numbers(covered(turn.text, pieces)) or (MARK if picks else "")
    return turn if text == turn.text else replace(turn, text=text, words=realign(turn.words, text))


def _refused(pick: Pick, why: str) -> Refused:
    """Tells which characters, by their numbers: what they say is what somebody wants to hide."""
    number, chinese, _, english = pick.turn + 1, *why.partition(" / ")
    part, of_part = f"第 {number} 句", f"sentence {number}"
    if pick.end is not None:
        part, of_part = (
            f"{part}第 {pick.start + 1}–{pick.end} 个字",
            f"{of_part}, characters {pick.start + 1}–{pick.end}",
        )
    return Refused(
        f"{part}不能可靠地定位（{chinese}），没有制作副本；可改为遮盖整句 / "
        f"{of_part} cannot be located ({english}): no copy was made; cover the whole sentence instead",
        turn=pick.turn,
        start=pick.start,
        end=pick.end,
    )
