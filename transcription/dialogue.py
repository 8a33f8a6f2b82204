"""Two parties' words become one dialogue in time.  Pure.

Each party's words are cut into phrases at pauses and sentence ends; phrases grow together into turns until the other
party takes over.  A short word of the other in the middle of a sentence (「嗯」) does not cut it: both overlap.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from transcription.engine import Turn, Word
from transcription.guards import SENTENCE_ENDS, Heard, bare
from transcription.simplify import simplify_words

PAUSE = 0.8
"""Seconds of silence that end a turn."""
OVERLAP = 0.2
"""Seconds that two turns must share to count as spoken at the same time; less is the width of a word's edge."""
ECHO_QUIETER_DB = 6.0
ECHO_ALIKE = 0.75
ECHO_FEWEST_CHARACTERS = 3
ECHO_SHARE = 0.5

Loudness = Callable[[str, float, float], float]
"""Mean power in dBFS of a party's channel between two seconds."""


@dataclass(frozen=True)
class Phrase:
    """Words of one party without a pause or sentence end inside, with the windows' scores behind them."""

    party: str
    words: tuple[Word, ...]
    heard: tuple[Heard, ...]

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return max(word.end for word in self.words)

    def joined(self, other: "Phrase") -> "Phrase":
        seen = self.heard if other.heard[0] in self.heard else self.heard + other.heard
        return Phrase(self.party, self.words + other.words, seen)


def dialogue(heard: Iterable[Heard], loudness: Loudness | None = None) -> tuple[Turn, ...]:
    """The turns of all parties in the order of their beginnings."""
    turns = [turn_of(phrase) for phrase in take_turns(phrases(heard))]
    turns.sort(key=lambda turn: (turn.start, turn.end, turn.party))
    return mark_echo(mark_overlaps(turns), loudness)


def phrases(heard: Iterable[Heard]) -> list[Phrase]:
    """Cut at pauses and after sentence ends; in the order of time."""
    found: list[Phrase] = []
    for piece in heard:
        words: list[Word] = []
        for word in piece.words:
            if words and (word.start - words[-1].end >= PAUSE or _ends_sentence(words[-1])):
                found.append(Phrase(piece.party, tuple(words), (piece,)))
                words = []
            words.append(word)
        if words:
            found.append(Phrase(piece.party, tuple(words), (piece,)))
    # Overlapping windows may hear a word at the very same time: then the earlier window comes first.
    return sorted(found, key=lambda phrase: (phrase.start, phrase.end, phrase.party, phrase.heard[0].start))


def take_turns(ordered: Sequence[Phrase]) -> list[Phrase]:
    """Join each phrase to its party's last one, unless there was a pause or the other party took over meanwhile."""
    turns: list[Phrase] = []
    last: dict[str, int] = {}
    for phrase in ordered:
        mine = last.get(phrase.party)
        if mine is not None and not _handed_over(turns, mine, phrase):
            turns[mine] = turns[mine].joined(phrase)
            continue
        last[phrase.party] = len(turns)
        turns.append(phrase)
    return turns


def _handed_over(turns: Sequence[Phrase], mine: int, phrase: Phrase) -> bool:
    if phrase.start - turns[mine].end >= PAUSE:
        return True
    # Whoever is still speaking when my sentence is over has the turn.
    return any(other.party != phrase.party and other.end > turns[mine].end for other in turns[mine + 1 :])


def _ends_sentence(word: Word) -> bool:
    return word.text.strip().endswith(tuple(SENTENCE_ENDS))


def turn_of(phrase: Phrase) -> Turn:
    """Text in simplified characters beside what the engine wrote, with its confidence."""
    texts = [word.text for word in phrase.words]
    simplified = simplify_words(texts)
    words = tuple(replace(word, text=text) for word, text in zip(phrase.words, simplified, strict=True))
    return Turn(
        party=phrase.party,
        start=round(phrase.start, 3),
        end=round(phrase.end, 3),
        text="".join(simplified).strip(),
        confidence=round(confidence(words), 4),
        words=words,
        raw_text="".join(texts).strip(),
        scores=worst_scores(phrase.heard),
    )


def confidence(words: Sequence[Word]) -> float:
    """The mean probability of the characters."""
    weights = [max(1, len(bare(word.text))) for word in words]
    return sum(word.probability * weight for word, weight in zip(words, weights, strict=True)) / sum(weights)


def worst_scores(heard: Sequence[Heard]) -> dict[str, float]:
    """Of all windows behind a turn the most doubtful value of each score."""
    names = {name for piece in heard for name in piece.scores}
    choose = {name: min if name == "avg_logprob" else max for name in names}
    return {
        name: round(choose[name](piece.scores[name] for piece in heard if name in piece.scores), 4)
        for name in sorted(names)
    }


def mark_overlaps(turns: Sequence[Turn]) -> list[Turn]:
    """Mark turns during which another party speaks."""
    marked = {index for pair in _together(turns) for index in pair}
    return [replace(turn, overlaps=index in marked) for index, turn in enumerate(turns)]


def mark_echo(turns: Sequence[Turn], loudness: Loudness | None) -> tuple[Turn, ...]:
    """Mark a turn that repeats what a louder turn on the other channel says at the same time.  Nothing is deleted."""
    marked: set[int] = set()
    for first, second in _together(turns) if loudness else ():
        assert loudness is not None
        marked |= {first} if _echoes(turns[first], turns[second], loudness) else set()
        marked |= {second} if _echoes(turns[second], turns[first], loudness) else set()
    return tuple(replace(turn, echo=index in marked) for index, turn in enumerate(turns))


def _together(turns: Sequence[Turn]) -> list[tuple[int, int]]:
    """Pairs of turns, ordered by their beginnings, in which two parties speak at the same time."""
    pairs = []
    for index, turn in enumerate(turns):
        for later in range(index + 1, len(turns)):
            other = turns[later]
            if other.start >= turn.end:
                break
            shared = min(turn.end, other.end) - other.start
            # A whole 「嗯」 inside the other's sentence is shorter than that.
            least = min(OVERLAP, (other.end - other.start) / 2)
            if other.party != turn.party and shared > 0 and shared >= least:
                pairs.append((index, later))
    return pairs


def _echoes(turn: Turn, source: Turn, loudness: Loudness) -> bool:
    # Who repeats an answer speaks after it; an echo comes within the delay of the line, while its source still speaks.
    shared = min(turn.end, source.end) - max(turn.start, source.start)
    if shared < ECHO_SHARE * (turn.end - turn.start) or len(bare(turn.text)) < ECHO_FEWEST_CHARACTERS:
        return False
    if not alike(turn.text, source.text):
        return False
    own = loudness(turn.party, turn.start, turn.end)
    return loudness(source.party, turn.start, turn.end) - own >= ECHO_QUIETER_DB


def alike(echo: str, source: str) -> bool:
    """Whether most characters of ``echo`` stand, in order, in ``source``."""
    small, large = bare(echo), bare(source)
    blocks = SequenceMatcher(None, small, large, autojunk=False).get_matching_blocks()
    return bool(small) and sum(block.size for block in blocks) / len(small) >= ECHO_ALIKE
