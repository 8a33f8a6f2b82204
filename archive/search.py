"""Search in spoken words: recordings in which every term was said, newest first, with the sentences that say one.

Terms are found wherever they stand, in Chinese, Latin letters or digits, however short; nothing is found where it does
not stand.  What is looked up is explained in `search_index`, what counts as the same in `folding`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer, Select, column, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording, TurnRow
from archive.folding import find_marks, query_terms
from archive.search_index import ON_SHELF, SPOKEN, WORDS, is_sqlite, moment_of, word_of
from archive.search_postgres import on_postgres, plan_anew
from archive.search_wanted import Places, Wanted, bounds, met_by, narrowing_tokens, stands
from core.logging import mask_numbers

# More are not counted: the page says "more than".
MOST = 500
SENTENCES = 3


@dataclass(frozen=True)
class Hit:
    """A turn that holds a term, with the numbers in it masked.  ``marks`` are (start, end) places in ``text``, in
    order, not overlapping."""

    recording_id: UUID
    ordinal: int
    start_ms: int
    end_ms: int
    party: str
    text: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FoundCall:
    """A recording in which every term was said; ``sentences`` counts the turns that hold one, ``hits`` the first."""

    recording_id: UUID
    sentences: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Found:
    """One page.  ``next`` is the ``before`` of the next one.  There are ``count`` recordings from here on, or more
    where ``more``; ``searched_to`` is set where patience ended before the end was reached."""

    calls: tuple[FoundCall, ...] = ()
    next: int | None = None
    count: int = 0
    more: bool = False
    searched_to: datetime | None = None

    @property
    def hits(self) -> list[Hit]:
        """The sentences of the page, one after another."""
        return [hit for call in self.calls for hit in call.hits]


async def search(session: AsyncSession, wanted: Wanted, *, limit: int = 20, sentences: int = SENTENCES) -> Found:
    """One page of recordings, newest first."""
    terms = query_terms(wanted.words)
    if not terms or limit <= 0:
        return Found()
    places = await _places(session, wanted, terms, max(limit, MOST) + 1)
    page = places.found[:limit]
    more = len(places.found) > max(limit, MOST)
    if len(places.found) > limit:
        following: int | None = page[-1]
    else:
        following = places.stopped_at
    return Found(
        calls=await _calls(session, page, terms, sentences),
        next=following,
        count=min(len(places.found), max(limit, MOST)),
        more=more or places.stopped_at is not None,
        searched_to=moment_of(places.stopped_at) if places.stopped_at is not None and not more else None,
    )


async def _places(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> Places:
    if not is_sqlite(session):
        await plan_anew(session)
    if wanted.narrow:
        return Places(list(await session.scalars(_narrow(session, wanted, terms, limit))))
    if is_sqlite(session):
        return Places(list(await session.scalars(_in_words(session, wanted, terms, limit))))
    return await on_postgres(session, wanted, terms, limit)


def _narrow(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> Select[tuple[int]]:
    """Look at the texts of the few recordings that meet the conditions."""
    query = select(SPOKEN.c.place).join(Recording, Recording.id == SPOKEN.c.recording_id)
    return (
        query.where(*wanted.conditions, *bounds(wanted), *stands(session, terms))
        .order_by(SPOKEN.c.place.desc())
        .limit(limit)
    )


def _in_words(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> Select[tuple[int]]:
    """SQLite: FTS5 gives its rows from the newest on, and stops where the limit is reached."""
    match = " AND ".join(f'"{word_of(token)}"' for token in narrowing_tokens(terms, ON_SHELF))
    candidates = text(f"SELECT rowid AS place FROM {WORDS} WHERE {WORDS} MATCH :match ORDER BY rowid DESC")  # noqa: S608
    found = candidates.bindparams(match=match).columns(column("place", Integer)).subquery("found")
    query = select(SPOKEN.c.place).select_from(found.join(SPOKEN, SPOKEN.c.place == found.c.place))
    if wanted.conditions:
        query = query.where(met_by(wanted.conditions, SPOKEN.c.recording_id).exists())
    return query.where(*bounds(wanted), *stands(session, terms)).order_by(found.c.place.desc()).limit(limit)


async def _calls(
    session: AsyncSession, page: Sequence[int], terms: Sequence[str], sentences: int
) -> tuple[FoundCall, ...]:
    """The recordings at these places, with the sentences that hold a term."""
    query = select(SPOKEN.c.recording_id, SPOKEN.c.text).where(SPOKEN.c.place.in_(page)).order_by(SPOKEN.c.place.desc())
    said: dict[UUID, list[int]] = {
        row.recording_id: [n for n, line in enumerate(row.text.split("\n")) if any(term in line for term in terms)]
        for row in await session.execute(query)
    }
    shown = [(identifier, ordinal) for identifier, found in said.items() for ordinal in found[:sentences]]
    hits: dict[UUID, list[Hit]] = {identifier: [] for identifier in said}
    for turn in await _turns(session, shown):
        masked = mask_numbers(turn.text)
        marks = find_marks(masked, terms)
        hits[turn.recording_id].append(
            Hit(turn.recording_id, turn.ordinal, turn.start_ms, turn.end_ms, turn.party, masked, marks)
        )
    return tuple(FoundCall(identifier, len(said[identifier]), tuple(hits[identifier])) for identifier in said)


async def _turns(session: AsyncSession, shown: Sequence[tuple[UUID, int]]) -> Sequence[TurnRow]:
    if not shown:
        return []
    turn = TurnRow
    query = select(turn.recording_id, turn.ordinal, turn.start_ms, turn.end_ms, turn.party, turn.text)
    # Of pairs alone SQLite makes a walk through every turn there is.
    named = turn.recording_id.in_({identifier for identifier, _ in shown})
    identified = tuple_(turn.recording_id, turn.ordinal).in_(shown)
    return (await session.execute(query.where(named, identified).order_by(turn.recording_id, turn.ordinal))).all()  # type: ignore[return-value]
