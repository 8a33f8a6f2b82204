"""Writes the next revision from what the models have that the migrations do not: ``python -m tools.new_migration "…"``.

Read what it writes: autogenerate sees tables and columns, not meaning.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from core.database import Database
from service.migrate import configuration, upgrade

VERSIONS = Path(__file__).parent.parent / "service" / "migrations" / "versions"


async def write(message: str) -> None:
    """Compare on a fresh SQLite file that stands at head."""
    number = len(list(VERSIONS.glob("[0-9]*.py")))

    def revise(connection: Connection) -> None:
        if number:
            upgrade(connection)
        config = configuration(connection)
        config.attributes["batch"] = number > 0
        command.revision(config, message=message, rev_id=f"{number + 1:04}", autogenerate=True)

    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite+aiosqlite:///{directory}/head.db")
        async with database.engine.connect() as connection:
            await connection.run_sync(revise)
        await database.close()


def tidy() -> None:
    """Put what Alembic wrote into the house's form."""
    for task in (["check", "--fix", "--select", "I,F401"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *task, "-q", str(VERSIONS)], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("message", help="what changes, in a few words")
    asyncio.run(write(parser.parse_args().message))
    tidy()
