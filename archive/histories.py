"""Recordings as the catalogue shows them beside what the ledger tells of them, both in one state of the database.

Rows of catalogue and ledger commit together, so whatever differs here was changed behind our back.  What the ledger
means by its rows is known to the packages that write them: they bring their own ``Check``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from archive import faults
from archive.catalogue import KEPT, Recording, TurnRow
from archive.events import Event, events_about
from archive.faults import Fault
from archive.house import Archive

PAGE = 300
TRANSCRIPT_KINDS = ("transcribed", "corrected")
# What a rebuild found in the store and no signed leaf told of; how flags begin that tell what it did not find.
REBUILT, LOST = "rebuilt", "rebuilt: "


@dataclass(frozen=True)
class History:
    """One recording's row (without its facts) and the ledger's rows of it, of the kinds that are looked at."""

    recording: Recording
    events: Sequence[Event]

    @property
    def subject(self) -> str:
        return f"recording {self.recording.id}"

    def of(self, *kinds: str) -> list[Event]:
        """The events of some kinds, in order."""
        return [event for event in self.events if event.kind in kinds]


Compare = Callable[[AsyncSession, Sequence[History]], Awaitable[list[Fault]]]


@dataclass(frozen=True)
class Check:
    """What compares a page of histories, and the kinds of ledger rows that it needs to see."""

    compare: Compare
    kinds: Sequence[str]


async def compare_histories(
    archive: Archive,
    checks: Sequence[Check],
    *,
    only: Sequence[UUID] | None = None,
    on_page: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[Fault]:
    """Every recording (or ``only`` these), a page at a time, in the order of their identifiers; ``on_page`` is told how
    many were compared."""
    kinds = sorted({kind for check in checks for kind in check.kinds})
    last: UUID | None = None
    while True:
        query = select(Recording).options(defer(Recording.facts)).order_by(Recording.id).limit(PAGE)
        if only is not None:
            query = query.where(Recording.id.in_(only))
        if last is not None:
            query = query.where(Recording.id > last)
        async with archive.database.snapshot() as session:
            rows = (await session.scalars(query)).all()
            if not rows:
                return
            told = await events_about(session, [str(row.id) for row in rows], kinds)
            found = await _compare(session, checks, [History(row, told[str(row.id)]) for row in rows])
        for fault in found:
            yield fault
        on_page(len(rows))
        last = rows[-1].id


async def _compare(session: AsyncSession, checks: Sequence[Check], page: Sequence[History]) -> list[Fault]:
    """Where a row of the ledger is not what its kind promises, the recording is named and the others are compared."""
    try:
        return [fault for check in checks for fault in await check.compare(session, page)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if len(page) == 1:
            return [Fault(page[0].subject, faults.UNREADABLE, "an entry", type(error).__name__)]
    return [fault for each in page for fault in await _compare(session, checks, [each])]


async def compare_texts(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """The newest text in the catalogue is the newest that was sealed, and all of its turns are of that version."""
    kept = [each for each in page if each.recording.life == KEPT]
    query = select(TurnRow.recording_id, TurnRow.version).where(TurnRow.recording_id.in_(_ids(kept))).distinct()
    turns: dict[UUID, set[int]] = {}
    for recording_id, version in await session.execute(query):
        turns.setdefault(recording_id, set()).add(version)
    found = []
    for each in kept:
        sealed = max((_number(item["key"]) for event in each.events for item in event.objects), default=0)
        shown = {each.recording.text_version} | turns.get(each.recording.id, set())
        if shown != {sealed}:
            versions = ", ".join(str(version) for version in sorted(shown - {sealed}))
            found.append(Fault(each.subject, faults.OTHER_VERSION, str(sealed), versions))
    return found


def _ids(page: Sequence[History]) -> list[UUID]:
    return [each.recording.id for each in page]


def _number(key: str) -> int:
    """Which version of a text a key holds; 0 for anything else."""
    name = key.rpartition("/")[2]
    digits = name.removeprefix("transcript.v").removesuffix(".json")
    return int(digits) if name.startswith("transcript.v") and digits.isdigit() else 0


CHECK_TEXTS = Check(compare_texts, (*TRANSCRIPT_KINDS, REBUILT))
