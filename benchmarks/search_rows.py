"""The turns and the search rows of a synthetic catalogue, put into SQLite or PostgreSQL in bulk."""

import asyncio
import io
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from uuid import UUID

import asyncpg
import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.engine import make_url

from archive.catalogue import Recording
from archive.folding import folded_text
from archive.search_index import (
    ON_POSTGRES,
    ON_SHELF,
    TABLE,
    WORDS,
    hashes_of,
    keys_from,
    place_of,
    tokens_of,
    word_of,
)
from benchmarks.search_talk import TURNS, Talk
from core.database import Database

CHUNK = 2_000
BIGINT_OID = 20
SPOKEN_COLUMNS = ("place", "recording_id", "text", "keys")
COLUMNS = (
    *("id", "recording_id", "version", "ordinal", "party", "start_ms", "end_ms", "text", "confidence", "overlaps"),
    "words",
)
Call = tuple[UUID, datetime]


@dataclass(frozen=True)
class Prepared:
    """One call as it is stored: its turns, each folded line with its tokens, and where it stands."""

    number: int
    identifier: UUID
    place: int
    turns: Sequence[str]
    lines: Sequence["_Line"]

    @property
    def folded(self) -> str:
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True)
class _Line:
    """A folded line.  Half of what is said is said in every call, so that most lines are made but once."""

    text: str

    @cached_property
    def short_tokens(self) -> frozenset[str]:
        return frozenset(tokens_of(self.text, ON_SHELF))

    @cached_property
    def hashes(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return hashes_of(tokens_of(self.text))


def prepared(calls: Sequence[Call], talk: Talk, first: int) -> Iterator[Prepared]:
    """The words of calls that are numbered from ``first``."""
    for number, (identifier, began) in enumerate(calls, first):
        turns = talk.call(number)
        yield Prepared(number, identifier, place_of(began, identifier), turns, [_line(turn) for turn in turns])


@lru_cache(maxsize=1 << 16)
def _line(turn: str) -> _Line:
    return _Line(folded_text(turn))


async def calls_of(url: str) -> list[Call]:
    """Every recording, oldest first."""
    database = Database(url)
    async with database.read() as session:
        rows = (await session.execute(select(Recording.id, Recording.started_at).order_by(Recording.started_at))).all()
    await database.close()
    return [(row.id, row.started_at) for row in rows]


async def load(url: str, talk: Talk) -> int:
    """Fill the empty tables of turns and search rows at ``url``; returns how many recordings."""
    calls = await calls_of(url)
    if make_url(url).get_backend_name() == "sqlite":
        _into_sqlite(url, calls, talk)
    else:
        await _into_postgres(url, calls, talk)
    return len(calls)


def _chunks(calls: Sequence[Call], talk: Talk) -> Iterator[list[Prepared]]:
    for first in range(0, len(calls), CHUNK):
        yield list(prepared(calls[first : first + CHUNK], talk, first))


async def _into_postgres(url: str, calls: Sequence[Call], talk: Talk) -> None:
    """By COPY; the index is built afterwards, which takes a tenth of the time of keeping it up."""
    address = make_url(url)
    reached = {"host": address.host, "port": address.port, "user": address.username, "database": address.database}
    one, other = await asyncpg.connect(**reached), await asyncpg.connect(**reached)
    try:
        await one.execute("SET maintenance_work_mem = '1500MB'")
        await one.execute(f"DROP INDEX ix_{TABLE}_keys")
        for chunk in _chunks(calls, talk):
            turns, spoken = _turn_lines(chunk), _spoken_rows(chunk)
            await asyncio.gather(
                one.copy_to_table("turns", source=turns, columns=COLUMNS),
                other.copy_to_table(TABLE, source=spoken, columns=SPOKEN_COLUMNS, format="binary"),
            )
        print(f"postgres: {len(calls) * TURNS:,} turns copied; building the index", flush=True)
        await one.execute(ON_POSTGRES[-1])
        await one.execute("SELECT setval(pg_get_serial_sequence('turns', 'id'), max(id)) FROM turns")
        await one.execute("VACUUM (ANALYZE) turns")
        await one.execute(f"VACUUM (ANALYZE) {TABLE}")
    finally:
        await one.close()
        await other.close()


def _turn_lines(chunk: Sequence[Prepared]) -> io.BytesIO:
    """COPY's text form.  No text of ours holds a tab, a line's end or a backslash."""
    lines = [
        f"{call.number * TURNS + at + 1}\t{call.identifier}\t1\t{at}\t{'agent' if at % 2 == 0 else 'citizen'}\t"
        f"{at * 4500}\t{at * 4500 + 4200}\t{turn}\t0.9\tf\t[]\n"
        for call in chunk
        for at, turn in enumerate(call.turns)
    ]
    return io.BytesIO("".join(lines).encode())


def _spoken_rows(chunk: Sequence[Prepared]) -> io.BytesIO:
    """COPY's binary form: arrays of a thousand keys are copied as they lie in memory."""
    parts = [b"PGCOPY\n\xff\r\n\0", struct.pack("!ii", 0, 0)]
    for call in chunk:
        text, keys = call.folded.encode(), _keys(call)
        elements = np.empty(len(keys), dtype=[("size", ">i4"), ("key", ">i8")])
        elements["size"], elements["key"] = 8, keys
        array = struct.pack("!iiIii", 1, 0, BIGINT_OID, len(keys), 1) + elements.tobytes()
        parts += [struct.pack("!hiqi", 4, 8, call.place, 16), call.identifier.bytes]
        parts += [struct.pack("!i", len(text)), text, struct.pack("!i", len(array)), array]
    return io.BytesIO(b"".join([*parts, struct.pack("!h", -1)]))


def _keys(call: Prepared) -> npt.NDArray[np.int64]:
    hashes = [line.hashes for line in call.lines]
    return keys_from(call.place, *(np.concatenate(each) for each in zip(*hashes, strict=True)))


def _into_sqlite(url: str, calls: Sequence[Call], talk: Talk) -> None:
    path = make_url(url).database
    assert path
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    for chunk in _chunks(calls, talk):
        with connection:
            marks = ", ".join("?" * len(COLUMNS))
            connection.executemany(
                f"INSERT INTO turns ({', '.join(COLUMNS)}) VALUES ({marks})",  # noqa: S608
                (row for call in chunk for row in _turn_rows(call)),
            )
            connection.executemany(
                f"INSERT INTO {TABLE} (place, recording_id, text) VALUES (?, ?, ?)",  # noqa: S608
                [(call.place, call.identifier.hex, call.folded) for call in chunk],
            )
            connection.executemany(
                f"INSERT INTO {WORDS} (rowid, words) VALUES (?, ?)",  # noqa: S608
                [(call.place, " ".join(map(word_of, _short_tokens(call)))) for call in chunk],
            )
    connection.close()


def _short_tokens(call: Prepared) -> frozenset[str]:
    return frozenset[str]().union(*(line.short_tokens for line in call.lines))


def _turn_rows(call: Prepared) -> Iterator[tuple[object, ...]]:
    for at, turn in enumerate(call.turns):
        party = "agent" if at % 2 == 0 else "citizen"
        yield (
            *(call.number * TURNS + at + 1, call.identifier.hex, 1, at, party, at * 4500, at * 4500 + 4200, turn),
            *(0.9, 0, "[]"),
        )
