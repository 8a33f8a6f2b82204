"""The ledger's part of a bag: what proves each recording, the export itself, and that the log was never rewritten."""

import base64
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from archive.catalogue import StoredObject
from archive.evidence import proof_under
from archive.heads import HEAD, LEAVES, head_key, leaves_key
from archive.house import Archive
from archive.layout import document
from core.note import Checkpoint, VerifierKey
from core.proofs import LedgerHashes, consistency
from retention.handover.tables import Export
from retention.handover.writing import Payload

LEDGER = "data/ledger/"
CONSISTENCY_FORMAT = "huiyin-consistency/1"


def checkpoint_of(note: str) -> Checkpoint:
    """The checkpoint in one of our own notes."""
    return Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")


def sealed_objects(proof: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the ledger says was sealed, by key."""
    entries = (json.loads(entry["leaf"])["facts"] for entry in proof["entries"])
    return {item["key"]: item for facts in entries for item in facts.get("objects", ())}


async def write_ledger(
    archive: Archive, payload: Payload, export: Export, verifier: VerifierKey, *, whole: bool
) -> list[tuple[str, str]]:
    """The export's own proof, every signed head up to its head, their consistency, and with ``whole`` every leaf;
    paths and names for the index."""
    size = checkpoint_of(export.head).size
    proof = await proof_under(archive, export.id, export.head, verifier)
    await payload.write(f"{LEDGER}export.proof.json", document(proof))
    await payload.write(f"{LEDGER}verifier-key.txt", f"{verifier}\n".encode())
    sizes = []
    for stored in await _stored(archive, HEAD, head_key(size)):
        sizes.append(int(stored.key.rpartition("/")[2].partition(".")[0]))
        await payload.copy(archive, stored, f"data/{stored.key}")
    if size not in sizes:
        sizes.append(size)
        await payload.write(f"data/{head_key(size)}", export.head.encode())
    await payload.write(f"{LEDGER}consistency.json", await _consistency(archive, sorted(set(sizes))))
    if whole:
        for stored in await _stored(archive, LEAVES, leaves_key(size, 0)):
            await payload.copy(archive, stored, f"data/{stored.key}")
    return [
        ("ledger/export.proof.json", "台账证明 ledger"),
        ("ledger/verifier-key.txt", "验证公钥 verifier key"),
    ]


async def _stored(archive: Archive, kind: str, before: str) -> list[StoredObject]:
    """Objects of a kind up to a key, one of each key: the earliest version."""
    query = select(StoredObject).where(StoredObject.kind == kind, StoredObject.key <= before)
    async with archive.database.read() as session:
        rows = await session.scalars(query.order_by(StoredObject.key, StoredObject.created_at.desc()))
        return list({row.key: row for row in rows}.values())


async def _consistency(archive: Archive, sizes: list[int]) -> bytes:
    steps = []
    async with archive.database.read() as session:
        hashes = LedgerHashes(session)
        for old, size in pairwise(sizes):
            path = [base64.b64encode(one).decode() for one in await consistency(hashes, old, size)]
            steps.append({"old": old, "size": size, "path": path})
    return document({"format": CONSISTENCY_FORMAT, "steps": steps})
