"""Recordings as the catalogue shows them beside what the ledger tells of them, both in one state of the database.

Rows of catalogue and ledger commit together, so whatever differs here was changed behind our back.  What the ledger
means by its rows is known to the packages that write them: they bring their own ``Check``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

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
    """What the catalogue shows of one recording, and the ledger's rows of it, of the kinds that are looked at."""

    id: UUID
    life: str
    held: bool
    text_version: int
    events: Sequence[Event]

    @property
    def subject(self) -> str:
        return f"recording {self.id}"

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
        query = select(Recording.id, Recording.life, Recording.held, Recording.text_version)
        query = query.order_by(Recording.id).limit(PAGE)
        if only is not None:
            query = query.where(Recording.id.in_(only))
        if last is not None:
            query = query.where(Recording.id > last)
        async with archive.database.snapshot() as session:
            rows = (await session.execute(query)).all()
            if not rows:
                return
            told = await events_about(session, [str(row.id) for row in rows], kinds)
            found = await compare_page(session, checks, [History(*row, told[str(row.id)]) for row in rows])
        for fault in found:
            yield fault
        on_page(len(rows))
        last = rows[-1].id


async def compare_page(session: AsyncSession, checks: Sequence[Check], page: Sequence[History]) -> list[Fault]:
    """Where a row of the ledger is not what its kind promises, the recording is named and the others are compared."""
    try:
        return [fault for check in checks for fault in await check.compare(session, page)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if len(page) == 1:
            return [Fault(page[0].subject, faults.UNREADABLE, "an entry", type(error).__name__)]
    return [fault for each in page for fault in await compare_page(session, checks, [each])]


async def compare_texts(session: AsyncSession, page: Sequence[History]) -> list[Fault]:
    """The text that the catalogue shows is the newest that was sealed.  What its turns say is compared when the sealed
    text is read; a recording without one has none."""
    kept = [each for each in page if each.life == KEPT]
    sealed = {each.id: _newest(each.events) for each in kept}
    silent = [identifier for identifier, version in sealed.items() if version == 0]
    query = select(TurnRow.recording_id).where(TurnRow.recording_id.in_(silent)).distinct()
    speaking = set(await session.scalars(query)) if silent else set()
    return [
        Fault(
            *(each.subject, faults.OTHER_VERSION, str(sealed[each.id])),
            str(each.text_version) if each.text_version != sealed[each.id] else "turns",
        )
        for each in kept
        if each.text_version != sealed[each.id] or each.id in speaking
    ]


def _newest(events: Sequence[Event]) -> int:
    return max((_number(item["key"]) for event in events for item in event.objects), default=0)


def _number(key: str) -> int:
    """Which version of a text a key holds; 0 for anything else."""
    name = key.rpartition("/")[2]
    digits = name.removeprefix("transcript.v").removesuffix(".json")
    return int(digits) if name.startswith("transcript.v") and digits.isdigit() else 0


CHECK_TEXTS = Check(compare_texts, (*TRANSCRIPT_KINDS, REBUILT))
