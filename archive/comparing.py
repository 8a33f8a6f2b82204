"""Comments, links for sharing and requests to pause in the catalogue against what the ledger tells of each.

A row of the ledger committed with each of them and tells all that the catalogue shows: of a comment the hash of its
sealed document, of a link that of its token, of a request that of its reason.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive import faults, layout
from archive.catalogue import DISPOSED, KEPT, Recording
from archive.comments import COMMENTED, Comment, content_of
from archive.events import Event, events_about
from archive.faults import Fault
from archive.histories import PAGE, REBUILT, Check, History, compare_page
from archive.house import Archive
from archive.pausing import ANSWERED, ASKED, PauseRequest, reason_digest
from archive.shares import MADE, REVOKED, Share
from core.ledger import LedgerRow

# Values by the names of their columns.
Row = Mapping[str, Any]
COMMENT, SHARE, REQUEST = "comment", "share", "request"


@dataclass(frozen=True)
class Told:
    """What the ledger tells of one row of the catalogue, and the number of the ledger's row that begins it."""

    seq: int
    values: Row


async def compare_comments(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """Every comment is there as it was sealed, and no other is."""
    rows = await session.scalars(select(Comment).where(Comment.recording_id.in_([each.id for each in page])))
    shown = defaultdict[UUID, dict[str, Row]](dict)
    for row in rows:
        digest = sha256(content_of(row)).hexdigest()
        shown[row.recording_id][str(row.id)] = {"by": row.by, "at_ms": row.at_ms, "content": digest}
    return [
        fault
        for each in page
        for fault in _faults(each, COMMENT, _comments(each.of(COMMENTED, REBUILT)), shown[each.id])
    ]


def _comments(events: Iterable[Event]) -> dict[str, Told]:
    """By identifier; of one that only a rebuild found, the hash alone is told."""
    found: dict[str, Told] = {}
    for event in events:
        facts = {"by": event.actor, "at_ms": event.facts["at_ms"]} if event.kind == COMMENTED else {}
        for item in event.objects:
            if item["kind"] == layout.COMMENT:
                identifier = item["key"].rpartition("/")[2].removesuffix(".json")
                found.setdefault(identifier, Told(event.seq, {**facts, "content": item["sha256"]}))
    return found


async def compare_shares(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """Every link leads where, for whom and as long as the ledger says, and nobody made another one."""
    shown = defaultdict[UUID, dict[str, Row]](dict)
    for row in await session.scalars(select(Share).where(Share.recording_id.in_([each.id for each in page]))):
        names = ("token_sha256", "purpose", "made_by", "made_at", "expires_at", "revoked_by", "revoked_at")
        redaction = str(row.redaction_id) if row.redaction_id else None
        shown[row.recording_id][str(row.id)] = {
            "redaction_id": redaction,
            **{name: getattr(row, name) for name in names},
        }
    return await _volatile(session, SHARE, [(each, _shares(each.events), shown[each.id]) for each in page])


def _shares(events: Iterable[Event]) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for event in events:
        facts = event.facts
        if event.kind == MADE:
            values = {
                "redaction_id": facts.get("redaction"),
                "token_sha256": facts["token_sha256"],
                "purpose": facts["purpose"],
                "made_by": event.actor,
                "made_at": event.at,
                "expires_at": datetime.fromisoformat(facts["expires_at"]),
                "revoked_by": "",
                "revoked_at": None,
            }
            found[facts["share"]] = Told(event.seq, values)
        elif event.kind == REVOKED and (made := found.get(facts["share"])):
            found[facts["share"]] = Told(made.seq, {**made.values, "revoked_by": event.actor, "revoked_at": event.at})
    return found


async def compare_requests(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """Every request to pause or resume, who asked for it, why and when, and what became of it."""
    shown = defaultdict[UUID, dict[str, Row]](dict)
    lives = {each.id: each.life for each in page}
    for row in await session.scalars(select(PauseRequest).where(PauseRequest.recording_id.in_(lives))):
        values = {name: getattr(row, name) for name in ("action", "by", "asked_at", "outcome", "answered_at")}
        # A disposal leaves who paused and when, and blanks why.
        if row.reason or lives[row.recording_id] != DISPOSED:
            values["reason"] = reason_digest(row.id, row.reason)
        shown[row.recording_id][str(row.id)] = values
    return await _volatile(session, REQUEST, [(each, _requests(each.events), shown[each.id]) for each in page])


def _requests(events: Iterable[Event]) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for event in events:
        facts = event.facts
        if event.kind in ASKED:
            values = {
                "action": ASKED[event.kind],
                "by": event.actor,
                "reason": facts["reason_sha256"],
                "asked_at": event.at,
                "outcome": "",
                "answered_at": None,
            }
            found[facts["request"]] = Told(event.seq, values)
        elif event.kind == ANSWERED and (asked := found.get(facts["request"])):
            answer = {"outcome": facts["outcome"], "answered_at": event.at}
            found[facts["request"]] = Told(asked.seq, {**asked.values, **answer})
    return found


async def compare_other_requests(archive: Archive) -> AsyncIterator[Fault]:
    """The same of calls of which there is no recording, or none yet."""
    async with archive.database.snapshot() as session:
        told = await session.scalars(select(LedgerRow.subject).where(LedgerRow.kind.in_(ASKED)).distinct())
        shown = await session.scalars(select(PauseRequest.recording_id).distinct())
        calls = sorted({*shown, *_identifiers(told)})
        for start in range(0, len(calls), PAGE):
            part = calls[start : start + PAGE]
            recorded = set(await session.scalars(select(Recording.id).where(Recording.id.in_(part))))
            others = [call for call in part if call not in recorded]
            events = await events_about(session, [str(call) for call in others], CHECK_REQUESTS.kinds)
            page = [History(call, KEPT, held=False, text_version=0, events=events[str(call)]) for call in others]
            for fault in await compare_page(session, [CHECK_REQUESTS], page):
                yield fault


def _identifiers(subjects: Iterable[str]) -> Iterator[UUID]:
    for subject in subjects:
        try:
            yield UUID(subject)
        except ValueError:
            continue  # `ledger.check` names a row that is no entry


async def _volatile(
    session: AsyncSession, what: str, page: Sequence[tuple[History, Mapping[str, Told], Mapping[str, Row]]]
) -> list[Fault]:
    """These rows are in the database alone: a rebuild from the store begins without those that were there before it."""
    since = -1
    if any(told.keys() - shown.keys() for _, told, shown in page):
        query = select(func.max(LedgerRow.seq)).where(LedgerRow.kind == REBUILT, LedgerRow.subject == "catalogue")
        last = await session.scalar(query)
        since = -1 if last is None else last
    return [fault for each, told, shown in page for fault in _faults(each, what, told, shown, since)]


def _faults(
    history: History, what: str, told: Mapping[str, Told], shown: Mapping[str, Row], since: int = -1
) -> Iterator[Fault]:
    """``since``: what the ledger told up to this row of it may be missing.  Only the names of columns are said: what
    stands in them are people's words."""
    for identifier in sorted(told.keys() | shown.keys()):
        subject = f"{history.subject}, {what} {identifier}"
        said, row = told.get(identifier), shown.get(identifier)
        if said is None:
            yield Fault(subject, faults.NOT_IN_LEDGER, "an entry", "a row of the catalogue")
        elif row is None:
            if history.life == KEPT and said.seq > since:
                yield Fault(subject, faults.NOT_IN_CATALOGUE, f"ledger row {said.seq}", "none")
        elif history.life == DISPOSED and what != REQUEST:
            yield Fault(subject, faults.LEFT_OVER, "none", "a row of the catalogue")
        elif different := [name for name, value in said.values.items() if row.get(name, value) != value]:
            yield Fault(subject, faults.DISAGREE, f"ledger row {said.seq}", f"another {', '.join(different)}")


CHECK_COMMENTS = Check(compare_comments, (COMMENTED, REBUILT))
CHECK_SHARES = Check(compare_shares, (MADE, REVOKED))
CHECK_REQUESTS = Check(compare_requests, (*ASKED, ANSWERED))
