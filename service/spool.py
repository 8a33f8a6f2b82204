"""The spool directory as a queue of calls: who owns it, which calls wait, and finishing what a crash left behind.

Each call is a directory named by its recording identifier (UUIDv7, so sorting by name is sorting by time).  The
recorder owns calls in state ``recording``, the sealer those in state ``closed``.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from core.errors import Conflict
from core.ids import time_of
from telephony.call import CLOSED, RECORDING, CallFacts

log = logging.getLogger(__name__)

RECORDER_LOCK, SEALER_LOCK = ".recorder.lock", ".sealer.lock"


@contextmanager
def owned(spool: Path, name: str) -> Iterator[None]:
    """Own the spool for one role while the block runs; ``Conflict`` when another process does.

    The lock is the kernel's (flock), so it goes with the process however that ends.
    """
    spool.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(spool / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Conflict("another process already works on this spool directory", spool=spool) from error
        yield
    finally:
        os.close(descriptor)


def call_directories(spool: Path) -> list[Path]:
    """The directories of calls, oldest first."""
    return sorted(path for path in spool.iterdir() if path.is_dir() and _is_identifier(path.name))


def waiting(spool: Path) -> list[Path]:
    """The directories of closed calls, oldest first."""
    return [path for path in call_directories(spool) if _state(path) == CLOSED]


def finish_interrupted(spool: Path) -> list[CallFacts]:
    """Close every call that a dead recorder left open, marked ``interrupted``.  Call it only while owning the spool.

    A directory whose facts cannot be read still holds media: facts are made from its name and its files.
    """
    finished = []
    for directory in call_directories(spool):
        try:
            facts = CallFacts.load(directory)
        except (ValueError, OSError):
            facts = _facts_from_files(directory)
        if facts.state == RECORDING:
            facts = replace(
                facts, state=CLOSED, interrupted=True, end_reason="interrupted", ended_at=_last_change(directory)
            )
            facts.save(directory, durable=True)
            finished.append(facts)
            log.warning("finished a call that a crash interrupted", extra={"facts": {"recording": facts.recording_id}})
    return finished


def _facts_from_files(directory: Path) -> CallFacts:
    identifier = UUID(directory.name)
    return CallFacts(
        recording_id=identifier, sip_call_id="", started_at=time_of(identifier), flags=("call facts unreadable",)
    )


def _last_change(directory: Path) -> datetime:
    newest = max((path.stat().st_mtime for path in directory.rglob("*") if path.is_file()), default=0.0)
    return datetime.fromtimestamp(newest, UTC) if newest else time_of(UUID(directory.name))


def _state(directory: Path) -> str:
    try:
        return CallFacts.load(directory).state
    except (ValueError, OSError):
        # Being created (no facts yet) or damaged: the recorder's next start decides.
        return RECORDING


def _is_identifier(name: str) -> bool:
    try:
        return UUID(name).version == 7
    except ValueError:
        return False
