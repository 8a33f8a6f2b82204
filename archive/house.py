"""What the archive's functions work on: a database, an object store and a clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from archive.store import ObjectStore
from core.clock import Clock
from core.database import Database

# Runs inside the transaction that seals: enqueues the next jobs, for example.
Then = Callable[[AsyncSession], Awaitable[None]]


@dataclass(frozen=True)
class Archive:
    """Store first, catalogue and ledger second: every function of this package keeps to that order."""

    database: Database
    store: ObjectStore
    clock: Clock
