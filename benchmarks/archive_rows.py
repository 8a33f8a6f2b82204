"""A synthetic catalogue: recordings, orders and links as rows, put into SQLite or PostgreSQL in bulk.

Recordings only, without their objects and turns, which the measured queries do not read.  They end at ``now`` and are
spread evenly over two years and eight days, so that as many have reached their date as some days without a disposal
would leave.
"""

import json
import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Column, Table
from sqlalchemy.engine import make_url

from archive.catalogue import Recording
from core.database import Base
from core.ids import new_id
from core.settings import Settings
from retention.rule import keep_until
from workorders.orders import Link, WorkOrder

SPAN = timedelta(days=2 * 365 + 8)
RULE = Settings()
AGENTS = 200
CHUNK = 20_000
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

    def order(self, number: int) -> str:
        return f"BENCH-{number:08d}"

    def began(self, number: int) -> datetime:
        return self.now - SPAN + SPAN * number / self.size

    def recordings(self) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Each recording's row, and that of its link if it has one; the same each time but for the identifiers."""
        chosen = random.Random(1)
        for number in range(self.size):
            began = self.began(number)
            row = _recording(began, self.person(chosen.randrange(self.persons)), 8000 + chosen.randrange(AGENTS))
            link = _link(row, self.order(chosen.randrange(self.orders))) if number % 2 else None
            yield row, link

    def order_rows(self) -> Iterator[dict[str, Any]]:
        for number in range(self.orders):
            yield {
                "number": self.order(number), "unit": f"单位{number % 50}", "status": "办结", "raw": "{}",
                "row_sha256": "0" * 64, "imported_at": self.now, "updated_at": self.now,
            }  # fmt: skip


def _recording(began: datetime, citizen: str, agent: int) -> dict[str, Any]:
    identifier = new_id(began)
    ended = began + timedelta(seconds=90)
    return {
        "id": identifier, "sip_call_id": f"{identifier}@gateway.test", "started_at": began, "ended_at": ended,
        "duration_ms": 90_000, "agent_number": str(agent), "agent_name": f"回访员{agent % 100}",
        "citizen_number": citizen, "citizen_name": "测试市民", "flags": "[]", "facts": FACTS, "sealed_at": ended,
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
    """Fill the empty tables at ``url``."""
    into = _into_sqlite if make_url(url).get_backend_name() == "sqlite" else _into_postgres
    await into(url, _batches(catalogue))


Batch = tuple[Table, list[dict[str, Any]]]


def _batches(catalogue: Catalogue) -> Iterator[Batch]:
    """Rows by table, orders before the links that name them."""
    tables = Base.metadata.tables
    for orders in _chunks(catalogue.order_rows()):
        yield tables[WorkOrder.__tablename__], orders
    for chunk in _chunks(catalogue.recordings()):
        yield tables[Recording.__tablename__], [row for row, _ in chunk]
        yield tables[Link.__tablename__], [link for _, link in chunk if link]


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        yield chunk


def _complete(table: Table, row: dict[str, Any]) -> list[Any]:
    """The row's values in the order of the table's columns; what it leaves out is empty, 0 or null."""
    return [row.get(column.name, _nothing(column)) for column in table.columns]


def _nothing(column: Column[Any]) -> Any:
    if column.nullable:
        return None
    return "" if column.type.python_type is str else 0


async def _into_postgres(url: str, batches: Iterable[Batch]) -> None:
    address = make_url(url)
    connection = await asyncpg.connect(
        host=address.host, port=address.port, user=address.username, database=address.database
    )
    try:
        for table, rows in batches:
            await connection.copy_records_to_table(
                table.name, records=[_complete(table, row) for row in rows], columns=table.columns.keys()
            )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _into_sqlite(url: str, batches: Iterable[Batch]) -> None:
    path = make_url(url).database
    assert path
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table, rows in batches:
            marks = ", ".join("?" * len(table.columns))
            names = ", ".join(f'"{column.name}"' for column in table.columns)
            values = [[_for_sqlite(value) for value in _complete(table, row)] for row in rows]
            connection.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", values)  # noqa: S608
    connection.close()


def _for_sqlite(value: Any) -> Any:
    """As SQLAlchemy's types write it."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value
