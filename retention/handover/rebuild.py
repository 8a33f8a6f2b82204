"""Exports and receipts as they are sealed in the store, once the catalogue names those objects again.

``exports/<id>/export.json`` and ``recordings.txt`` tell what was asked for, ``bag.json`` which bag it became, each
``receipt.json`` who received it; when a bag was finished or removed stands in the ledger.  An export that was never
finished comes back as one whose list is recorded: the command line can go on with it, or it expires.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording, StoredObject
from archive.events import Event, events_about
from archive.house import Archive
from archive.rebuild_ledger import Loss
from archive.retrieve import read_verified
from core.errors import Damaged, NotFound
from retention.handover.begin import PREFIX
from retention.handover.copies import REMOVED
from retention.handover.finishing import FINISHED
from retention.handover.receipts import RECEIVED
from retention.handover.tables import DONE, RECORDED, Export, ExportItem, Receipt

LINES = 2000
Documents = Mapping[str, StoredObject]


async def restore_exports(archive: Archive, lose: Callable[[Loss | str], None]) -> int:
    """Bring every export back that is not there yet, each in a transaction of its own; returns how many there are."""
    count = 0
    for export_id, documents in (await _exports(archive)).items():
        count += 1
        async with archive.database.read() as session:
            if await session.get(Export, export_id) is not None:
                continue
            events = (await events_about(session, [str(export_id)]))[str(export_id)]
        try:
            told = await _read_all(archive, documents)
            listed = (await read_verified(archive, documents["recordings.txt"])).decode().split()
        except (Damaged, NotFound, KeyError, ValueError) as error:
            lose(Loss(f"{PREFIX}{export_id}/", "an export's sealed documents", f"{type(error).__name__}: {error}"))
            count -= 1
            continue
        async with archive.database.write() as session:
            await _restore(session, export_id, told, events, [UUID(line) for line in listed], lose)
    return count


async def _exports(archive: Archive) -> dict[UUID, dict[str, StoredObject]]:
    """Exports with their sealed objects by the part of the key behind the export's own."""
    query = select(StoredObject).where(StoredObject.key.startswith(PREFIX)).order_by(StoredObject.key)
    found: dict[UUID, dict[str, StoredObject]] = {}
    async with archive.database.read() as session:
        for stored in await session.scalars(query):
            identifier, _, name = stored.key.removeprefix(PREFIX).partition("/")
            with suppress(ValueError):  # no export of ours: verification names it
                found.setdefault(UUID(identifier), {})[name] = stored
    return found


async def _read_all(archive: Archive, documents: Documents) -> dict[str, dict[str, Any]]:
    names = [name for name in documents if name.endswith(".json")]
    if "export.json" not in names:
        raise KeyError("export.json")
    told = {name: json.loads(await read_verified(archive, documents[name])) for name in names}
    for name in names:
        told[name]["stored"] = documents[name].id
        signed = told[name].get("signed")
        if name.endswith("/receipt.json") and signed:
            told[name]["paper"] = documents[f"{name.rpartition('/')[0]}/{signed['key'].rpartition('/')[2]}"].id
    return told


async def _restore(
    session: AsyncSession,
    export_id: UUID,
    told: Mapping[str, Mapping[str, Any]],
    events: Sequence[Event],
    listed: Sequence[UUID],
    lose: Callable[[Loss | str], None],
) -> None:
    export = _asked(export_id, told["export.json"])
    if "bag.json" in told:
        _finish(export, told["bag.json"], events)
    for event in events:
        if event.kind == REMOVED:
            export.removed_at, export.removed_why = event.at, event.facts["why"]
    session.add(export)
    await session.flush()
    await _list(session, export, listed, lose)
    for name, receipt in told.items():
        if name.endswith("/receipt.json"):
            session.add(_receipt(export_id, UUID(name.partition("/")[0]), receipt, events))
    await session.flush()


def _asked(export_id: UUID, told: Mapping[str, Any]) -> Export:
    until = told["kept_by_us_until"]
    return Export(
        id=export_id,
        scope=told["scope"],
        purpose=told["purpose"],
        asked_by=told["asked_by"],
        asked_at=datetime.fromisoformat(told["asked_at"]),
        state=RECORDED,
        recordings=told["recordings"],
        recorded=told["recordings"],
        here=until is not None,
        expires_at=datetime.fromisoformat(until) if until else None,
    )


def _finish(export: Export, told: Mapping[str, Any], events: Sequence[Event]) -> None:
    export.state, export.written, export.bytes = DONE, export.recordings, told["octets"]
    export.tag_manifest, export.head = told["tag_manifest_sha256"], told["head"]
    export.head_at = datetime.fromisoformat(told["head_at"])
    for event in events:
        if event.kind == FINISHED:
            export.finished_at = event.at
            if export.here:
                export.expires_at = event.at + timedelta(days=event.facts["kept_days"])


async def _list(
    session: AsyncSession, export: Export, listed: Sequence[UUID], lose: Callable[[Loss | str], None]
) -> None:
    """The recordings in their order of time; one that could not be brought back leaves a gap that is told."""
    found: list[tuple[datetime, UUID]] = []
    for start in range(0, len(listed), LINES):
        query = select(Recording.started_at, Recording.id).where(Recording.id.in_(listed[start : start + LINES]))
        found += [(began, identifier) for began, identifier in await session.execute(query)]
    if len(found) != len(listed):
        lose(Loss(f"{PREFIX}{export.id}/", f"{len(listed)} recordings", f"{len(found)} of them"))
    rows = [
        {"export_id": export.id, "ordinal": place, "recording_id": identifier}
        for place, (_, identifier) in enumerate(sorted(found))
    ]
    if rows:
        await session.execute(insert(ExportItem), rows)


def _receipt(export_id: UUID, identifier: UUID, told: Mapping[str, Any], events: Sequence[Event]) -> Receipt:
    recorded = [event.at for event in events if event.kind == RECEIVED and event.facts["receipt"] == str(identifier)]
    received = datetime.fromisoformat(told["received_at"])
    return Receipt(
        id=identifier,
        export_id=export_id,
        tag_manifest=told["tag_manifest_sha256"],
        receiver=told["receiver"],
        received_at=received,
        recorded_by=told["recorded_by"],
        # Where the ledger's row is lost, what the receiver said is the nearest moment that is known.
        recorded_at=recorded[0] if recorded else received,
        record=told["stored"],
        signed=told.get("paper"),
    )
