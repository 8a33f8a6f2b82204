"""What is searched for in spoken words, and the conditions that both databases put alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording
from archive.search_index import SPOKEN, is_sqlite, place_of

# So many keys narrow the candidates; the text decides.
MAX_TOKENS = 8
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


@dataclass
class Places:
    """Places in falling order, and from where on nothing was looked at."""

    found: list[int] = field(default_factory=list)
    stopped_at: int | None = None


def bounds(wanted: Wanted) -> list[ColumnElement[bool]]:
    """The place lies within the time asked for, and behind the last page."""
    place = SPOKEN.c.place
    found: list[ColumnElement[bool]] = []
    if wanted.before is not None:
        found.append(place < wanted.before)
    if wanted.since:
        found.append(place >= place_of(wanted.since))
    if wanted.until:
        found.append(place < place_of(wanted.until))
    return found


def stands(session: AsyncSession, terms: Sequence[str]) -> list[ColumnElement[bool]]:
    """Every term stands in the text.  No term holds the line's end, so that none reaches into the next turn."""
    position = func.instr if is_sqlite(session) else func.strpos
    return [position(SPOKEN.c.text, term) > 0 for term in terms]


def met_by(conditions: Sequence[ColumnElement[bool]], recording_id: ColumnElement[Any]) -> Select[Any]:
    """The recording of this identifier, if it meets the conditions."""
    return select(literal(1)).where(Recording.id == recording_id, *conditions)


def narrowing_tokens(terms: Sequence[str], longest: int) -> list[str]:
    """What is looked up: pieces of ``longest`` characters that cover each term, then those between them while there is
    room; a shorter term is looked up as it is."""
    covering, between = list[str](), list[str]()
    for term in terms:
        last = max(len(term) - longest, 0)
        starts = {*range(0, last, longest), last}
        covering += [term[at : at + longest] for at in sorted(starts)]
        between += [term[at : at + longest] for at in range(last) if at not in starts]
    return list(dict.fromkeys([*covering, *between]))[:MAX_TOKENS]
