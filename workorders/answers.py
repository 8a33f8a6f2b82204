"""One reply, read clause by clause: which answer it gives to one question."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workorders.dialogue import Clause
from workorders.orders import CONTACTED, SATISFIED, SOLVED
from workorders.phrases import CONDITION, MATTER, NOD, READINGS, SELF, TOPIC, TURNING, UNCLEAR, UNREAL, Reading

_NEVER = re.compile(r"(?!)")
_HALF_DONE = Reading("partly", "one thing done and another not", _NEVER)
_SAYS_BOTH = Reading(UNCLEAR, "says both", _NEVER)


@dataclass(frozen=True)
class Heard:
    """A reading and the clause in which it was found."""

    reading: Reading
    clause: Clause

    @property
    def answer(self) -> str:
        return self.reading.answer


def read_clause(question: str, clause: Clause, *, asked: bool, conditional: bool = False) -> Reading | None:
    """The first reading that is found in the clause and may count there."""
    for reading in READINGS[question]:
        if reading.asked and not (asked and clause.prompt):
            continue
        found = reading.pattern.search(clause.text)
        if not found or (not asked and not TOPIC[question].search(clause.text)):
            continue
        before, until = clause.text[: found.start()], clause.text[: found.end()]
        if reading.real and (conditional or UNREAL.search(before)):
            continue
        if reading.real and question == CONTACTED and SELF.search(until):
            continue
        return reading
    return None


def heard(question: str, clauses: Sequence[Clause], *, asked: bool) -> Iterator[Heard]:
    """Every reading of a reply, in the order of speaking."""
    sentence, conditional = "", False
    for clause in clauses:
        if clause.sentence != sentence:
            sentence, conditional = clause.sentence, False
        if reading := read_clause(question, clause, asked=asked, conditional=conditional):
            yield Heard(reading, clause)
        conditional = conditional or CONDITION.search(clause.text) is not None


def decide(question: str, clauses: Sequence[Clause], *, choice: bool = False) -> Heard | None:
    """What a reply to the question comes to; a reading of ``unclear`` only where there is no other."""
    found = [each for each in heard(question, clauses, asked=True) if not (choice and _is_nod(each))]
    told = [each for each in found if not each.reading.weak and each.answer != UNCLEAR]
    if told:
        return _after_turns(question, told)
    weak = [each for each in found if each.reading.weak]
    unclear = [each for each in found if each.answer == UNCLEAR]
    return next(iter([*unclear, *weak]), None)


def _is_nod(each: Heard) -> bool:
    return NOD.search(each.clause.text) is not None


def _after_turns(question: str, told: Sequence[Heard]) -> Heard:
    """The first answer stands until a later clause takes it back (解决是解决了，但是又坏了) or halves it."""
    standing = told[0]
    for later in told[1:]:
        if later.answer == standing.answer:
            continue
        if _takes_back(question, standing, later):
            standing = later
        elif question == SOLVED and standing.answer == "yes" and "还" in later.clause.text:
            standing = Heard(_HALF_DONE, later.clause)
        elif question == SATISFIED and "满意" in later.clause.text:
            standing = _of_the_matter(standing, later)
        elif question == SATISFIED and (standing.answer, later.answer) == ("satisfied", "dissatisfied"):
            # Praise and complaint in one breath: a 不 may have gone unheard.
            standing = Heard(_SAYS_BOTH, standing.clause)
    return standing


def _of_the_matter(standing: Heard, later: Heard) -> Heard:
    """Satisfied with one thing and not with another: what names the result counts, else a person has to decide."""
    named = [each for each in (standing, later) if MATTER.search(each.clause.text)]
    return named[0] if len(named) == 1 else Heard(_SAYS_BOTH, later.clause)


def _takes_back(question: str, standing: Heard, later: Heard) -> bool:
    text = later.clause.text
    turns = TURNING.search(text) is not None
    if question == CONTACTED:
        # Contact that came late is contact; one that led to nothing is contact too.
        return turns and standing.answer == "no"
    if question == SATISFIED:
        return turns and "满意" in text
    if question == SOLVED:
        return turns or "又" in text or (standing.answer == "yes" and later.answer == "partly")
    return False


def unprompted(question: str, clauses: Sequence[Clause]) -> Heard | None:
    """The last clear statement about the question's matter anywhere in what the citizen said; of contact the first
    that tells of any."""
    told = [each for each in heard(question, clauses, asked=False) if not each.reading.weak and each.answer != UNCLEAR]
    came = [each for each in told if question == CONTACTED and each.answer == "yes"]
    return came[0] if came else told[-1] if told else None
