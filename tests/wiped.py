"""A database that is lost: every row of every table and of the search index is gone, the tables stay."""

from sqlalchemy import delete, text

from archive.search_index import TABLE, WORDS
from core.database import Base, Database


async def wipe(database: Database) -> None:
    """Lose the database."""
    async with database.write() as session:
        for name in (TABLE, *((WORDS,) if database.is_sqlite else ())):
            await session.execute(text(f"DELETE FROM {name}"))  # noqa: S608
        for table in reversed(Base.metadata.sorted_tables):
            await session.execute(delete(table))
