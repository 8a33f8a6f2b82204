"""What the ledger says was sealed, in the order of keys.

The ledger is in the order of time and store and catalogue are in the order of keys, so what it says is sorted in a
temporary file (SQLite's, removed when closed): memory stays flat however long the ledger is.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from core.database import Database
from core.ledger import LedgerRow

PAGE = 2000
_TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -32000;
    CREATE TABLE said (key TEXT, version_id TEXT, sha256 TEXT, size INTEGER, seq INTEGER, subject TEXT,
                       PRIMARY KEY (key, version_id)) WITHOUT ROWID;
    CREATE TABLE disposed (subject TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE retained (subject TEXT PRIMARY KEY, until TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Said:
    """One object version, as the ledger row that sealed it tells it."""

    key: str
    version_id: str
    sha256: str
    size: int
    seq: int
    subject: str


class SealedIndex:
    """Filled by ``catch_up``; ``close`` removes the temporary file."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._file.executescript(_TABLES)
        self.size = 0

    def close(self) -> None:
        self._file.close()

    async def catch_up(self, database: Database) -> None:
        """Take in the rows that were added since the last time; rows that are no entries are left to ``ledger.check``,
        which names them."""
        while True:
            async with database.read() as session:
                query = select(LedgerRow.seq, LedgerRow.leaf).where(LedgerRow.seq >= self.size)
                rows = (await session.execute(query.order_by(LedgerRow.seq).limit(PAGE))).all()
            if not rows:
                return
            await asyncio.to_thread(self.add, [(row.seq, row.leaf) for row in rows])

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Take in leaves with their places in the log; blocking."""
        said, disposed, retained = list[tuple[Any, ...]](), list[tuple[str]](), list[tuple[str, str]]()
        for seq, leaf in rows:
            self.size = seq + 1
            entry = _entry(leaf)
            if entry is None:
                continue
            subject, facts = str(entry["subject"]), entry["facts"]
            said += [_object(item, seq, subject) for item in facts.get("objects", ()) if "version_id" in item]
            if entry["kind"] == "disposed":
                disposed.append((subject,))
            if "retain_until" in facts:
                retained.append((subject, str(facts["retain_until"])))
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR IGNORE INTO said VALUES (?, ?, ?, ?, ?, ?)", said)
        self._file.executemany("INSERT OR IGNORE INTO disposed VALUES (?)", disposed)
        self._file.executemany(
            "INSERT INTO retained VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET until = max(until, excluded.until)",
            retained,
        )
        self._file.execute("COMMIT")

    async def by_key(self) -> AsyncIterator[Said]:
        """Everything that was ever sealed, in the order of keys."""
        last = ("", "")
        while page := await asyncio.to_thread(self._page, last):
            for said in page:
                yield said
            last = (page[-1].key, page[-1].version_id)

    def _page(self, last: tuple[str, str]) -> Sequence[Said]:
        query = "SELECT * FROM said WHERE (key, version_id) > (?, ?) ORDER BY key, version_id LIMIT ?"
        return [Said(*row) for row in self._file.execute(query, (*last, PAGE))]

    def all(self) -> Sequence[Said]:
        """Everything at once, for an index of one recording."""
        return [Said(*row) for row in self._file.execute("SELECT * FROM said ORDER BY seq")]

    def of_key(self, key: str) -> Sequence[Said]:
        """What was sealed under one key."""
        return [Said(*row) for row in self._file.execute("SELECT * FROM said WHERE key = ? ORDER BY seq", (key,))]

    def is_disposed(self, subject: str) -> bool:
        """Whether the ledger tells of a recording's disposal."""
        return self._file.execute("SELECT 1 FROM disposed WHERE subject = ?", (subject,)).fetchone() is not None

    def retained(self, subject: str) -> str:
        """Until when the ledger says that a recording is kept (ISO 8601 in UTC), or an empty string."""
        found = self._file.execute("SELECT until FROM retained WHERE subject = ?", (subject,)).fetchone()
        return str(found[0]) if found else ""


def _entry(leaf: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(leaf)
    except ValueError:
        return None
    whole = isinstance(entry, dict) and {"kind", "subject", "facts"} <= entry.keys()
    return entry if whole and isinstance(entry["facts"], dict) else None


def _object(item: dict[str, Any], seq: int, subject: str) -> tuple[Any, ...]:
    return item["key"], item["version_id"], item["sha256"], item["size"], seq, subject
