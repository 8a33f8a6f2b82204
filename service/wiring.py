"""Settings → the parts that processes are made of.  Nothing else constructs a database, a store or an engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from archive.connect import connect_store
from archive.house import Archive
from core.clock import utc_now
from core.database import Database
from core.errors import Unavailable
from core.rebuilding import refuse_while_rebuilding
from core.settings import Settings


@asynccontextmanager
async def open_archive(settings: Settings, *, rebuilding: bool = False) -> AsyncIterator[Archive]:
    """The archive on the configured database and store; both are closed at the end.  Nobody writes into a database that
    is being rebuilt, but who is ``rebuilding`` it."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            "the data directory cannot be made",
            directory=settings.data_dir,
            found=error.strerror,
            remedy="set HUIYIN_DATA_DIR to a directory that can be written",
        ) from error
    database = Database(settings.database, before_write=None if rebuilding else refuse_while_rebuilding)
    store = connect_store(settings.store)
    try:
        yield Archive(database=database, store=store, clock=utc_now)
    finally:
        await store.close()
        await database.close()
