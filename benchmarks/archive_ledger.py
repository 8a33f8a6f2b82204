"""The ledger at size: the rate of appends, and proofs over computed leaves."""

import multiprocessing
import os
import random
import time
from collections.abc import Sequence

from benchmarks.archive_queries import percentile
from core.clock import utc_now
from core.database import Database
from core.ledger import NODE_LEVELS, Entry, append, append_all
from core.merkle import leaf_hash, node_hash, root_from_inclusion
from core.proofs import inclusion, root_at
from core.settings import Settings

BLOCK = 1 << NODE_LEVELS


async def ledger_rate(settings: Settings, rows: int) -> float:
    """Appends a second on SQLite, each in a transaction of its own that is synced to the disk."""
    database = Database(settings.database)
    entry = Entry("read", "benchmark", "subject", {"object": {"sha256": "0" * 64}})
    began = time.perf_counter()
    for _ in range(rows):
        async with database.write() as session:
            await append(session, entry, utc_now())
    took = time.perf_counter() - began
    began = time.perf_counter()
    async with database.write() as session:
        await append_all(session, [entry] * rows, utc_now())
    together = time.perf_counter() - began
    await database.close()
    print(f"ledger: {rows / took:.0f} appends/s each synced, {rows / together:.0f}/s in one transaction", flush=True)
    return round(rows / took, 1)


class ComputedHashes:
    """A log whose leaves are computed whenever they are read; the roots of its blocks are computed once and kept."""

    def __init__(self, leaves: int) -> None:
        self._leaves = leaves
        with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as processes:
            whole = processes.map(block_root, range(leaves // BLOCK), chunksize=256)
        self._roots: dict[int, Sequence[bytes]] = {NODE_LEVELS: whole}
        level = NODE_LEVELS
        while len(whole) >= BLOCK:
            level += NODE_LEVELS
            whole = [_folded(whole[at : at + BLOCK]) for at in range(0, len(whole) - BLOCK + 1, BLOCK)]
            self._roots[level] = whole

    async def read(self, level: int, first: int, count: int) -> Sequence[bytes]:
        return self._roots[level][first : first + count] if level else _leaves(first, count)

    async def root(self) -> bytes:
        """The tree head of the whole log."""
        return await root_at(self, self._leaves)


def _leaves(first: int, count: int) -> list[bytes]:
    return [leaf_hash(b"row %d" % number) for number in range(first, first + count)]


def block_root(index: int) -> bytes:
    """The root over the block of leaves with this index."""
    return _folded(_leaves(index * BLOCK, BLOCK))


def _folded(nodes: Sequence[bytes]) -> bytes:
    while len(nodes) > 1:
        nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
    return nodes[0]


async def proof_time(leaves: int, times: int) -> float:
    """p95 in milliseconds of inclusion proofs in a tree of computed leaves; each proof is checked."""
    hashes, chosen = ComputedHashes(leaves), random.Random(3)
    root, took = await hashes.root(), list[float]()
    for _ in range(times):
        index = chosen.randrange(leaves)
        began = time.perf_counter()
        path = await inclusion(hashes, index, leaves)
        took.append(1000 * (time.perf_counter() - began))
        (leaf,) = await hashes.read(0, index, 1)
        assert root_from_inclusion(leaf, index, leaves, path) == root
    found = round(percentile(took, 0.95), 3)
    print(f"proofs: p95 {found} ms at {leaves:,} leaves", flush=True)
    return found
