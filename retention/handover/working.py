"""The directory that an export is put together in, beside its target, and the lock of whoever is at it."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from core.errors import Conflict


def working_directory(target: Path) -> Path:
    """Where an export is put together, beside its target."""
    return target.with_name(target.name + ".work")


def unfinished(target: Path) -> UUID | None:
    """The export that was begun for this target and interrupted; ``None`` where the place is free.  ``Conflict`` where
    something else is there."""
    note = working_directory(target) / "export.json"
    if note.exists():
        return UUID(json.loads(note.read_text(encoding="utf-8"))["export"])
    if target.exists():
        raise Conflict("there is something at the target", target=target, remedy="choose another place")
    return None


def note_export(work: Path, export_id: UUID) -> None:
    """Say whose directory this is."""
    note = work / "export.json"
    if not note.exists():
        partial = work / "export.json.partial"
        partial.write_text(json.dumps({"export": str(export_id)}), encoding="utf-8")
        partial.replace(note)


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """One process at a time works on a target; the lock ends with the process."""
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("another process writes this export", directory=work, remedy="wait for it") from None
        yield


def someone_writes(work: Path) -> bool:
    """Whether a process is at it right now."""
    if not (work / "lock").exists():
        return False
    try:
        with alone(work):
            return False
    except Conflict:
        return True
