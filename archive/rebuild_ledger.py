"""The ledger from its sealed leaves, checked against the signed heads beside them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from archive.heads import LEAVES_PREFIX
from archive.house import Archive
from archive.retrieve import read_verified
from archive.store import Version
from core.errors import Damaged, NotFound
from core.ledger import restore

BATCH = 1000


@dataclass(frozen=True)
class Loss:
    """Something that could not be brought back as it was: the key (or ledger row), what was expected and found."""

    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}, found {self.found}"


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
            lines = (await read_verified(archive, await _head(archive, version))).decode().splitlines()
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
