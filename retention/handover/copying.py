"""One recording into the bag: what was sealed, byte for byte, and what we say about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from archive import layout
from archive.catalogue import Recording, StoredObject
from archive.evidence import proof_under
from archive.house import Archive
from core.errors import Damaged
from core.note import VerifierKey
from retention.handover.describing import describe
from retention.handover.journal import Written
from retention.handover.pages import recording_page
from retention.handover.proving import sealed_objects
from retention.handover.tables import Export
from retention.handover.vcon import Files, vcon
from retention.handover.writing import Payload


@dataclass(frozen=True)
class Copier:
    """Copies the recordings of one export."""

    archive: Archive
    payload: Payload
    export: Export
    verifier: VerifierKey
    timezone: Any

    async def copy(self, recording_id: UUID) -> None:
        """Every sealed object, then proof, catalogue record, vCon and page.  ``Damaged`` names what is not genuine."""
        recording, record, stored = await self._load(recording_id)
        proof = await proof_under(self.archive, recording_id, self.export.head, self.verifier)
        written = [
            (stored_object.kind, await self.payload.copy(self.archive, stored_object, f"data/{stored_object.key}"))
            for stored_object in _chosen(proof, stored)
        ]
        prefix = f"data/{layout.recording_prefix(recording.id, recording.started_at)}"
        await self.payload.write(f"{prefix}proof.json", layout.document(proof))
        await self.payload.write(f"{prefix}record.json", layout.document(record))
        await self.payload.write(f"{prefix}vcon.json", layout.document(vcon(recording, _files(prefix, written))))
        turns = self._newest_turns([one for kind, one in written if kind == layout.TRANSCRIPT])
        names = [one.path.removeprefix(prefix) for _, one in written if one.path.startswith(prefix)]
        page = recording_page(recording, record, turns, names, self.timezone)
        await self.payload.write(f"{prefix}index.html", page.encode())

    async def _load(
        self, recording_id: UUID
    ) -> tuple[Recording, dict[str, Any], Mapping[tuple[str, str], StoredObject]]:
        async with self.archive.database.read() as session:
            recording = await session.get_one(Recording, recording_id)
            record = await describe(session, recording)
            rows = await session.scalars(select(StoredObject).where(StoredObject.recording_id == recording_id))
            return recording, record, {(row.key, row.version_id): row for row in rows}

    def _newest_turns(self, transcripts: list[Written]) -> list[dict[str, Any]]:
        if not transcripts:
            return []
        newest = max(transcripts, key=lambda one: _number(one.path))
        content = json.loads((self.payload.bag / newest.path).read_bytes())
        return list(content["turns"])


def _chosen(proof: Mapping[str, Any], stored: Mapping[tuple[str, str], StoredObject]) -> list[StoredObject]:
    """The objects that the ledger names, so that the bag holds what its proofs say, no more and no less."""
    chosen = []
    for key, said in sealed_objects(proof).items():
        found = stored.get((key, said["version_id"]))
        if found is None:
            raise Damaged(
                "the ledger names an object that the catalogue does not have",
                key=key,
                remedy="`huiyin rebuild` restores the catalogue from the store; then run the same export again",
            )
        chosen.append(found)
    return chosen


def _files(prefix: str, written: list[tuple[str, Written]]) -> Files:
    inside = [(kind, one) for kind, one in written if one.path.startswith(prefix)]
    known = (layout.AUDIO, layout.METADATA, layout.TRANSCRIPT)
    return Files(
        prefix=prefix,
        audio=next((one for kind, one in inside if kind == layout.AUDIO), None),
        metadata=next((one for kind, one in inside if kind == layout.METADATA), None),
        transcripts=sorted(
            (one for kind, one in inside if kind == layout.TRANSCRIPT), key=lambda one: _number(one.path)
        ),
        others=[one for kind, one in inside if kind not in known],
    )


def _number(path: str) -> int:
    """The version of ``…/transcript.vN.json``."""
    return int(path.rpartition(".v")[2].partition(".")[0])
