"""Every table of every package, found by reading the sources, so that a new one is never forgotten in tests."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection

from archive.search_index import create_index
from core.database import Base

ROOT = Path(__file__).parent.parent
PACKAGES: Sequence[str] = (
    *("core", "telephony", "transcription", "archive", "workorders", "reporting", "retention", "api", "service"),
)


def import_all() -> None:
    """Import each module that declares a table."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "\n    __tablename__" in path.read_text(encoding="utf-8"):
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def create_all(connection: Connection) -> None:
    """Create every table and the search index."""
    import_all()
    Base.metadata.create_all(connection)
    create_index(connection)
