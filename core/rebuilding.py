"""The mark of a database that is being rebuilt from the store, and what keeps everybody else from writing into it.

The mark is the rebuild's own job row.  It stays when a rebuild is killed: half a catalogue is nothing to work on, and
``huiyin rebuild`` goes on with it.
"""

from sqlalchemy import Exists, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Unavailable
from core.exclusion import lock_number
from core.jobs import RUNNING, JobRow

KIND, KEY = "rebuild", "store"
WRITERS = lock_number("writers")


class Rebuilding(Unavailable, ConnectionError):
    """The database is away for as long as its rebuild takes: whoever can wait for a database waits for this too."""


async def is_rebuilding(session: AsyncSession) -> bool:
    """Whether a rebuild is under way, or was interrupted."""
    return bool(await session.scalar(select(_marked())))


def _marked() -> Exists:
    return exists().where(JobRow.kind == KIND, JobRow.key == KEY, JobRow.state == RUNNING)


async def refuse_while_rebuilding(session: AsyncSession) -> None:
    """What each writing transaction begins with; ``Rebuilding`` while a rebuild runs or waits to be finished.

    On PostgreSQL writers share a lock that ``keep_writers_out`` takes alone, so that none is under way unseen when the
    mark is set; SQLite has one writer at a time."""
    if session.get_bind().dialect.name == "sqlite":
        free, marked = True, await is_rebuilding(session)
    else:
        asked = select(func.pg_try_advisory_xact_lock_shared(WRITERS), _marked())
        free, marked = (await session.execute(asked)).one()
    if marked or not free:
        raise Rebuilding(
            "数据库正在由存储重建，或重建被中断 / this database is being rebuilt, or its rebuild was interrupted",
            remedy="wait for `huiyin rebuild`, or run it again: it goes on where it was",
        )


async def keep_writers_out(session: AsyncSession) -> None:
    """Wait until no other transaction writes, and let none begin before this one has ended."""
    if session.get_bind().dialect.name != "sqlite":
        await session.execute(select(func.pg_advisory_xact_lock(WRITERS)))
