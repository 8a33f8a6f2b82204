"""The ledger: an append-only RFC 6962 log of everything that happens to evidence.

A row is added in the same transaction as what it records.  Each row keeps the tree head that it led to, so that a
changed, removed or reordered row is found by reading the log once (`check`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.clock import require_utc
from core.database import Base, UtcDateTime
from core.errors import Damaged
from core.merkle import Frontier, completed, leaf_hash

# Roots of subtrees are kept at every eighth level.
NODE_LEVELS = 8


class LedgerRow(Base):
    """One leaf: who did what to which thing, when, and the tree head after it."""

    __tablename__ = "ledger"
    # What somebody did, the newest first.
    __table_args__ = (Index("ix_ledger_actor", "actor", "seq"),)

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    kind: Mapped[str] = mapped_column(String(40), index=True)
    actor: Mapped[str] = mapped_column(String(120))
    subject: Mapped[str] = mapped_column(String(120), index=True)
    leaf: Mapped[str] = mapped_column(Text)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))


class LedgerNode(Base):
    """The root of a perfect subtree of 256, 65,536 … leaves, so that a proof reads hundreds of rows, not millions."""

    __tablename__ = "ledger_nodes"

    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))


class LedgerHead(Base):
    """The frontier of the whole log, in one row that writers lock so that appends are in a line."""

    __tablename__ = "ledger_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Entry:
    """What is to be recorded.  ``kind`` is a past participle (sealed, read, linked, held …), ``subject`` the thing's
    identifier, ``facts`` JSON values; never a name or a telephone number."""

    kind: str
    actor: str
    subject: str
    facts: Mapping[str, object]


def canonical(value: object) -> str:
    """Canonical JSON: sorted names, no spaces, UTF-8 kept (the subset of RFC 8785 that our values use)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


async def append(session: AsyncSession, entry: Entry, at: datetime) -> int:
    """Add ``entry`` to the log inside the caller's transaction; returns its sequence number, from 0."""
    return await append_all(session, (entry,), at)


async def append_all(session: AsyncSession, entries: Iterable[Entry], at: datetime) -> int:
    """Add several entries of one moment, in their order, with one statement; returns the first one's number."""
    head = await _lock_head(session)
    tree, moment = Frontier.parse(head.size, head.frontier), require_utc(at)
    first, rows = tree.size, list[dict[str, object]]()
    for entry in entries:
        leaf = _leaf(tree.size, entry, moment)
        digest = leaf_hash(leaf.encode())
        session.add_all(_nodes(tree, digest))
        tree = tree.append(digest)
        columns = {"kind": entry.kind, "actor": entry.actor, "subject": entry.subject}
        rows.append({**columns, "seq": tree.size - 1, "at": moment, "leaf": leaf, "root": tree.root})
    if rows:
        await session.execute(insert(LedgerRow), rows)
    head.size, head.frontier = tree.size, bytes(tree)
    await session.flush()
    return first


def _leaf(seq: int, entry: Entry, moment: datetime) -> str:
    return canonical(
        {
            "seq": seq,
            "at": moment.isoformat(timespec="microseconds"),
            "kind": entry.kind,
            "actor": entry.actor,
            "subject": entry.subject,
            "facts": dict(entry.facts),
        }
    )


async def restore(session: AsyncSession, leaves: Iterable[str]) -> Frontier:
    """Put leaves of a lost log back as they stood, behind those that are there; ``Damaged`` for one out of line."""
    head = await _lock_head(session)
    tree = Frontier.parse(head.size, head.frontier)
    rows: list[dict[str, object]] = []
    for leaf in leaves:
        said = json.loads(leaf)
        if said["seq"] != tree.size:
            raise Damaged("a leaf is out of line", expected_seq=tree.size, found_seq=said["seq"])
        digest = leaf_hash(leaf.encode())
        session.add_all(_nodes(tree, digest))
        tree = tree.append(digest)
        columns = {name: said[name] for name in ("seq", "kind", "actor", "subject")}
        rows.append({**columns, "at": datetime.fromisoformat(said["at"]), "leaf": leaf, "root": tree.root})
    if rows:
        await session.execute(insert(LedgerRow), rows)
    head.size, head.frontier = tree.size, bytes(tree)
    await session.flush()
    return tree


def _nodes(before: Frontier, digest: bytes) -> Iterator[LedgerNode]:
    for level, root in completed(before, digest):
        if level and level % NODE_LEVELS == 0:
            yield LedgerNode(level=level, index=before.size >> level, root=root)


async def _lock_head(session: AsyncSession) -> LedgerHead:
    """The head's row, locked until the transaction ends; made by whoever comes first, though several may at once."""
    query = select(LedgerHead).where(LedgerHead.id == 1).with_for_update().execution_options(populate_existing=True)
    head = await session.scalar(query)
    if head is None:
        insert_new = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        await session.execute(insert_new(LedgerHead).values(id=1, size=0, frontier=b"").on_conflict_do_nothing())
        head = (await session.scalars(query)).one()
    return head


async def take_turn(session: AsyncSession) -> None:
    """Wait until nobody else adds to the log, until this transaction ends: what is read behind it holds at the end."""
    await _lock_head(session)


async def check(session: AsyncSession) -> Frontier:
    """Read the whole log and return its frontier; ``Damaged`` names the first row that is not what was written."""
    tree, nodes = Frontier(), list[tuple[int, int, bytes]]()
    rows = await session.stream_scalars(select(LedgerRow).order_by(LedgerRow.seq).execution_options(yield_per=1000))
    async for row in rows:
        if row.seq != tree.size:
            raise Damaged("a ledger row is missing", expected_seq=tree.size, found_seq=row.seq)
        digest = leaf_hash(row.leaf.encode())
        nodes += [(node.level, node.index, node.root) for node in _nodes(tree, digest)]
        tree = tree.append(digest)
        if tree.root != row.root:
            raise Damaged(
                "a ledger row was altered", seq=row.seq, expected_root=row.root.hex(), found_root=tree.root.hex()
            )
        _compare_columns(row)
    head = await session.get(LedgerHead, 1)
    if (head.size if head else 0) != tree.size or (head and head.frontier != bytes(tree)):
        raise Damaged("the ledger was cut short", expected_size=head.size if head else 0, found_size=tree.size)
    kept = await session.execute(select(LedgerNode.level, LedgerNode.index, LedgerNode.root))
    if different := set(nodes) ^ {(level, index, root) for level, index, root in kept}:
        level, index, _ = min(different)
        raise Damaged("the ledger's inner hashes do not fit its rows", level=level, index=index)
    return tree


def _compare_columns(row: LedgerRow) -> None:
    """The columns beside the leaf serve queries; they must say what the leaf says."""
    try:
        leaf = json.loads(row.leaf)
        said = (leaf["seq"], leaf["kind"], leaf["actor"], leaf["subject"], leaf["at"])
    except (ValueError, KeyError, TypeError):
        raise Damaged("a ledger row cannot be read", seq=row.seq) from None
    shown = (row.seq, row.kind, row.actor, row.subject, row.at.isoformat(timespec="microseconds"))
    if said != shown:
        raise Damaged("a ledger row's columns disagree with its leaf", seq=row.seq)
