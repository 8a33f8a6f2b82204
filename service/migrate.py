"""The schema, from empty to head, on SQLite and PostgreSQL (Alembic).

Importing this module imports every package's tables, so that ``METADATA`` is complete.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

import api.access.accounts
import api.access.attempts
import api.access.second_factor
import api.access.sessions
import api.access.tokens
import api.idempotency
import api.persons
import api.preferences
import api.saved_searches
import api.webhooks.tables
import archive.catalogue
import archive.comments
import archive.drafts
import archive.live_calls
import archive.pausing
import archive.peaks
import archive.redaction_copies
import archive.shares
import archive.teams
import core.alerts
import core.dictionaries
import core.effective
import core.heartbeats
import core.jobs
import core.ledger
import reporting.reports
import retention.disposal
import retention.handover.tables
import retention.holds
import workorders.orders
from core.database import Base, Database
from core.settings import Settings

METADATA = Base.metadata
TABLE_MODULES = (
    api.access.accounts,
    api.access.attempts,
    api.access.second_factor,
    api.access.sessions,
    api.access.tokens,
    api.idempotency,
    api.persons,
    api.preferences,
    api.saved_searches,
    api.webhooks.tables,
    archive.catalogue,
    archive.comments,
    archive.drafts,
    archive.live_calls,
    archive.pausing,
    archive.peaks,
    archive.redaction_copies,
    archive.shares,
    archive.teams,
    core.alerts,
    core.dictionaries,
    core.effective,
    core.heartbeats,
    core.jobs,
    core.ledger,
    reporting.reports,
    retention.disposal,
    retention.holds,
    retention.handover.tables,
    workorders.orders,
)
# An arbitrary constant: PostgreSQL's advisory lock under which only one process migrates.
MIGRATION_LOCK = 0x68756979696E


def belongs_to_models(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """The search index is made by hand (FTS5's tables, hashed keys), outside the models."""
    return not (kind in ("table", "index", "column") and (name or "").startswith(("spoken", "ix_spoken")))


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema; several processes may call it at once.  ``Unavailable`` when it does not
    answer."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    try:
        await database.ping()
        with _one_at_a_time(settings.data_dir / ".migrate.lock"):
            async with database.engine.connect() as connection:
                await connection.run_sync(upgrade)
                await connection.commit()
    finally:
        await database.close()


def upgrade(connection: Connection) -> None:
    """From whatever there is to head, inside the caller's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    command.upgrade(configuration(connection), "head")


def differences(connection: Connection) -> list[Any]:
    """What autogenerate would still change: empty when the head equals the models."""
    options = {"include_object": belongs_to_models, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """SQLite has no advisory locks: the processes that share its file share this one too."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
