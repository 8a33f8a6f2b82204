"""What is already in a bag that is being written: path, size and both hashes of each file, in a file beside it.

The only importer of the standard library's sqlite3: a journal of a million files must neither fill the memory nor be
read as a whole.  A line that a power cut loses only means that one file is written again.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Written:
    """A file of the payload.  ``path`` is relative to the bag; hashes are hex."""

    path: str
    size: int
    sha256: str
    sha512: str


class Journal:
    """Used by one process at a time; ``with`` closes it."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, sha256 TEXT, sha512 TEXT)"
        )

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def note(self, written: Written) -> None:
        """Remember a file that is completely written; an earlier note of the same path is replaced."""
        row = (written.path, written.size, written.sha256, written.sha512)
        self._connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", row)

    def find(self, path: str) -> Written | None:
        """What was noted of a path."""
        row = self._connection.execute("SELECT * FROM files WHERE path = ?", (path,)).fetchone()
        return Written(*row) if row else None

    def under(self, prefix: str = "") -> Iterator[Written]:
        """Every file whose path begins with ``prefix``, by path."""
        end = prefix + "\U0010ffff"
        rows = self._connection.execute("SELECT * FROM files WHERE path >= ? AND path < ? ORDER BY path", (prefix, end))
        return (Written(*row) for row in rows)

    def totals(self) -> tuple[int, int]:
        """Octets and files."""
        row = self._connection.execute("SELECT COALESCE(SUM(size), 0), COUNT(*) FROM files").fetchone()
        return int(row[0]), int(row[1])
