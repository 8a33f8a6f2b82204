"""How often taking a file in has ended the process: noted before, removed after, whatever the outcome.

A decoder of foreign files may be killed by one of them; without this the same file would stop all others for ever.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.intake.folder import Seen

# So many deaths are no accident any more.
MOST = 3


@contextmanager
def attempt(notes: Path, seen: Seen) -> Iterator[int]:
    """Which attempt this is, from 1; blocking.  Only a death leaves the note behind."""
    notes.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = f"{seen.size}/{seen.changed_ns}/{seen.inode}/".encode() + os.fsencode(seen.name)
    note = notes / hashlib.sha256(facts).hexdigest()
    number = (int(note.read_text() or 0) if note.exists() else 0) + 1
    note.write_text(str(number))
    try:
        yield number
    finally:
        note.unlink(missing_ok=True)
