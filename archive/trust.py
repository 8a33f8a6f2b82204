"""What the store holds of the ledger (signed heads, leaves, keys) against the ledger in the database.

Whoever rewrites the whole database can make its rows fit one another again; these objects are locked in the store and
say what the rows were.  The store is asked, not the catalogue: an older database knows less than the store does.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import select

from archive.catalogue import StoredObject
from archive.faults import HIDDEN, MISSING, UNREADABLE, Fault
from archive.heads import HEAD, HEADS_PREFIX, KEYS_PREFIX, LEAVES_PREFIX, signer
from archive.house import Archive
from archive.store import Version
from core import ledger
from core.errors import Damaged, NotFound
from core.ledger import LedgerRow
from core.note import Checkpoint, VerifierKey, open_note, signers

SHORTER, REWRITTEN = "the ledger is shorter than its signed head", "the ledger was rewritten"
UNTRUSTED, ANOTHER_LEAF = "a key that is not trusted here", "another leaf than was sealed"
# Above this a head or key is none of ours; it is not held in memory to find out.
LARGEST_NOTE = 1 << 16
PAGE = 1000


async def verify_ledger(archive: Archive, keys: Sequence[VerifierKey]) -> AsyncIterator[Fault]:
    """The ledger's rows among themselves, then against heads, leaves and keys in the store."""
    try:
        # One state for rows and head, though others append meanwhile.
        async with archive.database.snapshot() as session:
            await ledger.check(session)
    except Damaged as error:
        facts = dict(error.facts)
        row = next((facts.pop(name) for name in ("seq", "expected_seq") if name in facts), "")
        expected = "; ".join(f"{name} {value}" for name, value in facts.items() if name.startswith("expected"))
        found = "; ".join(f"{name} {value}" for name, value in facts.items() if not name.startswith("expected"))
        yield Fault(
            f"ledger row {row}" if row != "" else "ledger",
            error.message,
            expected or "as written",
            found or "otherwise",
        )
    for part in (verify_heads(archive, keys), verify_leaves(archive), verify_keys(archive, keys)):
        async for fault in part:
            yield fault


async def verify_heads(archive: Archive, keys: Sequence[VerifierKey]) -> AsyncIterator[Fault]:
    """Every head that lies in the store, against the ledger, whose rows ``core.ledger.check`` has found in order."""
    trusted = ", ".join(signer(key) for key in keys)
    seen: set[str] = set()
    async for version in archive.store.list_versions(HEADS_PREFIX):
        if version.marker:
            yield Fault(version.key, HIDDEN, "no marker", version.version_id)
            continue
        seen.add(version.key)
        note = await _text(archive, version)
        try:
            checkpoint = Checkpoint.parse(open_note(note, keys))
        except ValueError as error:
            yield Fault(version.key, str(error), trusted, ", ".join(signers(note)) or "no signature")
            continue
        async for fault in _compare_head(archive, version.key, checkpoint):
            yield fault
    async with archive.database.read() as session:
        known = set(await session.scalars(select(StoredObject.key).where(StoredObject.kind == HEAD)))
    for key in sorted(known - seen):
        yield Fault(key, MISSING, "a signed head", "none")


async def _compare_head(archive: Archive, key: str, checkpoint: Checkpoint) -> AsyncIterator[Fault]:
    if checkpoint.size == 0:
        return
    async with archive.database.read() as session:
        root = await session.scalar(select(LedgerRow.root).where(LedgerRow.seq == checkpoint.size - 1))
        newest = await session.scalar(select(LedgerRow.seq).order_by(LedgerRow.seq.desc()).limit(1))
    if root is None:
        rows = 0 if newest is None else newest + 1
        yield Fault(key, SHORTER, f"{checkpoint.size} rows", f"{rows} rows")
    elif root != checkpoint.root:
        yield Fault(key, REWRITTEN, checkpoint.root.hex(), root.hex())


async def verify_leaves(archive: Archive) -> AsyncIterator[Fault]:
    """The leaves in the store against the ledger's rows: the first row that is another in each object."""
    async for version in archive.store.list_versions(LEAVES_PREFIX):
        if version.marker:
            yield Fault(version.key, HIDDEN, "no marker", version.version_id)
            continue
        async for fault in _compare_leaves(archive, version):
            yield fault


async def _compare_leaves(archive: Archive, version: Version) -> AsyncIterator[Fault]:
    try:
        seq = int(version.key.rpartition("/")[2].partition("-")[0])
    except ValueError:
        yield Fault(version.key, UNREADABLE, "first and last row in its name", "another name")
        return
    page: list[str] = []
    async for line in _lines(archive, version):
        page.append(line)
        if len(page) == PAGE:
            async for fault in _compare_rows(archive, seq, page):
                yield fault
                return
            seq, page = seq + len(page), []
    async for fault in _compare_rows(archive, seq, page):
        yield fault


async def _compare_rows(archive: Archive, first: int, leaves: Sequence[str]) -> AsyncIterator[Fault]:
    async with archive.database.read() as session:
        query = select(LedgerRow.seq, LedgerRow.leaf).where(LedgerRow.seq >= first, LedgerRow.seq < first + len(leaves))
        rows = {row.seq: row.leaf for row in (await session.execute(query)).all()}
    for seq, leaf in enumerate(leaves, first):
        if seq not in rows:
            yield Fault(f"ledger row {seq}", MISSING, _digest(leaf), "no row")
            return
        if rows[seq] != leaf:
            yield Fault(f"ledger row {seq}", ANOTHER_LEAF, _digest(leaf), _digest(rows[seq]))
            return


async def verify_keys(archive: Archive, keys: Sequence[VerifierKey]) -> AsyncIterator[Fault]:
    """The keys that were published in the store: one that is not trusted here has signed, or was put in place to."""
    trusted = {str(key) for key in keys}
    async for version in archive.store.list_versions(KEYS_PREFIX):
        text = "" if version.marker else (await _text(archive, version)).strip()
        if text not in trusted and not version.marker:
            shown = "+".join(text.split("+")[:2]) or "no key"
            yield Fault(version.key, UNTRUSTED, ", ".join(signer(key) for key in keys), shown)


async def _text(archive: Archive, version: Version) -> str:
    """A small object's text; what cannot be read is empty, and then no note or key."""
    if version.size > LARGEST_NOTE:
        return ""
    try:
        chunks = [chunk async for chunk in archive.store.read(version.key, version.version_id)]
    except (Damaged, NotFound):
        return ""
    return b"".join(chunks).decode("utf-8", "replace")


async def _lines(archive: Archive, version: Version) -> AsyncIterator[str]:
    """Lines without their ends; an object that cannot be read has none, which the survey names."""
    rest = b""
    try:
        async for chunk in archive.store.read(version.key, version.version_id):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")
    except (Damaged, NotFound):
        return


def _digest(leaf: str) -> str:
    return f"a leaf of SHA-256 {hashlib.sha256(leaf.encode()).hexdigest()[:16]}…"
