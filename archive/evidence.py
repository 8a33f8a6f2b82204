"""A recording's proof: its ledger rows, each with the audit path to a signed head.

Whoever holds the verifier key can check it without us: hash each leaf, climb its path, compare with the signed root.
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive.catalogue import Recording
from archive.heads import newest_head, sign_head
from archive.house import Archive
from core.errors import NotFound
from core.ledger import LedgerRow
from core.merkle import leaf_hash, root_from_inclusion
from core.note import Checkpoint, SigningKey, VerifierKey, open_note
from core.proofs import LedgerHashes, inclusion

FORMAT = "huiyin-proof/1"


async def recording_proof(
    archive: Archive, recording_id: UUID, key: SigningKey, *, retain_until: datetime
) -> dict[str, Any]:
    """Everything the ledger says of a recording, provable with ``key.verifier`` alone; signs a new head where the
    newest does not cover it.  ``NotFound`` for no such recording."""
    async with archive.database.read() as session:
        if await session.get(Recording, recording_id) is None:
            raise NotFound("no such recording", recording=recording_id)
        last = await session.scalar(
            select(LedgerRow.seq).where(LedgerRow.subject == str(recording_id)).order_by(LedgerRow.seq.desc()).limit(1)
        )
    head = await newest_head(archive, at_least=(last or 0) + 1)
    if head is None:
        head = await sign_head(archive, key, retain_until=retain_until)
    return await proof_under(archive, recording_id, head.note, key.verifier)


async def proof_under(archive: Archive, recording_id: UUID, note: str, verifier: VerifierKey) -> dict[str, Any]:
    """What the ledger said of a recording when this head (a signed note of ours) was signed."""
    size = Checkpoint.parse(note.rpartition("\n\n")[0] + "\n").size
    async with archive.database.read() as session:
        query = select(LedgerRow).where(LedgerRow.subject == str(recording_id), LedgerRow.seq < size)
        rows = list(await session.scalars(query.order_by(LedgerRow.seq)))
        hashes = LedgerHashes(session)
        entries = [
            {"index": row.seq, "leaf": row.leaf, "path": [_text(one) for one in await inclusion(hashes, row.seq, size)]}
            for row in rows
        ]
    return {
        "format": FORMAT,
        "recording": str(recording_id),
        "head": note,
        "verifier_key": str(verifier),
        "entries": entries,
    }


def check_proof(proof: Mapping[str, Any], key: VerifierKey) -> Checkpoint:
    """The signed head that every entry of a proof leads to.  ``ValueError`` says what does not hold."""
    checkpoint = Checkpoint.parse(open_note(str(proof["head"]), [key]))
    for entry in proof["entries"]:
        path = [base64.b64decode(one) for one in entry["path"]]
        root = root_from_inclusion(leaf_hash(entry["leaf"].encode()), entry["index"], checkpoint.size, path)
        if root != checkpoint.root:
            raise ValueError(f"ledger row {entry['index']} is not in the signed log")
    return checkpoint


def _text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
