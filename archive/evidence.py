"""A recording's proof: its ledger rows, each with the audit path to a signed head.

Whoever holds the verifier key can check it without us: hash each leaf, climb its path, compare with the signed root.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive.catalogue import Recording
from archive.heads import newest_head, sign_head, unsigned
from archive.house import Archive
from core.errors import NotFound
from core.ledger import LedgerRow
from core.merkle import leaf_hash, root_from_inclusion
from core.note import Checkpoint, SigningKey, VerifierKey, open_note
from core.proofs import RememberedHashes, inclusion

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
    return (await Proofs(archive, note, verifier).about([str(recording_id)]))[str(recording_id)]


class Proofs:
    """Proofs under one signed head, of many subjects at a time."""

    def __init__(self, archive: Archive, note: str, verifier: VerifierKey) -> None:
        self._archive, self._note, self._verifier = archive, note, verifier
        self.size = unsigned(note).size
        self._hashes = RememberedHashes(archive.database, self.size)

    async def about(self, subjects: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What the ledger said of each subject, with the audit path of every row."""
        query = select(LedgerRow.seq, LedgerRow.subject, LedgerRow.leaf)
        query = query.where(LedgerRow.subject.in_(subjects), LedgerRow.seq < self.size).order_by(LedgerRow.seq)
        async with self._archive.database.read() as session:
            rows = (await session.execute(query)).all()
        entries: dict[str, list[dict[str, Any]]] = {subject: [] for subject in subjects}
        for index, subject, leaf in rows:
            entries[subject].append(await self.entry(index, leaf))
        return {
            subject: {
                "format": FORMAT,
                "recording": subject,
                "head": self._note,
                "verifier_key": str(self._verifier),
                "entries": told,
            }
            for subject, told in entries.items()
        }

    async def entry(self, index: int, leaf: str) -> dict[str, Any]:
        """One row with its audit path."""
        path = await inclusion(self._hashes, index, self.size)
        return {"index": index, "leaf": leaf, "path": [_text(one) for one in path]}


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
