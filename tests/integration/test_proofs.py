"""Proofs from the ledger in the database, checked by somebody who has only tree heads."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from core.database import Database
from core.errors import Damaged, NotFound
from core.ledger import Entry, LedgerNode, LedgerRow, append, check
from core.merkle import is_consistent, leaf_hash, root_from_inclusion
from core.proofs import LedgerHashes, consistency, inclusion, root_at, tree_size

NOW = datetime(2026, 11, 22, tzinfo=UTC)
# Beyond two kept subtrees of 256 leaves.
SIZE = 600


async def _grow(database: Database, count: int) -> None:
    async with database.write() as session:
        for number in range(count):
            await append(session, Entry("read", "tester", f"thing-{number}", {"number": number}), NOW)


async def test_every_kind_of_place_is_proved(database: Database) -> None:
    await _grow(database, SIZE)
    async with database.read() as session:
        rows = list(await session.scalars(select(LedgerRow).order_by(LedgerRow.seq)))
        hashes = LedgerHashes(session)
        assert await tree_size(session) == SIZE
        for size in (1, 2, 255, 256, 257, 300, 512, SIZE):
            assert await root_at(hashes, size) == rows[size - 1].root
            for index in {0, 1, size // 2, size - 1}:
                path = await inclusion(hashes, index if index < size else 0, size)
                digest = leaf_hash(rows[index if index < size else 0].leaf.encode())
                assert root_from_inclusion(digest, index if index < size else 0, size, path) == rows[size - 1].root
            for old in {1, size // 2 or 1, size}:
                proof = await consistency(hashes, old, size)
                assert is_consistent(old, rows[old - 1].root, size, rows[size - 1].root, proof)


async def test_what_the_ledger_does_not_have_is_not_proved(database: Database) -> None:
    await _grow(database, 3)
    async with database.read() as session:
        with pytest.raises(NotFound):
            await inclusion(LedgerHashes(session), 0, 4)


async def test_an_inner_hash_that_was_altered_is_found(database: Database) -> None:
    await _grow(database, 300)
    async with database.write() as session:
        await session.execute(update(LedgerNode).values(root=bytes(32)))
    async with database.read() as session:
        with pytest.raises(Damaged, match="inner hashes"):
            await check(session)
