"""Recordings into the bag: what was sealed, byte for byte, and what we say about it.

A chunk of recordings is asked for in a few queries, then copied several files at a time.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from archive import layout
from archive.catalogue import KEPT, Recording, StoredObject
from archive.evidence import Proofs
from archive.house import Archive
from core.errors import Damaged, Refused
from retention.handover.describing import describe
from retention.handover.journal import Written
from retention.handover.pages import recording_page
from retention.handover.proving import sealed_objects
from retention.handover.vcon import Files, vcon
from retention.handover.writing import Payload

Stored = Mapping[tuple[str, str], StoredObject]


@dataclass(frozen=True)
class _Loaded:
    """A recording with everything of it that is handed over but its objects' bytes."""

    recording: Recording
    record: Mapping[str, Any]
    proof: Mapping[str, Any]
    objects: Sequence[StoredObject]


@dataclass(frozen=True)
class Copier:
    """Copies the recordings of one export."""

    archive: Archive
    payload: Payload
    proofs: Proofs
    timezone: ZoneInfo

    async def copy(self, recordings: Sequence[UUID]) -> None:
        """Every sealed object, then proof, catalogue record, vCon and page.  ``Damaged`` names what is not genuine,
        ``Refused`` what is being disposed of; the others are copied first."""
        loaded = await self._load(recordings)
        done = await asyncio.gather(*(self._copy(one) for one in loaded), return_exceptions=True)
        for result in done:
            if result is not None:
                raise result

    async def _copy(self, one: _Loaded) -> None:
        recording, prefix = one.recording, f"data/{layout.recording_prefix(one.recording.id, one.recording.started_at)}"
        copies = await asyncio.gather(
            *(self.payload.copy(self.archive, stored, f"data/{stored.key}") for stored in one.objects)
        )
        written = [(stored.kind, copy) for stored, copy in zip(one.objects, copies, strict=True)]
        turns = self._newest_turns([copy for kind, copy in written if kind == layout.TRANSCRIPT])
        names = [copy.path.removeprefix(prefix) for copy in copies if copy.path.startswith(prefix)]
        page = recording_page(recording, one.record, turns, names, self.timezone)
        documents = {"proof": one.proof, "record": one.record, "vcon": vcon(recording, _files(prefix, written))}
        made = {f"{prefix}{name}.json": layout.document(content) for name, content in documents.items()}
        await self.payload.write_all({**made, f"{prefix}index.html": page.encode()})

    async def _load(self, identifiers: Sequence[UUID]) -> list[_Loaded]:
        async with self.archive.database.read() as session:
            rows = list(await session.scalars(select(Recording).where(Recording.id.in_(identifiers))))
            records = await describe(session, rows)
            objects = await session.scalars(select(StoredObject).where(StoredObject.recording_id.in_(identifiers)))
            stored: dict[UUID, dict[tuple[str, str], StoredObject]] = {identifier: {} for identifier in identifiers}
            for row in objects:
                assert row.recording_id
                stored[row.recording_id][row.key, row.version_id] = row
        for recording in rows:
            _require_kept(recording)
        proofs = await self.proofs.about([str(identifier) for identifier in identifiers])
        return [
            _Loaded(row, records[row.id], proofs[str(row.id)], _chosen(proofs[str(row.id)], stored[row.id]))
            for row in rows
        ]

    def _newest_turns(self, transcripts: list[Written]) -> list[dict[str, Any]]:
        if not transcripts:
            return []
        newest = max(transcripts, key=lambda one: _number(one.path))
        content = json.loads((self.payload.bag / newest.path).read_bytes())
        return list(content["turns"])


def _require_kept(recording: Recording) -> None:
    if recording.life != KEPT:
        raise Refused(
            "录音已进入处置，不能移交 / a recording of this export is being disposed of",
            recording=recording.id,
            remedy="ask for a new export, which will not list it",
        )


def _chosen(proof: Mapping[str, Any], stored: Stored) -> list[StoredObject]:
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
