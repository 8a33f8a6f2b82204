"""The ledger's signed heads in the store, and its leaves beside them: what shows that nobody rewrote the database.

``ledger/leaves/<first>-<size>.jsonl`` holds the leaves that were not yet in the store, a line each;
``ledger/heads/<size>.txt`` is the signed checkpoint over all leaves up to there (C2SP tlog-checkpoint).  Both are
locked; sealing them adds rows of their own, which the next head covers.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.retrieve import read_verified
from archive.seal import SYSTEM, seal_object
from core.errors import Damaged
from core.exclusion import Alone, alone
from core.ledger import Entry, LedgerHead, LedgerRow
from core.merkle import Frontier
from core.note import Checkpoint, SigningKey, VerifierKey

log = logging.getLogger(__name__)

HEAD, LEAVES, KEY = "head", "leaves", "ledger key"
HEADS_PREFIX, LEAVES_PREFIX, KEYS_PREFIX = "ledger/heads/", "ledger/leaves/", "ledger/keys/"
# A leaf has about 400 octets.
MOST_LEAVES = 50_000


@dataclass(frozen=True)
class SignedHead:
    """A checkpoint, the note that signs it, and the object that holds the note."""

    checkpoint: Checkpoint
    note: str
    stored: StoredObject


def head_key(size: int) -> str:
    return f"{HEADS_PREFIX}{size:015}.txt"


def leaves_key(first: int, size: int) -> str:
    return f"{LEAVES_PREFIX}{first:015}-{size:015}.jsonl"


async def sign_head(archive: Archive, key: SigningKey, *, retain_until: datetime, actor: str = SYSTEM) -> SignedHead:
    """Put the leaves that the store does not have yet into it, and sign the head over all of them.

    Where nothing happened since the newest head but its own sealing, that head is returned.  Whoever signs, the night,
    a command or an export, signs alone: heads come in the order of their sizes, each once, and leaves without overlap.
    ``Damaged`` when the ledger contradicts a head that was signed before."""
    async with alone(archive.database, HEAD, waiting=_tell_waiting) as turn:
        return await _sign(archive, key, retain_until, actor, turn)


def _tell_waiting() -> None:
    log.warning("another process signs the ledger: waiting for its end")


async def _sign(archive: Archive, key: SigningKey, retain_until: datetime, actor: str, turn: Alone) -> SignedHead:
    newest = await newest_head(archive)
    async with archive.database.read() as session:
        head = await session.get(LedgerHead, 1)
        tree = Frontier.parse(head.size, head.frontier) if head else Frontier()
        only_bookkeeping = newest is not None and await _only_bookkeeping(session, newest.checkpoint.size, tree.size)
    await _require_continued(archive, newest)
    if newest is not None and only_bookkeeping:
        return newest
    await _publish_key(archive, key, retain_until, actor)
    await _seal_leaves(archive, tree.size, retain_until, actor)
    checkpoint = Checkpoint(key.name, tree.size, tree.root)
    note = key.sign(str(checkpoint))
    # A lock that was lost on the way lets somebody else sign meanwhile.
    await turn.confirm()
    facts = {"size": tree.size, "root": tree.root.hex(), "signer": signer(key.verifier)}
    stored = await seal_object(
        archive,
        key=head_key(tree.size),
        kind=HEAD,
        content=note.encode(),
        retain_until=retain_until,
        entry=Entry("head signed", actor, str(tree.size), facts),
    )
    return SignedHead(checkpoint, note, stored)


async def newest_head(archive: Archive, *, at_least: int = 0) -> SignedHead | None:
    """The signed head of the most leaves, if it covers ``at_least`` so many."""
    query = select(StoredObject).where(StoredObject.kind == HEAD).order_by(StoredObject.key.desc()).limit(1)
    async with archive.database.read() as session:
        stored = await session.scalar(query)
    if stored is None:
        return None
    note = (await read_verified(archive, stored)).decode()
    checkpoint = unsigned(note)
    return SignedHead(checkpoint, note, stored) if checkpoint.size >= at_least else None


async def _only_bookkeeping(session: AsyncSession, signed: int, size: int) -> bool:
    """Whether every row behind a signed head tells of that signing itself."""
    rows = await session.scalars(select(LedgerRow.kind).where(LedgerRow.seq >= signed, LedgerRow.seq < size).limit(4))
    return set(rows) <= {"head signed", "leaves sealed", "key published"} and size - signed < 4


async def _publish_key(archive: Archive, key: SigningKey, retain_until: datetime, actor: str) -> None:
    """The public key lies in the store as well, so that a change of keys is visible; trust comes from elsewhere."""
    verifier = key.verifier
    place = f"{KEYS_PREFIX}{verifier.number.hex()}.txt"
    async with archive.database.read() as session:
        if await session.scalar(select(StoredObject.id).where(StoredObject.key == place).limit(1)):
            return
    await seal_object(
        archive,
        key=place,
        kind=KEY,
        content=f"{verifier}\n".encode(),
        retain_until=retain_until,
        entry=Entry("key published", actor, signer(verifier), {}),
    )


async def _seal_leaves(archive: Archive, size: int, retain_until: datetime, actor: str) -> None:
    first = await _leaves_sealed(archive)
    while first < size:
        stop = min(size, first + MOST_LEAVES)
        async with archive.database.read() as session:
            query = select(LedgerRow.leaf).where(LedgerRow.seq >= first, LedgerRow.seq < stop).order_by(LedgerRow.seq)
            leaves = list(await session.scalars(query))
        await seal_object(
            archive,
            key=leaves_key(first, stop),
            kind=LEAVES,
            content="".join(f"{leaf}\n" for leaf in leaves).encode(),
            retain_until=retain_until,
            entry=Entry("leaves sealed", actor, f"{first}-{stop}", {"first": first, "size": stop}),
        )
        first = stop


async def _leaves_sealed(archive: Archive) -> int:
    query = select(StoredObject.key).where(StoredObject.kind == LEAVES).order_by(StoredObject.key.desc()).limit(1)
    async with archive.database.read() as session:
        key = await session.scalar(query)
    return int(key.rpartition("-")[2].partition(".")[0]) if key else 0


async def _require_continued(archive: Archive, newest: SignedHead | None) -> None:
    """``Damaged`` unless the ledger begins with what was signed before: a house never signs two histories.

    The store is asked for heads that the database does not know, as after restoring it from a backup."""
    known = newest.stored.key if newest else ""
    notes = [(known, newest.note)] if newest else []
    async for version in archive.store.list_versions(HEADS_PREFIX):
        if version.key > known and not version.marker:
            content = b"".join([chunk async for chunk in archive.store.read(version.key, version.version_id)])
            notes.append((version.key, content.decode("utf-8", "replace")))
    for key, note in notes:
        checkpoint = unsigned(note)
        async with archive.database.read() as session:
            root = await session.scalar(select(LedgerRow.root).where(LedgerRow.seq == checkpoint.size - 1))
        if checkpoint.size and root != checkpoint.root:
            raise Damaged(
                "the ledger does not continue what was signed before, so it is not signed",
                head=key,
                expected=checkpoint.root.hex(),
                found=root.hex() if root else "fewer rows",
                remedy="find out with `huiyin verify`; after restoring a backup of the database use `huiyin rebuild`",
            )


def unsigned(note: str) -> Checkpoint:
    """The checkpoint of a note, whoever signed it; ``ValueError`` when it is none."""
    return Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")


def signer(key: VerifierKey) -> str:
    """A key's name and number, for saying who signed."""
    return f"{key.name}+{key.number.hex()}"
