"""Proofs about the ledger for somebody who has only a signed head (RFC 6962, sections 2.1.1 and 2.1.2).

Written against ``Hashes``, so that the same code answers from the database and, for measuring, from computed leaves.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from core.errors import NotFound
from core.ledger import NODE_LEVELS, LedgerNode, LedgerRow
from core.merkle import consistency_ranges, fold, inclusion_ranges, leaf_hash, node_hash, perfect_parts

# How many hashes are read and kept together.
BLOCK = 256


class Hashes(Protocol):
    """Roots of perfect subtrees at the levels that are kept: 0 (leaf hashes), 8, 16 …"""

    async def read(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """``count`` (at most 128) roots from index ``first`` on; ``NotFound`` when one is missing."""


class LedgerHashes:
    """The hashes of the ledger in the database; leaves are hashed when they are asked for."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def read(self, level: int, first: int, count: int) -> Sequence[bytes]:
        if level == 0:
            rows = select(LedgerRow.leaf).where(LedgerRow.seq >= first, LedgerRow.seq < first + count)
            leaves = await self._session.scalars(rows.order_by(LedgerRow.seq))
            found = [leaf_hash(leaf.encode()) for leaf in leaves]
        else:
            nodes = select(LedgerNode.root).where(
                LedgerNode.level == level, LedgerNode.index >= first, LedgerNode.index < first + count
            )
            found = list(await self._session.scalars(nodes.order_by(LedgerNode.index)))
        if len(found) != count:
            raise NotFound("the ledger has no such rows", level=level, first=first, expected=count, found=len(found))
        return found


class RememberedHashes:
    """The hashes of the first ``size`` rows, read in blocks of 256 and kept: for many proofs under one head, whose rows
    are neighbours.  What a signed head covers never changes, so a block that is full need never be read again."""

    def __init__(self, database: Database, size: int, *, most: int = 1024) -> None:
        self._database, self._size, self._most = database, size, most
        self._blocks: OrderedDict[tuple[int, int], Sequence[bytes]] = OrderedDict()

    async def read(self, level: int, first: int, count: int) -> Sequence[bytes]:
        start = first % BLOCK
        found = (await self._block(level, first // BLOCK))[start : start + count]
        if len(found) != count:
            raise NotFound("the ledger has no such rows", level=level, first=first, expected=count, found=len(found))
        return found

    async def _block(self, level: int, number: int) -> Sequence[bytes]:
        known = self._blocks.get((level, number))
        if known is not None:
            self._blocks.move_to_end((level, number))
            return known
        there = max(0, min(BLOCK, (self._size >> level) - number * BLOCK))
        async with self._database.read() as session:
            found = await LedgerHashes(session).read(level, number * BLOCK, there)
        self._blocks[level, number] = found
        if len(self._blocks) > self._most:
            self._blocks.popitem(last=False)
        return found


async def tree_size(session: AsyncSession) -> int:
    """How many rows the ledger has."""
    newest = await session.scalar(select(func.max(LedgerRow.seq)))
    return 0 if newest is None else newest + 1


async def inclusion(hashes: Hashes, index: int, size: int) -> list[bytes]:
    """The audit path of leaf ``index`` in the tree of the first ``size`` leaves; ``ValueError`` outside of it."""
    return [await _root(hashes, start, stop) for start, stop in inclusion_ranges(index, size)]


async def consistency(hashes: Hashes, old: int, size: int) -> list[bytes]:
    """The proof that the tree of ``size`` leaves begins with that of ``old``; ``ValueError`` unless 0 < old ≤ size."""
    return [await _root(hashes, start, stop) for start, stop in consistency_ranges(old, size)[0]]


async def root_at(hashes: Hashes, size: int) -> bytes:
    """The tree head when the log had ``size`` (at least 1) leaves."""
    return await _root(hashes, 0, size)


async def _root(hashes: Hashes, start: int, stop: int) -> bytes:
    return fold([await _perfect(hashes, level, index) for level, index in perfect_parts(start, stop)])


async def _perfect(hashes: Hashes, level: int, index: int) -> bytes:
    """Folded from the nearest kept level below."""
    above = level % NODE_LEVELS
    nodes = list(await hashes.read(level - above, index << above, 1 << above))
    while len(nodes) > 1:
        nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
    return nodes[0]
