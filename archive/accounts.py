"""Three accounts of one object version (the store's, the catalogue's, the ledger's), and where they disagree.  Pure but
for the query that reads the catalogue's."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, select

from archive import faults
from archive.catalogue import DISPOSING, KEPT, Recording, StoredObject
from archive.faults import Fault
from archive.sealed_index import Said
from archive.store import Version


@dataclass(frozen=True)
class Known:
    """An object as the catalogue has it, with what its recording (if it has one) asks of lock and hold."""

    id: UUID
    recording_id: UUID | None
    kind: str
    key: str
    version_id: str
    size: int
    sha256: str
    lock_until: datetime
    retain_until: datetime | None
    held: bool
    text_version: int
    # Its deletion has begun, by the decision of two people: what is gone is gone rightly.
    disposing: bool = False


def known_objects() -> Select[Any]:
    """The query whose rows ``known`` reads."""
    own = (
        *(StoredObject.id, StoredObject.recording_id, StoredObject.kind, StoredObject.key, StoredObject.version_id),
        *(StoredObject.size, StoredObject.sha256, StoredObject.lock_until),
    )
    of_recording = (Recording.retain_until, Recording.held, Recording.text_version, Recording.life)
    columns: tuple[ColumnElement[Any], ...] = tuple(each.expression for each in (*own, *of_recording))
    return select(*columns).outerjoin(Recording, Recording.id == StoredObject.recording_id)


def known(row: Row[Any]) -> Known:
    """A certificate outlives its recording, whose date and hold are then no longer asked of it."""
    kept = row.life == KEPT
    return Known(
        id=row.id,
        recording_id=row.recording_id,
        kind=row.kind,
        key=row.key,
        version_id=row.version_id,
        size=row.size,
        sha256=row.sha256,
        lock_until=row.lock_until,
        retain_until=row.retain_until if kept else None,
        held=bool(row.held) and kept,
        text_version=row.text_version or 0,
        disposing=row.life == DISPOSING,
    )


@dataclass(frozen=True)
class Accounts:
    """What is told of one version.  ``retained`` and ``disposed``: what the ledger says of its recording."""

    key: str
    version_id: str
    version: Version | None
    known: Known | None
    said: Said | None
    retained: datetime | None = None
    disposed: bool = False

    @property
    def owner(self) -> str:
        """The recording that the object is of: the key tells it for a recording's own objects."""
        if self.key.startswith("recordings/"):
            return self.key.split("/")[4]
        if self.known is not None:
            return str(self.known.recording_id or "")
        return self.said.subject if self.said else ""

    @property
    def gone(self) -> bool:
        """Whether the object went with its recording's disposal; the certificate of that stays."""
        return self.disposed and not self.key.startswith("certificates/")

    @property
    def nameless(self) -> bool:
        """Whether neither catalogue nor ledger tells of it."""
        return self.known is None and self.said is None

    @property
    def unsettled(self) -> bool:
        """Whether work under way may explain what differs: it is worth asking again."""
        return None in (self.version, self.known, self.said) or self.held_otherwise

    @property
    def held_otherwise(self) -> bool:
        """Whether store and catalogue disagree on the hold."""
        version, row = self.version, self.known
        return version is not None and row is not None and not row.disposing and version.held != row.held

    @property
    def sha256(self) -> str:
        """The hash that the bytes must have; the ledger's word counts more than the catalogue's."""
        if self.said is not None:
            return self.said.sha256
        return self.known.sha256 if self.known else ""


def compare(one: Accounts) -> Iterator[Fault]:
    """Where the three accounts disagree; the bytes are another matter (``archive.inspection``)."""
    if one.version is None:
        yield from _absent(one)
        return
    if one.version.marker:
        yield Fault(one.key, faults.HIDDEN, "no marker", one.version_id)
        return
    if one.known is None and one.gone:
        yield Fault(one.key, faults.LEFT_OVER, "nothing", one.version_id)
        return
    yield from _named(one)
    yield from _belongs(one)
    yield from _locked(one, one.version)


def _absent(one: Accounts) -> Iterator[Fault]:
    if one.known is not None and one.known.disposing:
        return
    if one.known is not None:
        yield Fault(one.key, faults.MISSING, f"version {one.version_id}", "nothing")
        if one.said is None:
            yield Fault(one.key, faults.NOT_IN_LEDGER, "an entry", "none")
    elif one.said is not None and not one.gone:
        found = "nothing, neither in the store nor in the catalogue"
        yield Fault(one.key, faults.MISSING, f"version {one.version_id}, ledger row {one.said.seq}", found)


def _named(one: Accounts) -> Iterator[Fault]:
    if one.nameless:
        yield Fault(one.key, faults.EXTRA, "nothing", one.version_id)
    elif one.known is None:
        yield Fault(one.key, faults.NOT_IN_CATALOGUE, one.sha256, "nothing")
    elif one.said is None:
        yield Fault(one.key, faults.NOT_IN_LEDGER, "an entry", "none")
    elif one.known.sha256 != one.said.sha256:
        yield Fault(one.key, faults.DISAGREE, one.said.sha256, one.known.sha256)


def _belongs(one: Accounts) -> Iterator[Fault]:
    if not one.owner:
        return
    if one.known is not None and str(one.known.recording_id) != one.owner:
        yield Fault(one.key, faults.OTHERS, one.owner, str(one.known.recording_id))
    if one.said is not None and one.said.subject != one.owner:
        yield Fault(one.key, faults.OTHERS, one.owner, f"{one.said.subject} in ledger row {one.said.seq}")


def _locked(one: Accounts, version: Version) -> Iterator[Fault]:
    if one.nameless:
        return
    due = _due(one)
    if version.lock_until is None:
        yield Fault(one.key, faults.UNLOCKED, due.isoformat() if due else "a lock", "no lock")
    elif due is not None and version.lock_until < due:
        yield Fault(one.key, faults.TOO_SHORT, due.isoformat(), version.lock_until.isoformat())
    kept = one.known.retain_until if one.known else None
    if kept is not None and one.retained is not None and kept < one.retained:
        yield Fault(one.key, faults.SHORTENED, one.retained.isoformat(), kept.isoformat())
    if one.held_otherwise and version.held:
        yield Fault(one.key, faults.HELD_ALONE, "no legal hold", "a legal hold")
    elif one.held_otherwise:
        yield Fault(one.key, faults.NOT_HELD, "a legal hold", "none")


def _due(one: Accounts) -> datetime | None:
    dates = [one.retained]
    if one.known is not None:
        dates += [one.known.lock_until, one.known.retain_until]
    return max((date for date in dates if date is not None), default=None)
