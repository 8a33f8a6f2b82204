"""The spool directory as a queue of calls: who owns it, which calls wait, and finishing what a crash left behind.

Each call is a directory named by its recording identifier (UUIDv7, so sorting by name is sorting by time).  The
recorder owns calls in state ``recording``, the sealer those in state ``closed``.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from core.errors import Conflict, Unavailable
from core.ids import new_id, time_of
from telephony import pauses
from telephony.call import CLOSED, FACTS_FILE, RECORDING, CallFacts
from telephony.durability import FACTS_NOT_SAVED

log = logging.getLogger(__name__)

RECORDER_LOCK, SEALER_LOCK = ".recorder.lock", ".sealer.lock"
IDENTIFIER_FILE = ".spool.id"
FACTS_UNREADABLE = "call facts unreadable"
# Facts that nothing could read, kept beside those that were made from the files.
UNREADABLE_FACTS_FILE = "call.json.unreadable"
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# A directory's time of change is only as fine as the kernel's tick: within this, a listing may miss an entry.
TICK_NS = 1_000_000_000


@contextmanager
def owned(spool: Path, name: str) -> Iterator[None]:
    """Own the spool for one role while the block runs; ``Conflict`` when another process does, ``Unavailable`` when
    the directory cannot be used.

    The lock is the kernel's (flock), so it goes with the process however that ends.
    """
    try:
        spool.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(spool / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(
            "the spool directory cannot be used",
            spool=spool,
            found=error.strerror,
            remedy="HUIYIN_DATA_DIR must be a directory that can be written, on a local disk",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Conflict(
                "another process already works on this spool directory",
                spool=spool,
                role=name.strip(".").removesuffix(".lock"),
                remedy="stop the other one, or give this one a HUIYIN_DATA_DIR of its own",
            ) from error
        yield
    finally:
        os.close(descriptor)


def identifier(spool: Path) -> UUID:
    """What tells this spool from those of other recorders, kept in it.  Call it only while owning the spool.  A disk
    that takes no file must not keep the recorder from starting: then it is another one at each start."""
    file = spool / IDENTIFIER_FILE
    with suppress(OSError, ValueError):
        return UUID(file.read_text("ascii"))
    made = new_id()
    unfinished = file.with_suffix(".new")
    try:
        unfinished.write_text(str(made), "ascii")
        unfinished.replace(file)
    except OSError as error:
        log.warning("the spool's identifier was not kept", extra={"facts": {"why": error.strerror}})
    return made


def call_directories(spool: Path) -> list[Path]:
    """The directories of calls, oldest first."""
    return sorted(path for path in spool.iterdir() if path.is_dir() and _IDENTIFIER.fullmatch(path.name))


@dataclass(frozen=True)
class Waiting:
    """A closed call: its directory and since when (seconds since the epoch) it waits."""

    directory: Path
    since: float


class Backlog:
    """What the spool holds, as of the last ``look``.  Facts are read once a call closes and never again, so that ten
    thousand waiting calls cost no more than their names."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._listed_ns = -1
        self._waiting: dict[str, Waiting] = {}
        self._order: list[str] = []
        # Facts that were no closed call's, by the file's identity: read again only when it has changed.
        self._others: dict[str, tuple[int, int]] = {}
        self._damaged: set[str] = set()

    def look(self) -> None:
        """Bring it up to date.  Blocking; raises ``OSError`` when the spool directory is not there."""
        changed_ns = self._spool.stat().st_mtime_ns
        if changed_ns != self._listed_ns:
            self._listed_ns = changed_ns if changed_ns < time.time_ns() - TICK_NS else -1
            self._list()
        for name in list(self._others):
            self._read(name)
        if len(self._order) != len(self._waiting) or not self._waiting.keys() >= set(self._order):
            self._order = sorted(self._waiting)

    @property
    def waiting(self) -> Iterator[Waiting]:
        """Closed calls, oldest first."""
        return (self._waiting[name] for name in self._order if name in self._waiting)

    @property
    def closed(self) -> int:
        """How many calls are closed."""
        return len(self._waiting)

    @property
    def recording(self) -> int:
        """How many calls are in progress."""
        return len(self._others) - len(self._damaged)

    @property
    def in_progress(self) -> tuple[str, ...]:
        """The names of the calls in progress, oldest first."""
        return tuple(sorted(self._others.keys() - self._damaged))

    @property
    def damaged(self) -> tuple[str, ...]:
        """Calls whose facts cannot be read; the recorder's next start makes new ones."""
        return tuple(sorted(self._damaged))

    @property
    def oldest(self) -> float | None:
        """Since when (seconds since the epoch) the call waits that closed first."""
        return min((waiting.since for waiting in self._waiting.values()), default=None)

    def tried(self, name: str) -> None:
        """Note that a call may be gone by now; if it is not, the next look finds it waiting again."""
        if self._waiting.pop(name, None):
            self._others[name] = (0, 0)

    def _list(self) -> None:
        with os.scandir(self._spool) as entries:
            names = {entry.name for entry in entries if _IDENTIFIER.fullmatch(entry.name) and entry.is_dir()}
        for gone in self._waiting.keys() - names:
            del self._waiting[gone]
        for gone in self._others.keys() - names:
            self._forget(gone)
        for name in names - self._waiting.keys() - self._others.keys():
            self._others[name] = (0, 0)

    def _forget(self, name: str) -> None:
        del self._others[name]
        self._damaged.discard(name)

    def _read(self, name: str) -> None:
        directory = self._spool / name
        try:
            found = (directory / FACTS_FILE).stat()
        except OSError:
            # Gone, or being created: its facts come within moments.
            if not directory.exists():
                self._forget(name)
            return
        identity = (found.st_ino, found.st_mtime_ns)
        if identity == self._others[name]:
            return
        self._others[name] = identity
        self._damaged.discard(name)
        try:
            state = CallFacts.load(directory).state
        except (ValueError, OSError):
            self._damaged.add(name)
            return
        if state == CLOSED:
            del self._others[name]
            self._waiting[name] = Waiting(directory, found.st_mtime)


def waiting(spool: Path) -> list[Path]:
    """The directories of closed calls, oldest first."""
    backlog = Backlog(spool)
    backlog.look()
    return [call.directory for call in backlog.waiting]


def finish_interrupted(spool: Path) -> list[CallFacts]:
    """Close every call that a dead recorder left open, marked ``interrupted``.  Call it only while owning the spool.

    A directory whose facts cannot be read still holds media: facts are made from its name and its files.  A disk that
    takes no facts now must not keep the recorder from starting: those calls are flagged, and ``save`` may come later.
    """
    finished = []
    for directory in call_directories(spool):
        try:
            facts = CallFacts.load(directory)
        except (ValueError, OSError):
            facts = _facts_from_files(directory)
        if facts.state == RECORDING:
            at = _last_change(directory)
            facts = replace(facts, state=CLOSED, interrupted=True, end_reason="interrupted", ended_at=at)
            facts = replace(facts, pauses=pauses.ended(facts.pauses, at, by=""))
            finished.append(facts if save(spool, facts) else facts.flagged(FACTS_NOT_SAVED))
            log.warning("finished a call that a crash interrupted", extra={"facts": {"recording": facts.recording_id}})
    return finished


def save(spool: Path, facts: CallFacts) -> bool:
    """Write a finished call's facts; ``False`` when the disk takes nothing now.  Unreadable old ones are kept."""
    directory = spool / str(facts.recording_id)
    try:
        if FACTS_UNREADABLE in facts.flags and (directory / FACTS_FILE).exists():
            (directory / FACTS_FILE).replace(directory / UNREADABLE_FACTS_FILE)
        facts.save(directory)
    except OSError as error:
        why = {"recording": facts.recording_id, "why": error.strerror or type(error).__name__}
        log.error("facts not saved", extra={"facts": why})
        return False
    return True


def _facts_from_files(directory: Path) -> CallFacts:
    identifier = UUID(directory.name)
    return CallFacts(recording_id=identifier, sip_call_id="", started_at=time_of(identifier), flags=(FACTS_UNREADABLE,))


def _last_change(directory: Path) -> datetime:
    newest = max((path.stat().st_mtime for path in directory.rglob("*") if path.is_file()), default=0.0)
    return datetime.fromtimestamp(newest, UTC) if newest else time_of(UUID(directory.name))
