"""Search in spoken words: recordings in which every term was said, newest first, with the sentences that say one.

Terms are found wherever they stand, in Chinese, Latin letters or digits, however short; nothing is found where it does
not stand.  What is looked up is explained in `search_index`, what counts as the same in `folding`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    bindparam,
    column,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording, TurnRow
from archive.folding import find_marks, query_terms
from archive.search_index import SHELF_BITS, SPOKEN, WORDS, is_sqlite, keys_on, moment_of, place_of, word_of
from core.logging import mask_numbers

# More are not counted: the page says "more than".
MOST = 500
SENTENCES = 3
# So many keys narrow the candidates; the text decides.
MAX_TOKENS = 8
# Rounds of shelves grow by this factor at most; with conditions that few recordings may meet they stay small, to end in
# time.
GROWTH, LARGEST_ROUND, LARGEST_WITH_CONDITIONS = 16, 4096, 64
PATIENCE = 1.5


@dataclass(frozen=True)
class Wanted:
    """What is searched for.  ``conditions`` are on ``Recording``; ``narrow`` says that few recordings meet them, so
    that these are read instead of the index.  ``before`` is where the last page ended.  A search that ``conditions``
    make longer than ``patience`` seconds shows what it has and says how far it came."""

    words: str
    since: datetime | None = None
    until: datetime | None = None
    conditions: tuple[ColumnElement[bool], ...] = ()
    narrow: bool = False
    before: int | None = None
    patience: float = PATIENCE


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


@dataclass
class _Places:
    """Places in falling order, and from where on nothing was looked at."""

    found: list[int] = field(default_factory=list)
    stopped_at: int | None = None


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


async def _places(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> _Places:
    if wanted.narrow:
        return _Places(list(await session.scalars(_narrow(session, wanted, terms, limit))))
    if is_sqlite(session):
        return _Places(list(await session.scalars(_in_words(session, wanted, terms, limit))))
    return await _in_shelves(session, wanted, terms, limit)


def _bounds(wanted: Wanted) -> list[ColumnElement[bool]]:
    place = SPOKEN.c.place
    found: list[ColumnElement[bool]] = []
    if wanted.before is not None:
        found.append(place < wanted.before)
    if wanted.since:
        found.append(place >= place_of(wanted.since))
    if wanted.until:
        found.append(place < place_of(wanted.until))
    return found


def _said(session: AsyncSession, terms: Sequence[str]) -> list[ColumnElement[bool]]:
    """Every term stands in the text.  No term holds the line's end, so that none reaches into the next turn."""
    stands = func.instr if is_sqlite(session) else func.strpos
    return [stands(SPOKEN.c.text, term) > 0 for term in terms]


def _narrow(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> Select[tuple[int]]:
    """Look at the texts of the few recordings that meet the conditions."""
    query = select(SPOKEN.c.place).join(Recording, Recording.id == SPOKEN.c.recording_id)
    return (
        query.where(*wanted.conditions, *_bounds(wanted), *_said(session, terms))
        .order_by(SPOKEN.c.place.desc())
        .limit(limit)
    )


def _in_words(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> Select[tuple[int]]:
    """SQLite: FTS5 gives its rows from the newest on, and stops where the limit is reached."""
    match = " AND ".join(f'"{word_of(token)}"' for token in narrowing_tokens(terms))
    candidates = text(f"SELECT rowid AS place FROM {WORDS} WHERE {WORDS} MATCH :match ORDER BY rowid DESC")  # noqa: S608
    found = candidates.bindparams(match=match).columns(column("place", Integer)).subquery("found")
    query = select(SPOKEN.c.place).select_from(found.join(SPOKEN, SPOKEN.c.place == found.c.place))
    if wanted.conditions:
        query = query.where(select(Recording.id).where(_same_recording(), *wanted.conditions).exists())
    return query.where(*_bounds(wanted), *_said(session, terms)).order_by(found.c.place.desc()).limit(limit)


def _same_recording() -> ColumnElement[bool]:
    return Recording.id == SPOKEN.c.recording_id


async def _in_shelves(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> _Places:
    """PostgreSQL: the newest shelf first, then rounds of more and more, until there is enough."""
    bounds = await session.execute(select(func.min(SPOKEN.c.place), func.max(SPOKEN.c.place)))
    first, last = bounds.one()
    if first is None:
        return _Places()
    low, high = first, last
    if wanted.since:
        low = max(low, place_of(wanted.since))
    for bound in (wanted.before, place_of(wanted.until) if wanted.until else None):
        high = high if bound is None else min(high, bound - 1)
    # Compiling a plan of this size takes longer than running it.
    await session.execute(text("SET LOCAL jit = off"))
    places, tokens = _Places(), narrowing_tokens(terms)
    shelf, oldest, size, begun = high >> SHELF_BITS, low >> SHELF_BITS, 1, time.monotonic()
    largest, newest = LARGEST_WITH_CONDITIONS if wanted.conditions else LARGEST_ROUND, shelf
    while shelf >= oldest and len(places.found) < limit:
        shelves = np.arange(shelf, max(shelf - size, oldest - 1), -1)
        query = _on(session, shelves, tokens, wanted, terms, limit - len(places.found))
        places.found += await session.scalars(query)
        shelf -= size
        size = min(_next_round(newest - shelf, len(places.found), limit, size), largest)
        if wanted.conditions and shelf >= oldest and time.monotonic() - begun > wanted.patience:
            places.stopped_at = (shelf + 1) << SHELF_BITS
            break
    return places


def _next_round(looked_at: int, found: int, limit: int, last: int) -> int:
    """How many shelves come next: as many as will do if they hold as much as those before, and a quarter more."""
    missing = max(limit - found, 0)
    return min(last * GROWTH, 1 + missing * looked_at * 5 // (4 * found)) if found else last * GROWTH


def _on(
    session: AsyncSession,
    shelves: "np.typing.NDArray[np.int64]",
    tokens: Sequence[str],
    wanted: Wanted,
    terms: Sequence[str],
    limit: int,
) -> Select[tuple[int]]:
    """What is on these shelves.  Each is looked up by itself, and a recording's conditions by its identifier: to a
    planner that cannot know how rare a word is, reading whole tables looks cheap.  ``OFFSET 0`` is its fence."""
    names = [f"k{number}" for number in range(len(tokens))]
    keys = [bindparam(None, keys_on(shelves, token).tolist(), type_=ARRAY(BigInteger)) for token in tokens]
    shelf = func.unnest(*keys).table_valued(*(column(name, BigInteger) for name in names)).render_derived(name="shelf")
    said = select(SPOKEN.c.place, SPOKEN.c.recording_id).where(
        SPOKEN.c["keys"].contains(array([shelf.c[name] for name in names])), *_bounds(wanted), *_said(session, terms)
    )
    found = said.correlate(shelf).offset(0).lateral("found")
    joined = shelf.join(found, true())
    if wanted.conditions:
        of_it = Recording.id == found.c.recording_id
        joined = joined.join(
            select(literal(1)).where(of_it, *wanted.conditions).correlate(found).offset(0).lateral("met"), true()
        )
    return select(found.c.place).select_from(joined).order_by(found.c.place.desc()).limit(limit)


def narrowing_tokens(terms: Sequence[str]) -> list[str]:
    """What is looked up: pairs of characters that cover each term, then those between them while there is room."""
    covering = [term[at : at + 2] for term in terms for at in (*range(0, len(term) - 1, 2), max(len(term) - 2, 0))]
    between = [term[at : at + 2] for term in terms for at in range(1, len(term) - 1, 2)]
    return list(dict.fromkeys([*covering, *between]))[:MAX_TOKENS]


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
    identified = tuple_(turn.recording_id, turn.ordinal).in_(shown)
    return (await session.execute(query.where(identified).order_by(turn.recording_id, turn.ordinal))).all()  # type: ignore[return-value]
