"""A dialogue as clauses, and the citizen's replies to each of the agent's questions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from workorders.phrases import ANNOUNCEMENTS, ASKING, CHOICE, CONFIRMING, FILLERS, REPEATED, SOUNDALIKES, Asking

AGENT, CITIZEN, UNKNOWN = "agent", "citizen", "unknown"
_SENTENCE = re.compile(r"[^。？！?!；;\n]+[。？！?!；;]*")
_CLAUSE = re.compile(r"[^，,、：:。？！?!；;\s]+")
# The citizen repeats a word of the question in surprise (满意？), which answers nothing.
_ECHO = re.compile(r"[^，,、？?]{1,4}[？?]+")
# An agent introduces the team, a citizen does not: tells the voices of a mono recording apart.
_INTRODUCTION = re.compile(r"回访|话务员|感谢您的接听|这里是")


@dataclass(frozen=True)
class SpokenTurn:
    """One turn of a transcript; times are milliseconds from the recording's start."""

    ordinal: int
    party: str
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Clause:
    """Text between two punctuation marks, cleared of fillers.  ``sentence`` is the whole as it was spoken; ``place``
    counts the clauses of the sentence from 0; ``prompt`` tells that nothing but the question stands before its turn."""

    text: str
    sentence: str
    place: int
    turn: SpokenTurn
    prompt: bool = False


@dataclass(frozen=True)
class Reply:
    """What the citizen said after one question.  ``side`` as in `phrases.Asking`; ``choice``: the question named its
    answers, so a nod tells nothing; ``confirms``: the clauses of a statement that the agent wanted confirmed."""

    question: str
    side: bool
    choice: bool
    clauses: tuple[Clause, ...]
    confirms: tuple[Clause, ...] = ()


def clauses(turn: SpokenTurn, *, prompt: bool = False) -> Iterator[Clause]:
    """The clauses of a turn that hold more than fillers."""
    for sentence in _SENTENCE.findall(turn.text):
        if _ECHO.fullmatch(sentence):
            continue
        for place, part in enumerate(_parts(sentence)):
            text = FILLERS.sub("", REPEATED.sub("", part)) or ("嗯" if part.startswith("嗯") else "")
            if text:
                yield Clause(text, sentence.strip(), place, turn, prompt)


def _parts(text: str) -> list[str]:
    for heard, meant in SOUNDALIKES.items():
        text = text.replace(heard, meant)
    return _CLAUSE.findall(text)


def in_time(turns: Sequence[SpokenTurn]) -> list[SpokenTurn]:
    """Turns by their start, with the voices of a mono recording told apart as far as phrases can."""
    ordered = sorted((turn for turn in turns if turn.text.strip()), key=lambda turn: (turn.start_ms, turn.ordinal))
    return [turn if turn.party in (AGENT, CITIZEN) else _with_party(turn) for turn in ordered]


def _with_party(turn: SpokenTurn) -> SpokenTurn:
    is_agent = _INTRODUCTION.search(turn.text) or asked_in(turn)
    return SpokenTurn(turn.ordinal, AGENT if is_agent else CITIZEN, turn.start_ms, turn.end_ms, turn.text)


def is_announcement(turn: SpokenTurn) -> bool:
    """Whether the network or a telephone assistant speaks instead of the citizen."""
    return ANNOUNCEMENTS.search(turn.text) is not None


def asked_in(turn: SpokenTurn) -> list[tuple[str, bool]]:
    """The questions of a turn in the order of asking, each with whether it is asked on the side only."""
    found: dict[str, bool] = {}
    for part in _parts(turn.text):
        if asking := _asking(part):
            found[asking.question] = found.pop(asking.question, True) and asking.side
    return list(found.items())


def _asking(part: str) -> Asking | None:
    """Which question a clause asks: of several that fit, the one that begins last (联系您以后解决了吗)."""
    fitting = [(found.start(), each) for each in ASKING if (found := each.pattern.search(part))]
    side = {each.question for _, each in fitting if each.side}
    fitting = [(start, each) for start, each in fitting if each.side or each.question not in side]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def statement_to_confirm(turn: SpokenTurn) -> tuple[Clause, ...]:
    """The clauses before a closing 是吗 or 对吧; none when the turn does not end in one."""
    parts = _parts(turn.text)
    if not parts or not CONFIRMING.search(parts[-1]):
        return ()
    texts = [*parts[:-1], CONFIRMING.sub("", parts[-1])]
    return tuple(Clause(text, turn.text, place, turn) for place, text in enumerate(texts) if text)


def replies(turns: Sequence[SpokenTurn]) -> Iterator[Reply]:
    """For each question asked (turns in time): the citizen's turns up to the agent's next question."""
    questions = [place for place, turn in enumerate(turns) if turn.party == AGENT and _is_question(turn)]
    for place, following in pairwise([*questions, len(turns)]):
        turn = turns[place]
        spoken = tuple(_answering(turns[place + 1 : following]))
        asked = asked_in(turn)
        for index, (question, side) in enumerate(asked):
            # Of several questions in one breath a bare 有 or 没有 answers the last.
            heard = spoken if index == len(asked) - 1 else tuple(_unprompted(spoken))
            yield Reply(question, side, CHOICE.search(turn.text) is not None, heard)
        if confirms := statement_to_confirm(turn):
            yield Reply("", False, False, spoken, confirms)


def _is_question(turn: SpokenTurn) -> bool:
    return bool(asked_in(turn) or statement_to_confirm(turn))


def _answering(turns: Sequence[SpokenTurn]) -> Iterator[Clause]:
    interrupted = False
    for turn in turns:
        if turn.party == AGENT:
            interrupted = True
        elif not is_announcement(turn):
            yield from clauses(turn, prompt=not interrupted)


def _unprompted(spoken: Sequence[Clause]) -> Iterator[Clause]:
    for each in spoken:
        yield Clause(each.text, each.sentence, each.place, each.turn)
