"""What command modules share: the shape of a command, and arguments that several take."""

import argparse
import getpass
import sys
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import TypeAlias

from core.settings import Address, Settings

Run: TypeAlias = Callable[[Settings, argparse.Namespace], Awaitable[int]]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def command(commands: Commands, name: str, meaning: str, run: Run) -> argparse.ArgumentParser:
    """Add one command; its coroutine receives the settings and the parsed arguments."""
    added = commands.add_parser(name, help=meaning, description=meaning)
    added.set_defaults(run=run)
    return added


def a_day(text: str) -> date:
    """A calendar day, as an argument."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a day such as 2026-11-22") from None


def a_moment(text: str) -> datetime:
    """A moment with its zone, as an argument."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a time such as 2028-11-23T00:00+08:00") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r}: a zone is needed, for example +08:00")
    return moment


def a_count(text: str) -> int:
    """A number of things, at least one, as an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of at least 1")
    return int(text)


def a_file(text: str) -> Path:
    """A file that is there, as an argument."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such file")
    return path


def an_address(text: str) -> Address:
    """HOST:PORT, as an argument."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def read_password(asked: str = "密码 password: ") -> str:
    """From a terminal a secret is asked for unseen; a script may pipe it in."""
    return getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
