"""The command line: ``huiyin COMMAND``.  What each command does is in ``service.commands``."""

import argparse
import asyncio
import atexit
import gc
import os
import sys
from collections.abc import Awaitable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from core import settings as configuration
from core.errors import HuiyinError, SettingsError
from core.logging import set_up
from service import commands
from service.commands.family import Run

WRONG_SETTINGS = 2
# How SQLite and PostgreSQL say that the tables are not there yet.
NO_SCHEMA = ("no such table", "does not exist")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a failure that was named, 2 wrong settings or usage."""
    # What is left at the end goes with the process: to look through a million objects for cycles first took a web
    # process seconds on a busy machine, after it had let go of every client.
    atexit.register(gc.freeze)
    options = commands.parser().parse_args(arguments)
    try:
        settings = configuration.load(os.environ)
        set_up(options.command, options.log_format or settings.log_format)
        run: Run = options.run
        return asyncio.run(_ended(run(settings, options)))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return WRONG_SETTINGS
    except HuiyinError as error:
        print(f"huiyin {options.command}: {error}", file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        # The driver's text may quote rows; its first line names the cause.
        cause = str(getattr(error, "orig", error)).splitlines()[0]
        remedy = "; run `huiyin migrate` first" if any(sign in cause for sign in NO_SCHEMA) else ""
        print(f"huiyin {options.command}: database: {cause}{remedy}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"huiyin {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def _ended(running: Awaitable[int]) -> int:
    return await running


def parse_only(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed command line, for tests that hold documents to it."""
    return commands.parser().parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
