"""The index of spoken words: one row for each recording, with its folded text and the keys under which it is found.

A row's **place** is its call's beginning in milliseconds, then 21 bits of its identifier: a number, the larger the
newer.  A **shelf** is a stretch of 2**26 milliseconds (18.6 hours) of places.

On PostgreSQL a GIN index holds keys of two kinds.  One stands for one or two neighbouring characters *on one shelf*:
what was said often is looked up shelf by shelf, newest first, and the rest of two years is never touched.  The other
stands for up to three characters *anywhere*: what was said seldom is looked up once, and gives little to sort.  On
SQLite one and two characters are words of an FTS5 table, which reads its lists from their newest end by itself.

Telephone and identity numbers are masked before they are indexed: what pages hide cannot be asked for digit by digit.

A key begins with a hash.  Keys only find candidates: the folded text of each is compared before it counts.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID
from zlib import crc32

import numpy as np
import numpy.typing as npt
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, Uuid, delete, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording, TurnRow
from archive.folding import folded_text
from core.logging import mask_numbers

TABLE = "spoken"
WORDS = "spoken_words"
SPOKEN = Table(
    TABLE,
    MetaData(),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("recording_id", Uuid, nullable=False, unique=True),
    # A line for each turn: the line's number is the turn's ordinal.
    Column("text", Text, nullable=False),
    Column("keys", ARRAY(BigInteger), nullable=False),
)
ON_SQLITE = (
    f"CREATE TABLE {TABLE} (place INTEGER PRIMARY KEY, recording_id CHAR(32) NOT NULL UNIQUE, text TEXT NOT NULL)",
    f"CREATE VIRTUAL TABLE {WORDS} USING fts5(words, tokenize='ascii', detail=none, columnsize=0)",
)
ON_POSTGRES = (
    f"CREATE TABLE {TABLE} (place bigint PRIMARY KEY, recording_id uuid NOT NULL UNIQUE, text text NOT NULL, "
    "keys bigint[] NOT NULL)",
    # Keys are hashes, which nothing compresses and nobody reads here: out of the way of the text.
    f"ALTER TABLE {TABLE} ALTER COLUMN keys SET STORAGE EXTERNAL",
    # Without a list of what is pending, which each of a search's hundred lookups would read from end to end.
    f"CREATE INDEX ix_{TABLE}_keys ON {TABLE} USING gin (keys) WITH (fastupdate = off)",
)
ID_BITS = 21
SHELF_BITS = 26 + ID_BITS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
# No call is so old that this could be its shelf.
ANYWHERE = 0
# Neighbouring characters that a key on a shelf, and one for anywhere, may stand for.
ON_SHELF, AT_MOST = 2, 3


def place_of(started_at: datetime, recording_id: UUID | None = None) -> int:
    """The place of a recording; without one, the first place of that millisecond."""
    low = recording_id.int & ((1 << ID_BITS) - 1) if recording_id else 0
    return ((started_at - EPOCH) // MILLISECOND) << ID_BITS | low


def moment_of(place: int) -> datetime:
    """The millisecond at which the recording at this place began."""
    return EPOCH + (place >> ID_BITS) * MILLISECOND


def tokens_of(line: str, longest: int = AT_MOST) -> set[str]:
    """The characters of a folded line, alone and with their right neighbours."""
    return {line[at : at + length] for length in range(1, longest + 1) for at in range(len(line) - length + 1)}


@lru_cache(maxsize=1 << 17)
def hash_of(token: str) -> int:
    """31 bits of a token."""
    return crc32(token.encode()) >> 1


def keys_on(shelves: npt.NDArray[np.int64], token: str) -> npt.NDArray[np.int64]:
    """The key of a token on each of these shelves.  They lie side by side: the index reads few pages for them all."""
    return shelves + (hash_of(token) << 32)


def key_anywhere(token: str) -> int:
    """The key of a token wherever it stands."""
    return (hash_of(token) << 32) + ANYWHERE


def row_keys(place: int, tokens: Iterable[str]) -> npt.NDArray[np.int64]:
    """The keys of one row, in order."""
    return keys_from(place, *hashes_of(tokens))


def hashes_of(tokens: Iterable[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The upper halves of the keys of what stands on shelves, and of the rest."""
    short, long = list[int](), list[int]()
    for token in tokens:
        (short if len(token) <= ON_SHELF else long).append(hash_of(token) << 32)
    return np.array(short, dtype=np.int64), np.array(long, dtype=np.int64)


def keys_from(place: int, short: npt.NDArray[np.int64], long: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The keys of a row at this place, of what ``hashes_of`` gives."""
    return np.unique(np.concatenate((short + (place >> SHELF_BITS), short + ANYWHERE, long + ANYWHERE)))


def word_of(token: str) -> str:
    """A token as FTS5's ``ascii`` tokenizer takes it for one word."""
    return "".join(f"{ord(character):04x}" for character in token)


def is_sqlite(session: AsyncSession) -> bool:
    """Whether the session is on SQLite."""
    return session.get_bind().dialect.name == "sqlite"


async def index_turns(session: AsyncSession, turns: Sequence[TurnRow]) -> None:
    """Add the turns of recordings that are in the catalogue and not in the index, in the caller's transaction."""
    ordered = sorted(turns, key=lambda turn: (str(turn.recording_id), turn.ordinal))
    texts = {identifier: text_of(group) for identifier, group in groupby(ordered, key=lambda turn: turn.recording_id)}
    if not texts:
        return
    began = await session.execute(
        select(Recording.id, Recording.started_at).where(Recording.id.in_(texts)).order_by(Recording.id)
    )
    wanted = [(place_of(row.started_at, row.id), row.id) for row in began]
    taken = set(await session.scalars(select(SPOKEN.c.place).where(SPOKEN.c.place.in_([each for each, _ in wanted]))))
    rows = []
    for place, identifier in wanted:
        # Two calls of one millisecond whose identifiers end alike: the next place is as good.
        while place in taken:
            place += 1
        taken.add(place)
        rows.append((place, identifier, texts[identifier]))
    await _insert(session, rows)


def text_of(turns: Iterable[TurnRow]) -> str:
    """The folded text of one recording's turns, which come in order, each in the line of its ordinal."""
    lines: list[str] = []
    for turn in turns:
        lines += [""] * (turn.ordinal - len(lines))
        lines.append(folded_text(mask_numbers(turn.text)))
    return "\n".join(lines)


async def _insert(session: AsyncSession, rows: Sequence[tuple[int, UUID, str]]) -> None:
    plain: list[dict[str, Any]] = [{"place": at, "recording_id": whose, "text": said} for at, whose, said in rows]
    longest = ON_SHELF if is_sqlite(session) else AT_MOST
    tokens = [(at, set[str]().union(*(tokens_of(line, longest) for line in said.split("\n")))) for at, _, said in rows]
    if not is_sqlite(session):
        keyed = [{**row, "keys": row_keys(at, each).tolist()} for row, (at, each) in zip(plain, tokens, strict=True)]
        await session.execute(SPOKEN.insert(), keyed)
        return
    await session.execute(SPOKEN.insert(), plain)
    words = [{"place": at, "words": " ".join(map(word_of, each))} for at, each in tokens]
    await session.execute(text(f"INSERT INTO {WORDS} (rowid, words) VALUES (:place, :words)"), words)  # noqa: S608


async def remove_turns(session: AsyncSession, *recordings: UUID) -> None:
    """Remove recordings' turns from the index and from the catalogue, in the caller's transaction."""
    if is_sqlite(session):
        places = await session.scalars(select(SPOKEN.c.place).where(SPOKEN.c.recording_id.in_(recordings)))
        gone = [{"place": place} for place in places]
        if gone:
            await session.execute(text(f"DELETE FROM {WORDS} WHERE rowid = :place"), gone)  # noqa: S608
    await session.execute(SPOKEN.delete().where(SPOKEN.c.recording_id.in_(recordings)))
    quiet = {"synchronize_session": False}
    await session.execute(delete(TurnRow).where(TurnRow.recording_id.in_(recordings)), execution_options=quiet)


async def indexed(session: AsyncSession) -> int:
    """How many recordings the index holds."""
    return int(await session.scalar(select(func.count()).select_from(SPOKEN)) or 0)


def create_index(connection: Connection) -> None:
    """Create the index's tables; for the migration and for tests."""
    for statement in ON_SQLITE if connection.dialect.name == "sqlite" else ON_POSTGRES:
        connection.execute(text(statement))


def drop_index(connection: Connection) -> None:
    """Undo ``create_index``."""
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"DROP TABLE {WORDS}"))
    connection.execute(text(f"DROP TABLE {TABLE}"))
