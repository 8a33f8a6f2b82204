"""Search in spoken words: an index of single and double characters, every candidate checked against the text.

Text is folded one character at a time (NFKD, case, no marks, no punctuation, no space) and every pair of neighbours
becomes a token.  So a term of any length is found wherever it stands, in Chinese, Latin letters or digits, and nothing
is found where it does not stand.  Tokens are written in hexadecimal: no database needs to know any language.
"""

import unicodedata
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, column, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import TurnRow

TABLE = "turn_search"
# Of a longer query only the beginning is used: nobody remembers more of a sentence.
MAX_QUERY = 400
MAX_TERMS = 16
MAX_TOKENS = 64
BATCH = 200


@dataclass(frozen=True)
class Hit:
    """A turn that holds every term.  ``marks`` are (start, end) places in ``text``, in order, not overlapping."""

    recording_id: UUID
    ordinal: int
    start_ms: int
    end_ms: int
    party: str
    text: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Folded:
    """Text as it is compared, and for each of its characters the place in the original that it came from."""

    text: str
    places: tuple[int, ...]


@lru_cache(maxsize=65536)
def _fold_character(character: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(part for part in plain if part.isalnum())


def fold(original: str) -> Folded:
    """Fold character by character, so that a part of a text folds to a part of the folded text."""
    parts = [(part, place) for place, character in enumerate(original) for part in _fold_character(character)]
    return Folded("".join(part for part, _ in parts), tuple(place for _, place in parts))


def index_tokens(original: str) -> list[str]:
    """The distinct tokens of a turn: each pair of neighbours, and the last character alone."""
    folded = fold(original).text
    return list(dict.fromkeys(_token(folded[i : i + 2]) for i in range(len(folded))))


def query_terms(query: str) -> list[str]:
    """The folded terms of a query, which spaces separate; all of them must stand in a turn."""
    terms = (fold(part).text for part in query[:MAX_QUERY].split())
    return list(dict.fromkeys(term for term in terms if term))[:MAX_TERMS]


async def search(
    session: AsyncSession, text: str, *, limit: int = 50, offset: int = 0, within: Select[UUID] | None = None
) -> list[Hit]:
    """The turns that hold every term of ``text``, newest recording first, then in the order of speaking; ``within``
    selects the identifiers of the recordings that may be searched."""
    terms = query_terms(text)
    hits: list[Hit] = []
    if not terms or limit <= 0:
        return hits
    async with aclosing(_hits(session, terms, within)) as found:
        async for hit in found:
            if offset > 0:
                offset -= 1
                continue
            hits.append(hit)
            if len(hits) == limit:
                break
    return hits


async def _hits(
    session: AsyncSession, terms: Sequence[str], within: Select[UUID] | None
) -> AsyncGenerator[Hit, None]:
    # Only identifiers are sorted: whole rows, with the times of their words, are a hundred times as wide.
    ordered = (
        select(TurnRow.id)
        .where(TurnRow.id.in_(_candidates(session, terms)))
        .order_by(TurnRow.recording_id.desc(), TurnRow.ordinal)
        .execution_options(yield_per=BATCH)
    )
    if within is not None:
        ordered = ordered.where(TurnRow.recording_id.in_(within))
    candidates = await session.stream_scalars(ordered)
    try:
        async for identifiers in candidates.partitions():
            for turn in await _turns(session, identifiers):
                marks = find_marks(turn.text, terms)
                if marks:
                    yield Hit(turn.recording_id, turn.ordinal, turn.start_ms, turn.end_ms, turn.party, turn.text, marks)
    finally:
        await candidates.close()


async def _turns(session: AsyncSession, identifiers: Sequence[int]) -> list[TurnRow]:
    """The turns in the order of ``identifiers``."""
    found = {turn.id: turn for turn in await session.scalars(select(TurnRow).where(TurnRow.id.in_(identifiers)))}
    return [found[identifier] for identifier in identifiers if identifier in found]


def find_marks(original: str, terms: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Where the folded ``terms`` stand in ``original``; empty unless every one of them does."""
    folded = fold(original)
    found: list[tuple[int, int]] = []
    for term in terms:
        at = folded.text.find(term)
        if at < 0:
            return ()
        while at >= 0:
            found.append((folded.places[at], folded.places[at + len(term) - 1] + 1))
            at = folded.text.find(term, at + 1)
    return _merged(found)


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _candidates(session: AsyncSession, terms: Sequence[str]) -> ColumnElement[int]:
    """A subquery of the identifiers of turns that hold every token of every term."""
    prefixes = [_token(term) for term in terms if len(term) == 1]
    whole = [_token(term[i : i + 2]) for term in terms for i in range(len(term) - 1)]
    whole = list(dict.fromkeys(whole))[:MAX_TOKENS]
    if _is_sqlite(session):
        match = " AND ".join([*(f'"{token}"' for token in whole), *(f'"{token}" *' for token in prefixes)])
        query = text(f"SELECT rowid AS id FROM {TABLE} WHERE {TABLE} MATCH :match")  # noqa: S608
    else:
        match = " & ".join([*(f"'{token}'" for token in whole), *(f"'{token}':*" for token in prefixes)])
        query = text(f"SELECT turn_id AS id FROM {TABLE} WHERE tokens @@ CAST(:match AS tsquery)")  # noqa: S608
    return query.bindparams(match=match).columns(column("id")).scalar_subquery()


def _token(characters: str) -> str:
    return "".join(f"{ord(character):04x}" for character in characters)


def _is_sqlite(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


async def index_turns(session: AsyncSession, turns: Sequence[TurnRow]) -> None:
    """Add flushed turns to the index, in the caller's transaction."""
    if not turns:
        return
    if _is_sqlite(session):
        statement = text(f"INSERT INTO {TABLE} (rowid, tokens) VALUES (:id, :tokens)")  # noqa: S608
        rows = [{"id": turn.id, "tokens": " ".join(index_tokens(turn.text))} for turn in turns]
    else:
        statement = text(
            f"INSERT INTO {TABLE} (turn_id, tokens) "  # noqa: S608
            "VALUES (:id, array_to_tsvector(string_to_array(:tokens, ' ')))"
        )
        rows = [{"id": turn.id, "tokens": " ".join(index_tokens(turn.text))} for turn in turns]
    await session.execute(statement, rows)


async def remove_turns(session: AsyncSession, recording_id: UUID) -> None:
    """Remove a recording's turns from the index and from the catalogue, in the caller's transaction."""
    identifier = "rowid" if _is_sqlite(session) else "turn_id"
    turns = (await session.scalars(select(TurnRow.id).where(TurnRow.recording_id == recording_id))).all()
    if turns:
        statement = text(f"DELETE FROM {TABLE} WHERE {identifier} = :id")  # noqa: S608
        await session.execute(statement, [{"id": turn} for turn in turns])
    await session.execute(delete(TurnRow).where(TurnRow.recording_id == recording_id))


async def indexed(session: AsyncSession) -> int:
    """How many turns the index holds."""
    return int(await session.scalar(select(func.count()).select_from(text(TABLE))) or 0)


def create_index(connection: Connection) -> None:
    """Create the index table on SQLite (FTS5) or PostgreSQL (tsvector, GIN); for the migration and for tests."""
    if connection.dialect.name == "sqlite":
        connection.execute(
            text(f"CREATE VIRTUAL TABLE {TABLE} USING fts5(tokens, tokenize='ascii', detail=none, columnsize=0)")
        )
        return
    connection.execute(text(f"CREATE TABLE {TABLE} (turn_id bigint PRIMARY KEY, tokens tsvector NOT NULL)"))
    connection.execute(text(f"CREATE INDEX ix_{TABLE}_tokens ON {TABLE} USING gin (tokens)"))


def drop_index(connection: Connection) -> None:
    """Undo ``create_index``."""
    connection.execute(text(f"DROP TABLE {TABLE}"))
