"""Links and answers in the catalogue against the ledger's rows of them, which name what was sealed.

A link is an object whose key holds the order's number, and a row of the ledger that names both.  An answer has no
object of its own: the ledger's row tells all of it but the sentence, which must stand in the sealed text.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive import faults
from archive.catalogue import DISPOSED, KEPT, TurnRow
from archive.events import Event
from archive.faults import Fault
from archive.histories import REBUILT, Check, History
from workorders.findings import DECIDED, SUGGESTED_BY_RULES, Told, told_by
from workorders.linking import KIND, link_key
from workorders.orders import Finding, Link

LINKED = "linked"
# A row of the columns that are compared: cheaper than an entity by far, for every answer that there is.
Shown = Any
_SHOWN = (
    *(Finding.id, Finding.recording_id, Finding.question, Finding.answer, Finding.ordinal, Finding.start_ms),
    *(Finding.sentence, Finding.rule, Finding.text_version, Finding.standing, Finding.by, Finding.at),
)
_PART = re.compile(r"[^。？！?!；;\n]+")


async def compare_links(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """Every link that was sealed is in the catalogue as it was sealed, and no other is."""
    query = select(Link.id, Link.recording_id, Link.work_order, Link.how, Link.by)
    shown = defaultdict[UUID, list[Shown]](list)
    for row in await session.execute(query.where(Link.recording_id.in_(_ids(page)))):
        shown[row.recording_id].append(row)
    return [fault for each in page for fault in _links(each, shown[each.id])]


@dataclass(frozen=True)
class _Sealed:
    """A link as the ledger tells it; one that only a rebuild found has its key alone."""

    key: str
    order: str = ""
    how: str = ""
    by: str = ""
    link: str = ""


def _links(history: History, rows: Sequence[Shown]) -> Iterator[Fault]:
    identifier = history.id
    sealed = {} if history.life == DISPOSED else _sealed_links(history.events)
    by_key = {link_key(row.work_order, identifier): row for row in rows}
    moved = {str(row.id): row for key, row in by_key.items() if key not in sealed}
    for key, told in sealed.items():
        row = by_key.get(key) or moved.pop(told.link, None)
        if row is None:
            yield Fault(key, faults.NOT_IN_CATALOGUE, "a sealed link", "none")
        elif told.order and row.work_order != told.order:
            yield Fault(key, faults.OTHER_LINK, told.order, row.work_order)
        elif told.order and (row.how, row.by) != (told.how, told.by):
            different = ", ".join(name for name in ("how", "by") if getattr(row, name) != getattr(told, name))
            yield Fault(key, faults.OTHER_LINK, "the sealed values", different)
    for row in moved.values():
        key = link_key(row.work_order, identifier)
        yield Fault(key, faults.UNSEALED_LINK, "a sealed link", "a row of the catalogue")


def _ids(page: Sequence[History]) -> list[UUID]:
    return [each.id for each in page]


def _sealed_links(events: Iterable[Event]) -> dict[str, _Sealed]:
    """By the key of the object.  A row that names no object of its order seals nothing."""
    found: dict[str, _Sealed] = {}
    for event in events:
        keys = [item["key"] for item in event.objects if item["kind"] == KIND]
        if event.kind == LINKED:
            order = str(event.facts["work_order"])
            told = _Sealed("", order, str(event.facts["how"]), event.actor, str(event.facts.get("link", "")))
            key = link_key(order, UUID(event.subject))
            if key in keys:
                found[key] = _Sealed(key, told.order, told.how, told.by, told.link)
        elif event.kind == REBUILT:
            found |= {key: _Sealed(key) for key in keys if key not in found}
    return found


async def compare_findings(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """Every answer is the last that the ledger tells of, and its sentence was spoken."""
    turn = (TurnRow.recording_id == Finding.recording_id) & (TurnRow.ordinal == Finding.ordinal)
    query = select(*_SHOWN, TurnRow.text).outerjoin(TurnRow, turn).where(Finding.recording_id.in_(_ids(page)))
    shown = defaultdict[UUID, dict[str, Shown]](dict)
    for row in await session.execute(query.order_by(Finding.question)):
        shown[row.recording_id][row.question] = row
    doubtful = [row for each in page if each.life == KEPT for row in _doubtful(each, shown[each.id].values())]
    spoken = await _spoken(session, {row.recording_id for row in doubtful})
    unspoken = {row.id for row in doubtful if not _stands_in(row.sentence, spoken[row.recording_id])}
    found: list[Fault] = []
    for each in page:
        answers = shown[each.id]
        found += _answers(each, answers)
        for row in answers.values():
            if row.id in unspoken:
                subject = f"{each.subject}, {row.question}"
                found.append(Fault(subject, faults.UNSPOKEN, "words of the sealed text", "others"))
    return found


def _answers(history: History, rows: Mapping[str, Shown]) -> Iterator[Fault]:
    told = told_by(history.of(SUGGESTED_BY_RULES, DECIDED))
    for question in sorted(told.keys() | rows.keys()):
        subject = f"{history.subject}, {question}"
        said, row = told.get(question), rows.get(question)
        if said is None and row is not None:
            yield Fault(subject, faults.UNTOLD_FINDING, "an entry", row.answer)
        elif row is None and said is not None:
            yield Fault(subject, faults.NOT_IN_CATALOGUE, f"{said.answer}, ledger row {said.seq}", "none")
        elif row is not None and said is not None and (different := _different(said, row)):
            yield Fault(subject, faults.OTHER_FINDING, *different)


def _different(said: Told, row: Shown) -> tuple[str, str] | None:
    """What the ledger says and what the catalogue shows, where they differ; never who decided, only that it differs."""
    if (said.answer, said.standing) != (row.answer, row.standing):
        return f"{said.answer} ({said.standing}), ledger row {said.seq}", f"{row.answer} ({row.standing})"
    names = ("ordinal", "start_ms", "rule", "text_version", "by", "at")
    different = [name for name in names if getattr(said, name) != getattr(row, name)]
    return (f"ledger row {said.seq}", f"another {', '.join(different)}") if different else None


def _doubtful(history: History, rows: Iterable[Shown]) -> Iterator[Shown]:
    """Answers whose sentence is not simply part of the turn that they point at.  Only the text that is shown is looked
    at; what an answer was read from before a correction is told by that text's own object."""
    for row in rows:
        if row.text_version == history.text_version and row.sentence not in (row.text or ""):
            yield row


def _stands_in(sentence: str, texts: Sequence[str]) -> bool:
    """Whether each part of a sentence (a suggestion may have several) was said in some turn."""
    return all(any(part.strip() in text for text in texts) for part in _PART.findall(sentence))


async def _spoken(session: AsyncSession, recordings: Collection[UUID]) -> Mapping[UUID, list[str]]:
    """The turns' texts, which reading the sealed text compares with it."""
    found = defaultdict[UUID, list[str]](list)
    if recordings:
        query = select(TurnRow.recording_id, TurnRow.text).where(TurnRow.recording_id.in_(recordings))
        for recording_id, text in await session.execute(query):
            found[recording_id].append(text)
    return found


CHECK_LINKS = Check(compare_links, (LINKED, REBUILT))
CHECK_FINDINGS = Check(compare_findings, (SUGGESTED_BY_RULES, DECIDED))
