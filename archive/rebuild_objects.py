"""Object versions in the store as catalogue rows, by what the ledger says of each where it says anything."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from archive.catalogue import StoredObject
from archive.events import Event
from archive.house import Archive
from archive.rebuild_ledger import Loss
from archive.store import Version
from core.errors import Damaged, NotFound
from core.ids import new_id

AT_ONCE = 16
ABSENT = "nothing"


@dataclass(frozen=True)
class Named:
    """One version as a ledger row names it, and when."""

    item: Mapping[str, Any]
    at: datetime


@dataclass
class Taken:
    """Rows for a group of versions: all of them, those that no ledger row names, and what is wrong."""

    rows: list[StoredObject] = field(default_factory=list)
    unnamed: list[StoredObject] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    held: bool = False


def named_by(events: Iterable[Event], prefix: str) -> dict[tuple[str, str], Named]:
    """Every version under ``prefix`` that the events say was sealed."""
    return {
        (item["key"], item["version_id"]): Named(item, event.at)
        for event in events
        for item in event.objects
        if item["key"].startswith(prefix)
    }


async def look_at(archive: Archive, versions: Sequence[Version]) -> tuple[list[Version], list[Loss]]:
    """The versions as HEAD shows them (a listing need not tell lock and hold); markers are left out."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(version: Version) -> Version | Loss | None:
        async with limit:
            try:
                return await archive.store.head(version.key, version.version_id)
            except Damaged as error:
                return Loss(version.key, "a sealed object", str(error))
            except NotFound:
                return None  # whoever compares with the ledger names it

    found = await asyncio.gather(*(one(version) for version in versions if not version.marker))
    return [one for one in found if isinstance(one, Version)], [one for one in found if isinstance(one, Loss)]


def take(
    versions: Sequence[Version],
    named: Mapping[tuple[str, str], Named],
    kind_of: Callable[[str], str],
    *,
    recording_id: UUID | None,
    otherwise: datetime,
) -> Taken:
    """Rows for versions.  One that the ledger does not name is taken unless it repeats one that is there (two who
    seal the same at once leave such); it is dated ``otherwise``.  One that only the ledger knows is taken too."""
    taken = Taken()
    seen: set[tuple[str, str]] = set()
    for version in sorted(versions, key=lambda one: ((one.key, one.version_id) not in named, one.key)):
        known = named.get((version.key, version.version_id))
        if known is None and (version.key, version.sha256) in seen:
            continue
        row = _row(version, known, kind_of, recording_id, otherwise)
        seen.add((row.key, row.sha256))
        taken.rows.append(row)
        taken.held = taken.held or version.held
        if known is None:
            taken.unnamed.append(row)
        elif version.sha256 != row.sha256:
            taken.losses.append(Loss(row.key, row.sha256, version.sha256))
    there = {(version.key, version.version_id) for version in versions}
    for place in sorted(named.keys() - there):
        # What should be there has its row, so that verification keeps naming it.
        known = named[place]
        absent = Version(*place, size=0, sha256="", lock_until=None)
        taken.rows.append(_row(absent, known, kind_of, recording_id, otherwise))
        taken.losses.append(Loss(place[0], f"version {place[1]}", ABSENT))
    return taken


def _row(
    version: Version,
    known: Named | None,
    kind_of: Callable[[str], str],
    recording_id: UUID | None,
    otherwise: datetime,
) -> StoredObject:
    item = known.item if known else {}
    return StoredObject(
        id=UUID(item["id"]) if "id" in item else new_id(),
        recording_id=recording_id,
        kind=item.get("kind") or kind_of(version.key),
        key=version.key,
        version_id=version.version_id,
        size=item.get("size", version.size),
        sha256=item.get("sha256", version.sha256),
        lock_until=version.lock_until or otherwise,
        created_at=known.at if known else otherwise,
    )
