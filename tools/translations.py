"""Keeps ``api/locale/en.po``, the English of every phrase: ``python -m tools.translations``.

Without a command it reads templates, Python and scripts, enters new phrases, and reports what is wrong (exit 1).
``add "短语" "phrase"`` enters one; ``prune`` removes what nothing says any more; ``check`` only reports.
"""

import argparse
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from api.language import CATALOGUE
from tools.phrases import Found, everything, places

_LOCK = Path(tempfile.gettempdir()) / f"huiyin-translations-{os.getuid()}.lock"


def faults(found: Found, catalogue: Catalog) -> list[str]:
    """Everything that is wrong, one line each."""
    lines = list(found.faults)
    for phrase in sorted(found.phrases):
        message = catalogue.get(phrase)
        where = ", ".join(sorted(found.phrases[phrase]))
        if message is None or not message.string:
            lines.append(f"{where}: no English for “{phrase}”; python -m tools.translations add “{phrase}” “…”")
        elif places(phrase) != places(str(message.string)):
            lines.append(f"{where}: the places of “{phrase}” and “{message.string}” differ")
    return lines


def unused(found: Found, catalogue: Catalog) -> list[str]:
    """Phrases of the catalogue that nothing says."""
    return [str(message.id) for message in catalogue if message.id and message.id not in found.phrases]


def read(path: Path = CATALOGUE) -> Catalog:
    """The catalogue on disk; an empty one where there is no file."""
    if not path.exists():
        return Catalog(locale="en")
    with path.open("rb") as file:
        return read_po(file, locale="en")


def update(found: Found, catalogue: Catalog, *, prune: bool) -> None:
    """Enter new phrases without English, and say of each phrase which files say it."""
    for phrase in list(unused(found, catalogue)) if prune else ():
        catalogue.delete(phrase)
    for message in catalogue:
        message.locations = []
    for phrase, where in found.phrases.items():
        known = catalogue.get(phrase)
        enter(catalogue, phrase, str(known.string) if known else "").locations = [(name, 1) for name in sorted(where)]


def enter(catalogue: Catalog, phrase: str, english: str) -> Message:
    """A phrase with its English, in place of what was there."""
    message = catalogue.get(phrase) or catalogue.add(phrase)
    message.string = english
    return message


def write(catalogue: Catalog, path: Path = CATALOGUE) -> None:
    """Ordered by file, without line numbers and dates: a change of one phrase is a change of its own lines."""
    for message in catalogue:
        message.flags.discard("python-brace-format")
        message.flags.discard("python-format")
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    with beside.open("wb") as file:
        file.write(b'msgid ""\nmsgstr ""\n"Language: en\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n')
        write_po(file, catalogue, width=0, sort_by_file=True, include_lineno=False, omit_header=True)
    beside.replace(path)


@contextmanager
def alone() -> Iterator[None]:
    """Two people who add phrases at once both keep theirs."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogue", type=Path, default=CATALOGUE)
    commands = parser.add_subparsers(dest="command")
    adding = commands.add_parser("add", help="enter a phrase with its English")
    adding.add_argument("phrase")
    adding.add_argument("english")
    commands.add_parser("prune", help="bring up to date, and remove what nothing says")
    commands.add_parser("check", help="report, write nothing")
    options = parser.parse_args(arguments)
    with alone():
        catalogue = read(options.catalogue)
        if options.command == "add":
            enter(catalogue, options.phrase, options.english)
            write(catalogue, options.catalogue)
            return 0
        found = everything()
        if options.command != "check":
            update(found, catalogue, prune=options.command == "prune")
            write(catalogue, options.catalogue)
    wrong = faults(found, catalogue)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    for phrase in unused(found, catalogue):
        print(f"nothing says “{phrase}” any more; `prune` removes it", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
