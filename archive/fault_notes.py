"""What verification found wrong with a recording, noted in the ledger under the recording: its page can tell of it.

A fault stands until its object's bytes are found right again; a night that finds the same once more adds nothing.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import Recording, StoredObject
from archive.faults import Fault
from archive.house import Archive
from archive.seal import SYSTEM
from core.ledger import Entry, LedgerRow, append_all

KIND = "fault found"
# Of one run: where a whole store is gone, its own result says so.
MOST = 1000
CHUNK = 500
_OF_RECORDING = re.compile(r"(?:recordings/\d{4}/\d\d/\d\d/|recording )([0-9a-f-]{36})(?:/|$)")
# What is at fault (a key, or ``recording <id>``) and which kind of fault it is.
Found = tuple[str, str]


async def note_faults(archive: Archive, found: Iterable[Fault]) -> None:
    """Note each recording's faults that do not stand already; others than recordings' are left to the run's result."""
    faults = list(dict.fromkeys((fault.subject, fault.kind) for fault in found))
    if not faults:
        return
    async with archive.database.write() as session:
        by_recording = await _by_recording(session, faults)
        entries = []
        for at in range(0, len(by_recording), CHUNK):
            part = dict(list(by_recording.items())[at : at + CHUNK])
            stands = await _standing(session, list(part))
            entries += [_entry(each, new) for each, new in part.items() if not set(new) <= stands.get(each, set())]
        await append_all(session, entries, archive.clock())


def standing(noted: Iterable[Found], at: datetime, verified: Mapping[str, datetime]) -> list[Found]:
    """Those of the faults noted at ``at`` whose objects were not found right since."""
    return [(thing, what) for thing, what in noted if not verified.get(thing, at) > at]


def noted_in(facts: Mapping[str, object]) -> list[Found]:
    """The faults of a ledger row."""
    noted = facts.get("faults")
    return [(each["thing"], each["what"]) for each in noted] if isinstance(noted, list) else []


def _entry(recording: UUID, faults: Sequence[Found]) -> Entry:
    told = [{"thing": thing, "what": what} for thing, what in faults]
    return Entry(KIND, SYSTEM, str(recording), {"faults": told})


async def _by_recording(session: AsyncSession, faults: Sequence[Found]) -> dict[UUID, list[Found]]:
    owners: dict[str, UUID] = {}
    things = list(dict.fromkeys(thing for thing, _ in faults))
    for at in range(0, len(things), CHUNK):
        owners |= await _owners(session, things[at : at + CHUNK])
    grouped: dict[UUID, list[Found]] = {}
    for thing, what in faults:
        if (owner := owners.get(thing)) and (owner in grouped or len(grouped) < MOST):
            grouped.setdefault(owner, []).append((thing, what))
    return grouped


async def _owners(session: AsyncSession, things: Sequence[str]) -> dict[str, UUID]:
    """The recording of each thing that is of one: by its object, or else by its name."""
    named = {thing: UUID(match[1]) for thing in things if (match := _OF_RECORDING.match(thing))}
    known = set(await session.scalars(select(Recording.id).where(Recording.id.in_(named.values()))))
    query = select(StoredObject.key, StoredObject.recording_id).where(StoredObject.key.in_(things))
    owners = {key: owner for key, owner in await session.execute(query) if owner is not None}
    return {thing: owner for thing, owner in named.items() if owner in known} | owners


async def _standing(session: AsyncSession, recordings: Sequence[UUID]) -> dict[UUID, set[Found]]:
    subjects = [str(each) for each in recordings]
    newest = select(func.max(LedgerRow.seq)).where(LedgerRow.kind == KIND, LedgerRow.subject.in_(subjects))
    rows = (await session.scalars(select(LedgerRow).where(LedgerRow.seq.in_(newest.group_by(LedgerRow.subject))))).all()
    verified = await _verified(session, recordings) if rows else {}
    return {UUID(row.subject): set(standing(noted_in(json.loads(row.leaf)["facts"]), row.at, verified)) for row in rows}


async def _verified(session: AsyncSession, recordings: Sequence[UUID]) -> dict[str, datetime]:
    query = select(StoredObject.key, func.min(StoredObject.verified_at)).group_by(StoredObject.key)
    rows = await session.execute(query.where(StoredObject.recording_id.in_(recordings)))
    return dict(rows.all())
