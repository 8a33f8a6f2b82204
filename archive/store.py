"""What the archive asks of an object store: versions under a lock that only lengthens (S3 Object Lock, COMPLIANCE).

Two implementations (`archive.local`, `archive.s3`) pass the same contract tests.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from core.errors import HuiyinError

# Where the start-up check leaves its probes, and for how long it locks them; the next check removes the passed ones.
PROBES = "self-test"
PROBE_LOCK = timedelta(seconds=60)


@dataclass(frozen=True)
class Version:
    """One immutable version of one key.  ``sha256`` (hex) is what its writer said; only reading proves the bytes."""

    key: str
    version_id: str
    size: int
    sha256: str
    lock_until: datetime | None
    held: bool = False
    # A delete marker hides older versions from plain reads, and removes nothing.
    marker: bool = False


@dataclass(frozen=True)
class Write:
    """What ``put`` takes, for several at once."""

    key: str
    content: bytes | Path
    sha256: str
    lock_until: datetime


class ObjectStore(Protocol):
    """Errors: ``NotFound`` (no such key or version), ``Refused`` (lock or hold forbids), ``Damaged`` (bytes are not
    what the hash says), ``Unavailable`` (cannot be reached; trying later may help), all of ``core.errors``."""

    async def put(self, key: str, content: bytes | Path, *, sha256: str, lock_until: datetime) -> Version:
        """Write a new version with its lock, atomically, then HEAD it and compare size, hash, mode and date.

        Nothing is overwritten: the same key again makes another version.  A lock date that is past, or after 2100, is
        ``Refused``; fractions of a second are rounded up."""
        ...

    async def put_all(self, writes: Sequence[Write]) -> list[Version]:
        """Several small ``put``; what an error leaves written is found by key and hash, as after a crash."""
        ...

    async def head(self, key: str, version_id: str) -> Version:
        """The version's facts as the store holds them now."""
        ...

    def read(self, key: str, version_id: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a version from ``start``, at most ``length`` of them, in chunks."""
        ...

    def list_versions(self, prefix: str) -> AsyncIterator[Version]:
        """Every version whose key begins with ``prefix``, by key, newest first; delete markers come among them in
        any order."""
        ...

    async def versions_of(self, key: str) -> list[Version]:
        """Every version of exactly this key, newest first; markers in any order."""
        ...

    async def lengthen_lock(self, key: str, version_id: str, until: datetime) -> Version:
        """Move the lock later; an earlier date is ``Refused``, the same date changes nothing."""
        ...

    async def hold(self, key: str, version_id: str, on: bool) -> Version:
        """Set or lift the legal hold, which forbids deletion whatever the lock's date."""
        ...

    async def delete_version(self, key: str, version_id: str) -> None:
        """Remove one version for good: only once its lock date has passed and no hold is on (else ``Refused``)."""
        ...

    async def delete_all(self, versions: Sequence[tuple[str, str]]) -> list[HuiyinError | None]:
        """Several ``delete_version``: for each, in their order, ``None`` or why it was not deleted."""
        ...

    def local_path(self, key: str, version_id: str) -> Path | None:
        """Where a version's bytes lie on this machine, for reading only; ``None`` when they lie elsewhere."""
        ...

    async def prepare(self) -> None:
        """Make the place where objects go (a directory, a bucket with object lock), if it is not there."""
        ...

    async def self_test(self) -> None:
        """Write a probe under a short lock and try to delete and to shorten it; ``Refused`` names the promise that
        this store breaks."""
        ...

    async def expiring_rules(self) -> list[str]:
        """The names of rules by which the store itself hides or removes what grows old: locked versions stay behind
        delete markers then, unseen by plain reads."""
        ...

    async def ping(self) -> None:
        """``Unavailable`` unless the store answers."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...
