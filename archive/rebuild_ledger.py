"""The ledger from its sealed leaves, checked against the signed heads beside them."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.heads import LEAVES_PREFIX
from archive.house import Archive
from archive.store import Version
from core.errors import Damaged, NotFound
from core.ledger import LedgerRow, restore

BATCH = 1000


@dataclass(frozen=True)
class Loss:
    """Something that could not be brought back as it was: the key (or ledger row), what was expected and found."""

    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Event:
    """One ledger row, read."""

    seq: int
    at: datetime
    kind: str
    actor: str
    subject: str
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, leaf: str) -> "Event":
        said = json.loads(leaf)
        moment = datetime.fromisoformat(said["at"])
        return cls(said["seq"], moment, said["kind"], said["actor"], said["subject"], said["facts"])

    @property
    def objects(self) -> Sequence[Mapping[str, Any]]:
        """The object versions that were sealed with it."""
        return tuple(self.facts.get("objects", ()))


async def read_document(archive: Archive, version: Version) -> bytes:
    """A version's bytes, once they are what its writer said; ``Damaged`` otherwise."""
    content = b"".join([chunk async for chunk in archive.store.read(version.key, version.version_id)])
    found = hashlib.sha256(content).hexdigest()
    if found != version.sha256:
        raise Damaged("a sealed object was altered", key=version.key, expected=version.sha256, found=found)
    return content


async def ledger_size(session: AsyncSession) -> int:
    """How many rows there are."""
    newest = await session.scalar(select(func.max(LedgerRow.seq)))
    return 0 if newest is None else newest + 1


async def leaves(archive: Archive, first: int) -> AsyncIterator[list[str] | Loss]:
    """The sealed leaves from ``first`` on, in batches and without a gap; where they end too early, what is missing."""
    size = first
    losses: list[Loss] = []
    newest = 0
    async for version in archive.store.list_versions(LEAVES_PREFIX):
        start, stop = _span(version.key)
        newest = max(newest, stop)
        if version.marker or stop <= size:
            continue
        if start > size:
            break
        try:
            lines = (await read_document(archive, await _head(archive, version))).decode().splitlines()
        except (Damaged, NotFound, UnicodeDecodeError) as error:
            losses.append(Loss(version.key, version.sha256 or "its leaves", str(error)))
            continue
        for begin in range(size - start, len(lines), BATCH):
            yield lines[begin : begin + BATCH]
        size = max(size, start + len(lines))
    for loss in losses:
        yield loss
    if newest > size:
        yield Loss(f"ledger row {size}", f"leaves up to {newest}", "a gap; what followed is not brought back")


def _span(key: str) -> tuple[int, int]:
    first, _, size = key.removeprefix(LEAVES_PREFIX).partition(".")[0].partition("-")
    return int(first), int(size)


async def _head(archive: Archive, version: Version) -> Version:
    return await archive.store.head(version.key, version.version_id)


async def restore_batch(session: AsyncSession, batch: Sequence[str]) -> int:
    """Put leaves back, in the caller's transaction; returns the size of the log."""
    return (await restore(session, batch)).size


async def events_about(session: AsyncSession, subjects: Sequence[str]) -> dict[str, list[Event]]:
    """What the ledger tells of each subject, in order."""
    told: dict[str, list[Event]] = {subject: [] for subject in subjects}
    rows = await session.execute(
        select(LedgerRow.subject, LedgerRow.leaf).where(LedgerRow.subject.in_(subjects)).order_by(LedgerRow.seq)
    )
    for subject, leaf in rows:
        told[subject].append(Event.of(leaf))
    return told


async def events_of_kinds(session: AsyncSession, kinds: Sequence[str], after: int = -1) -> AsyncIterator[Event]:
    """The events of some kinds from behind a row on, in order."""
    query = select(LedgerRow.leaf).where(LedgerRow.kind.in_(kinds), LedgerRow.seq > after).order_by(LedgerRow.seq)
    async for leaf in await session.stream_scalars(query.execution_options(yield_per=200)):
        yield Event.of(leaf)
