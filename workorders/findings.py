"""Outcomes of a callback, read from its dialogue by rules, and what people decide about them.

For each question the agent's turn that asks it is found, then the citizen's turns up to the agent's next question are
read clause by clause.  Every answer points at the turn and sentence that support it, and is only *suggested* until a
person accepts or changes it.  The phrases themselves are in `workorders.phrases`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.events import Event
from archive.seal import SYSTEM
from core.errors import NotFound, Refused
from core.ids import new_id
from core.ledger import Entry, append
from workorders.answers import Heard, decide, read_clause, unprompted
from workorders.dialogue import (
    CITIZEN,
    Clause,
    Reply,
    SpokenTurn,
    clauses,
    in_time,
    is_announcement,
    replies,
)
from workorders.judging import about, judge_orders
from workorders.orders import (
    ACCEPTED,
    ANSWERS,
    CHANGED,
    CONNECTED,
    CONTACTED,
    RISK,
    SATISFIED,
    SOLVED,
    SUGGESTED,
    SUGGESTION,
    Finding,
)
from workorders.phrases import NOD, UNCLEAR, Reading
from workorders.risks import find_risk

__all__ = ["NewFinding", "SpokenTurn", "decide_finding", "read_findings", "store_findings"]

BY_RULES = "rules"
# What the ledger calls it: answers that the rules read, and one that a person decided.
SUGGESTED_BY_RULES, DECIDED = "suggested", "decided"


@dataclass(frozen=True)
class NewFinding:
    """One answer, not yet stored.  ``ordinal`` is -1 (and ``sentence`` empty) where no turn supports it."""

    question: str
    answer: str
    ordinal: int = -1
    start_ms: int = 0
    sentence: str = ""
    rule: str = ""


def read_findings(turns: Sequence[SpokenTurn], risk_words: Sequence[str] = ()) -> list[NewFinding]:
    """The answers of a callback, in the order of `orders.ANSWERS`; ``risk_words`` are those of the team's dictionary.
    Pure; any order of turns will do."""
    ordered = in_time(turns)
    said = [turn for turn in ordered if turn.party == CITIZEN and not is_announcement(turn)]
    spoken = [clause for turn in said for clause in clauses(turn)]
    heard = list(replies(ordered))
    return [
        _connected(said),
        *(_answer(question, heard, spoken) for question in (CONTACTED, SOLVED, SATISFIED)),
        _suggestion(heard, spoken),
        _risk(spoken, risk_words),
    ]


def _connected(said: Sequence[SpokenTurn]) -> NewFinding:
    if not said:
        return NewFinding(CONNECTED, "no", rule="citizen silent")
    first = said[0]
    return NewFinding(CONNECTED, "yes", first.ordinal, first.start_ms, first.text, "citizen speaks")


def _answer(question: str, heard: Sequence[Reply], spoken: Sequence[Clause]) -> NewFinding:
    """The last clear reply to the main question, else to one on the side, else a statement made unasked."""
    main: list[Heard] = []
    side: list[Heard] = []
    unclear: list[Heard] = []
    for reply in heard:
        found = _from_reply(question, reply)
        if found is not None:
            (unclear if found.answer == UNCLEAR else side if reply.side else main).append(found)
    if told := main or side:
        return _finding(question, told[-1])
    evaded = {each.clause.turn for each in unclear}
    free = unprompted(question, [clause for clause in spoken if clause.turn not in evaded])
    if free or unclear:
        return _finding(question, free or unclear[-1])
    return NewFinding(question, UNCLEAR, rule="nothing said")


def _from_reply(question: str, reply: Reply) -> Heard | None:
    if reply.question == question:
        return decide(question, reply.clauses, choice=reply.choice)
    return _confirmed(question, reply) if reply.confirms else None


def _confirmed(question: str, reply: Reply) -> Heard | None:
    """The agent puts an answer into words (没有解决，是吗？): a nod takes it over, other words speak for themselves."""
    stated = [read_clause(question, clause, asked=True) for clause in reply.confirms]
    reading = next((each for each in stated if each and each.answer != UNCLEAR), None)
    if reading is None or not reply.clauses:
        return None
    own = decide(question, reply.clauses)
    if own is not None and not own.reading.asked:
        return own
    first = reply.clauses[0]
    return Heard(reading, first) if NOD.search(first.text) and first.prompt else None


def _finding(question: str, heard: Heard) -> NewFinding:
    turn = heard.clause.turn
    return NewFinding(question, heard.answer, turn.ordinal, turn.start_ms, heard.clause.sentence, heard.reading.rule)


def _suggestion(heard: Sequence[Reply], spoken: Sequence[Clause]) -> NewFinding:
    """Any sentence that suggests something: those after the question first, then those said unasked."""
    asked = [clause for reply in heard if reply.question == SUGGESTION for clause in reply.clauses]
    after = [Heard(reading, clause) for clause in asked if (reading := _read_suggestion(clause, asked=True))]
    free = [Heard(reading, clause) for clause in spoken if (reading := _read_suggestion(clause, asked=False))]
    for found in (after, free):
        if made := [each for each in found if each.answer == "yes"]:
            return _joined(made)
    return _finding(SUGGESTION, after[0]) if after else NewFinding(SUGGESTION, "no", rule="nothing said")


def _risk(spoken: Sequence[Clause], words: Sequence[str]) -> NewFinding:
    found = find_risk(spoken, words)
    if found is None:
        return NewFinding(RISK, "no", rule="nothing said")
    rule, clause = found
    return NewFinding(RISK, "yes", clause.turn.ordinal, clause.turn.start_ms, clause.sentence, rule)


def _read_suggestion(clause: Clause, *, asked: bool) -> Reading | None:
    return read_clause(SUGGESTION, clause, asked=asked)


def _joined(made: Sequence[Heard]) -> NewFinding:
    """The sentences of the first turn that suggests, each once."""
    first = made[0].clause.turn
    sentences = dict.fromkeys(each.clause.sentence for each in made if each.clause.turn == first)
    return NewFinding(SUGGESTION, "yes", first.ordinal, first.start_ms, "".join(sentences), made[0].reading.rule)


async def store_findings(
    session: AsyncSession, recording_id: UUID, findings: Sequence[NewFinding], *, text_version: int, now: datetime
) -> list[Finding]:
    """Put the rules' answers in place of earlier ones, with a row of the ledger that tells them; what a person accepted
    or changed stays as it is.  The same answers again change nothing."""
    known = await session.scalars(select(Finding).where(Finding.recording_id == recording_id))
    rows = {row.question: row for row in known}
    suggested = [found for found in findings if _open(rows.get(found.question))]
    if all(_same(rows.get(found.question), found, text_version) for found in suggested):
        return list(rows.values())
    for found in suggested:
        row = rows.get(found.question)
        if row is None:
            row = Finding(id=new_id(), recording_id=recording_id, question=found.question)
            rows[found.question] = row
            session.add(row)
        row.answer, row.ordinal, row.start_ms = found.answer, found.ordinal, found.start_ms
        row.sentence, row.rule, row.text_version = found.sentence, found.rule, text_version
        row.standing, row.by, row.at = SUGGESTED, BY_RULES, now
    answers = {each.question: [each.answer, each.ordinal, each.start_ms, each.rule] for each in suggested}
    facts = {"text_version": text_version, "answers": answers}
    await append(session, Entry(SUGGESTED_BY_RULES, SYSTEM, str(recording_id), facts), now)
    await judge_orders(session, about([recording_id]))
    return list(rows.values())


def _open(row: Finding | None) -> bool:
    return row is None or row.standing == SUGGESTED


def _same(row: Finding | None, found: NewFinding, text_version: int) -> bool:
    return row is not None and (row.answer, row.ordinal, row.start_ms, row.sentence, row.rule, row.text_version) == (
        *(found.answer, found.ordinal, found.start_ms, found.sentence, found.rule),
        text_version,
    )


async def decide_finding(session: AsyncSession, finding_id: UUID, answer: str, *, by: str, now: datetime) -> Finding:
    """A person accepts the answer, or changes it; both go to the ledger.  ``NotFound`` for an unknown finding,
    ``Refused`` for an answer that its question cannot have."""
    row = await session.get(Finding, finding_id, with_for_update=True)
    if row is None:
        raise NotFound("没有这条结论 / no such finding", finding=finding_id)
    if answer not in ANSWERS[row.question]:
        allowed = ", ".join(ANSWERS[row.question])
        raise Refused("该问题没有这种答案 / this question has no such answer", question=row.question, allowed=allowed)
    before, row.answer = row.answer, answer
    row.standing = ACCEPTED if answer == before and row.standing != CHANGED else CHANGED
    row.by, row.at = by, now
    # Where it points stands with it, so that the decision can be told again without this row.
    place = {"ordinal": row.ordinal, "start_ms": row.start_ms, "text_version": row.text_version, "rule": row.rule}
    facts = {"finding": str(row.id), "question": row.question, "before": before, "answer": answer, **place}
    await append(session, Entry(DECIDED, by, str(row.recording_id), facts), now)
    await judge_orders(session, about([row.recording_id]))
    return row


@dataclass(frozen=True)
class Told:
    """An answer as the ledger tells it: all of a finding but its sentence, and the row that told it last."""

    seq: int
    answer: str
    ordinal: int
    start_ms: int
    rule: str
    text_version: int
    standing: str
    by: str
    at: datetime
    finding: str = ""


def told_by(events: Iterable[Event]) -> dict[str, Told]:
    """The answers by question, after everything that the ledger tells of one recording's findings, in its order."""
    told: dict[str, Told] = {}
    for event in events:
        if event.kind == SUGGESTED_BY_RULES:
            version = int(event.facts["text_version"])
            for question, (answer, ordinal, start_ms, rule) in event.facts["answers"].items():
                if question in told and told[question].standing != SUGGESTED:
                    continue
                place = (answer, ordinal, start_ms, rule, version)
                told[question] = Told(event.seq, *place, SUGGESTED, BY_RULES, event.at)
        elif event.kind == DECIDED:
            facts = event.facts
            before = told.get(facts["question"])
            changed = facts["answer"] != facts["before"] or (before is not None and before.standing == CHANGED)
            place = (facts["answer"], facts["ordinal"], facts["start_ms"], facts["rule"], facts["text_version"])
            standing = CHANGED if changed else ACCEPTED
            told[facts["question"]] = Told(event.seq, *place, standing, event.actor, event.at, facts["finding"])
    return told
