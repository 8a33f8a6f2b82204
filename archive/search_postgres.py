"""Search on PostgreSQL: shelf by shelf from the newest on, or, for what was said seldom, once in the whole index."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    TableValuedAlias,
    bindparam,
    column,
    func,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.ext.asyncio import AsyncSession

from archive.search_index import AT_MOST, ON_SHELF, SHELF_BITS, SPOKEN, key_anywhere, keys_on, place_of
from archive.search_wanted import Places, Wanted, bounds, met_by, narrowing_tokens, stands

Shelves = npt.NDArray[np.int64]
# A round of shelves is at most so many times the last one, and so many in all; with conditions that few recordings may
# meet they stay small, to end in time.
GROWTH, LARGEST_ROUND, LARGEST_WITH_CONDITIONS = 16, 4096, 64
# Fewer shelves than this are walked without asking first how many hits they hold.
FEW = 128
# How many shelves, evenly spread, tell how often something was said: seasons come and go within some of them.
SAMPLED, MOST_OF_A_SAMPLE = 16, 256
# So many hits are gathered and sorted in one go, whatever page is shown.
GATHERED = 4000


@dataclass(frozen=True)
class _Asked:
    """What is searched for on which connection, and how many places are wanted in all."""

    session: AsyncSession
    wanted: Wanted
    terms: Sequence[str]
    limit: int


@dataclass
class _Walk:
    """The next shelf to look at and the oldest one; how many were looked at, and how many come next, at most."""

    shelf: int
    oldest: int
    looked_at: int = 0
    round: int = 1
    largest: int = LARGEST_ROUND

    @property
    def left(self) -> int:
        return max(self.shelf - self.oldest + 1, 0)

    def take(self) -> Shelves:
        """The shelves of this round, newest first."""
        taken = min(self.round, self.left)
        shelves = np.arange(self.shelf, self.shelf - taken, -1)
        self.shelf, self.looked_at = self.shelf - taken, self.looked_at + taken
        return shelves

    def spread(self) -> Shelves:
        """Some of the shelves that are left, evenly."""
        return np.unique(np.linspace(self.oldest, self.shelf, SAMPLED).astype(np.int64))

    def plan(self, found: int, limit: int) -> None:
        """The next round: as many as will do if they hold as much as those before, and a quarter more."""
        needed = 1 + (limit - found) * self.looked_at * 5 // (4 * found) if found else self.left
        self.round = max(min(self.round * GROWTH, needed, self.largest), 1)


async def plan_anew(session: AsyncSession) -> None:
    """For the rest of the transaction: a plan is made for the words at hand, since one that does for all reads whole
    tables; and it is not compiled, which takes longer than running it."""
    await session.execute(
        text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)")
    )


async def on_postgres(session: AsyncSession, wanted: Wanted, terms: Sequence[str], limit: int) -> Places:
    """The newest places at which every term stands, ``limit`` at most."""
    asked, walk, places = _Asked(session, wanted, terms, limit), await _stretch(session, wanted), Places()
    began = time.monotonic()
    if wanted.conditions:
        walk.largest = LARGEST_WITH_CONDITIONS
    while walk.left and len(places.found) < limit:
        places.found += await session.scalars(_on(asked, walk.take(), limit - len(places.found)))
        if walk.looked_at == 1 and walk.left > FEW and len(places.found) < limit:
            said = await _said(asked, walk.spread())
            if sum(said) * walk.left <= GATHERED * len(said):
                places.found += await session.scalars(_anywhere(asked, walk, limit - len(places.found)))
                break
            walk.largest = min(walk.largest, max(GATHERED // max(said), 1))
        walk.plan(len(places.found), limit)
        if wanted.conditions and walk.left and time.monotonic() - began > wanted.patience:
            places.stopped_at = (walk.shelf + 1) << SHELF_BITS
            break
    return places


async def _stretch(session: AsyncSession, wanted: Wanted) -> _Walk:
    """From the newest shelf that may hold something to the oldest."""
    first, last = (await session.execute(select(func.min(SPOKEN.c.place), func.max(SPOKEN.c.place)))).one()
    if first is None:
        return _Walk(0, 1)
    low = max(first, place_of(wanted.since)) if wanted.since else first
    ends = (wanted.before, place_of(wanted.until) if wanted.until else None)
    high = min([last, *(end - 1 for end in ends if end is not None)])
    return _Walk(high >> SHELF_BITS, low >> SHELF_BITS)


async def _said(asked: _Asked, shelves: Shelves) -> Sequence[int]:
    """On how many recordings of each of these shelves the terms stand, whatever the conditions are."""
    shelf, holds = _lookup(narrowing_tokens(asked.terms, ON_SHELF), shelves)
    standing = select(SPOKEN.c.place).where(holds, *stands(asked.session, asked.terms)).correlate(shelf)
    some = standing.limit(MOST_OF_A_SAMPLE).subquery().lateral("some")
    counted = select(func.count()).select_from(some).scalar_subquery()
    return (await asked.session.scalars(select(counted).select_from(shelf))).all()


def _lookup(tokens: Sequence[str], shelves: Shelves) -> tuple[TableValuedAlias, ColumnElement[bool]]:
    """The shelves as rows of keys, and the condition that a recording has all keys of a row."""
    names = [f"k{number}" for number in range(len(tokens))]
    keys = [bindparam(None, keys_on(shelves, token).tolist(), type_=ARRAY(BigInteger)) for token in tokens]
    shelf = func.unnest(*keys).table_valued(*(column(name, BigInteger) for name in names)).render_derived(name="shelf")
    return shelf, SPOKEN.c["keys"].contains(array([shelf.c[name] for name in names]))


def _on(asked: _Asked, shelves: Shelves, limit: int) -> Select[tuple[int]]:
    """What is on these shelves.  Each is looked up by itself, and a recording's conditions by its identifier: to a
    planner that cannot know how rare a word is, reading whole tables looks cheap.  ``OFFSET 0`` is its fence."""
    shelf, holds = _lookup(narrowing_tokens(asked.terms, ON_SHELF), shelves)
    said = select(SPOKEN.c.place, SPOKEN.c.recording_id).where(
        holds, *bounds(asked.wanted), *stands(asked.session, asked.terms)
    )
    found = said.correlate(shelf).offset(0).lateral("found")
    return _newest(shelf.join(found, true()), found, asked.wanted, limit)


def _anywhere(asked: _Asked, walk: _Walk, limit: int) -> Select[tuple[int]]:
    """What stands anywhere that the walk has not come to."""
    keys = [key_anywhere(token) for token in narrowing_tokens(asked.terms, AT_MOST)]
    said = select(SPOKEN.c.place, SPOKEN.c.recording_id).where(
        SPOKEN.c["keys"].contains(bindparam(None, keys, type_=ARRAY(BigInteger))),
        SPOKEN.c.place < (walk.shelf + 1) << SHELF_BITS,
        *bounds(asked.wanted),
        *stands(asked.session, asked.terms),
    )
    found = said.offset(0).subquery("found")
    return _newest(found, found, asked.wanted, limit)


def _newest(source: FromClause, found: FromClause, wanted: Wanted, limit: int) -> Select[tuple[int]]:
    if wanted.conditions:
        met = met_by(wanted.conditions, found.c.recording_id).correlate(found).offset(0).lateral("met")
        source = source.join(met, true())
    return select(found.c.place).select_from(source).order_by(found.c.place.desc()).limit(limit)
