"""A synthetic catalogue: recordings, orders and links as rows, put into SQLite and PostgreSQL in bulk.

Recordings only, without their objects and turns, which the measured queries do not read.  They end at ``now`` and are
spread evenly over two years and eight days, so that as many have reached their date as some days without a disposal
would leave.  Rows are made once for all databases, and indexes after the rows.
"""

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Column, Dialect, Table
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex, DropIndex

from archive.catalogue import Recording
from core.database import Base
from core.ids import new_id
from core.settings import Settings
from retention.rule import keep_until
from workorders.orders import Link, WorkOrder

SPAN = timedelta(days=2 * 365 + 8)
RULE = Settings()
AGENTS = 200
TEAMS = 10
CHUNK = 20_000
FILLED = (WorkOrder, Recording, Link)
FACTS = json.dumps({"streams": [{"party": side, "codec": "PCMA", "packets": 9000} for side in ("agent", "citizen")]})


@dataclass(frozen=True)
class Catalogue:
    """``size`` recordings up to ``now``; every second one belongs to an order, and a person is called twice."""

    size: int
    now: datetime

    @property
    def persons(self) -> int:
        return max(1, self.size // 2)

    @property
    def orders(self) -> int:
        return max(1, self.size // 4)

    def person(self, number: int) -> str:
        """A synthetic telephone number."""
        return f"138{number:08d}"

    def agent(self, number: int) -> str:
        """An extension."""
        return str(8000 + number)

    def team(self, agent: int) -> str:
        return f"{agent % TEAMS + 1}组"

    def order(self, number: int) -> str:
        return f"BENCH-{number:08d}"

    def began(self, number: int) -> datetime:
        return self.now - SPAN + SPAN * number / self.size

    def recordings(self) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Each recording's row, and that of its link if it has one; the same each time but for the identifiers."""
        chosen = random.Random(1)
        for number in range(self.size):
            began = self.began(number)
            agent = chosen.randrange(AGENTS)
            parties = {
                "agent_number": self.agent(agent),
                "agent_name": f"回访员{agent % 100}",
                "team": self.team(agent),
            }
            row = _recording(began, {**parties, "citizen_number": self.person(chosen.randrange(self.persons))})
            link = _link(row, self.order(chosen.randrange(self.orders))) if number % 2 else None
            yield row, link

    def order_rows(self) -> Iterator[dict[str, Any]]:
        for number in range(self.orders):
            yield {
                "number": self.order(number), "unit": f"单位{number % 50}", "status": "办结", "raw": "{}",
                "row_sha256": "0" * 64, "imported_at": self.now, "updated_at": self.now,
            }  # fmt: skip


def _recording(began: datetime, parties: dict[str, str]) -> dict[str, Any]:
    identifier = new_id(began)
    ended = began + timedelta(seconds=90)
    return {
        "id": identifier, "sip_call_id": f"{identifier}@gateway.test", "started_at": began, "ended_at": ended,
        **parties, "agent_person": parties["agent_number"], "citizen_person": parties["citizen_number"],
        "duration_ms": 90_000, "citizen_name": "测试市民", "flags": "[]", "facts": FACTS, "sealed_at": ended,
        "text_state": "done", "text_version": 1, "text_final_at": ended, "text_confidence": 0.9, "interrupted": False,
        "held": False, "life": "kept",
        "retain_until": keep_until(RULE, ended),
    }  # fmt: skip


def _link(recording: dict[str, Any], order: str) -> dict[str, Any]:
    return {
        "id": new_id(), "recording_id": recording["id"], "work_order": order, "how": "signalled", "by": "system",
        "at": recording["ended_at"],
    }  # fmt: skip


async def load(url: str, catalogue: Catalogue) -> None:
    """Fill the empty tables of one database."""
    await load_all([url], catalogue, lambda _: None)


async def load_all(urls: Sequence[str], catalogue: Catalogue, tell: Callable[[int], None]) -> None:
    """Fill the empty tables at all ``urls``; ``tell`` is called with how many recordings are there."""
    async with AsyncExitStack() as stack:
        targets = [await stack.enter_async_context(_target(url)) for url in urls]
        done = 0
        for table, rows in _batches(catalogue):
            values = [_complete(table, row) for row in rows]
            await asyncio.gather(*(insert(table, values) for insert in targets))
            done += len(rows) * (table.name == Recording.__tablename__)
            tell(done)


Batch = tuple[Table, list[dict[str, Any]]]
Insert = Callable[[Table, list[list[Any]]], Awaitable[None]]


def _batches(catalogue: Catalogue) -> Iterator[Batch]:
    """Rows by table, orders before the links that name them."""
    orders, recordings, links = (Base.metadata.tables[each.__tablename__] for each in FILLED)
    for chunk in _chunks(catalogue.order_rows()):
        yield orders, chunk
    for chunk in _chunks(catalogue.recordings()):
        yield recordings, [row for row, _ in chunk]
        yield links, [link for _, link in chunk if link]


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        yield chunk


def _complete(table: Table, row: dict[str, Any]) -> list[Any]:
    """The row's values in the order of the table's columns; what it leaves out is empty, 0 or null."""
    return [row[column.name] if column.name in row else _nothing(column) for column in table.columns]


def _nothing(column: Column[Any]) -> Any:
    if column.nullable:
        return None
    return "" if column.type.python_type is str else 0


def _target(url: str) -> AbstractAsyncContextManager[Insert]:
    return _sqlite(url) if make_url(url).get_backend_name() == "sqlite" else _postgres(url)


def _indexes(dialect: Dialect) -> tuple[list[str], list[str]]:
    """Statements that drop the indexes of the tables to be filled, and that create them."""
    indexes = [index for each in FILLED for index in sorted(Base.metadata.tables[each.__tablename__].indexes, key=str)]
    drop = [str(DropIndex(index).compile(dialect=dialect)) for index in indexes]
    return drop, [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Insert]:
    address = make_url(url)
    connection = await asyncpg.connect(
        host=address.host, port=address.port, user=address.username, database=address.database
    )

    async def insert(table: Table, values: list[list[Any]]) -> None:
        await connection.copy_records_to_table(table.name, records=values, columns=table.columns.keys())

    drop, create = _indexes(address.get_dialect()())
    try:
        for statement in drop:
            await connection.execute(statement)
        yield insert
        for statement in create:
            await connection.execute(statement)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


@asynccontextmanager
async def _sqlite(url: str) -> AsyncIterator[Insert]:
    path = make_url(url).database
    assert path
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    async def run(statements: Sequence[str]) -> None:
        for statement in statements:
            await asyncio.to_thread(connection.execute, statement)

    async def insert(table: Table, values: list[list[Any]]) -> None:
        await asyncio.to_thread(_insert_sqlite, connection, table, values)

    drop, create = _indexes(make_url(url).get_dialect()())
    try:
        # One transaction for all: nobody else has the file yet, and it need not survive a loss of power.
        await run(["PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000", "BEGIN IMMEDIATE", *drop])
        yield insert
        await run([*create, "COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)"])
    finally:
        connection.close()


def _insert_sqlite(connection: sqlite3.Connection, table: Table, values: list[list[Any]]) -> None:
    marks = ", ".join("?" * len(table.columns))
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    plain = ([_for_sqlite(value) for value in row] for row in values)
    connection.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", plain)  # noqa: S608


def _for_sqlite(value: Any) -> Any:
    """As SQLAlchemy's types write it."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value
