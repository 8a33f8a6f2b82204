"""The steps of a rebuild behind the recordings: tombstones, then every other object, in the order of keys."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import KEPT, Recording, StoredObject
from archive.events import Event, events_about
from archive.heads import HEAD, HEADS_PREFIX, KEY, KEYS_PREFIX, LEAVES, LEAVES_PREFIX
from archive.house import Archive
from archive.rebuild import RECORDINGS, note_unnamed, recording_of
from archive.rebuild_ledger import Loss
from archive.rebuild_objects import Named, look_at, take
from archive.retrieve import read_verified
from archive.store import PROBES, Version
from core.errors import Damaged, NotFound
from core.ledger import LedgerRow
from reporting.daily import KIND as REPORT
from reporting.rebuild import restore_report
from retention.holds import KIND as HOLD
from retention.rebuild import CERTIFICATES, HOLDS, NIGHTLY, restore_case, restore_missing_calls, restore_tombstone
from service.rebuild_state import State
from workorders.exports import KIND as IMPORT
from workorders.exports import PREFIX as IMPORTS
from workorders.linking import KIND as LINK
from workorders.rebuild import add_link, restore_answers

BATCH = 200
REPORTS, LINKS = "reports/", "work-orders/"
KINDS = {
    HEADS_PREFIX: HEAD,
    LEAVES_PREFIX: LEAVES,
    KEYS_PREFIX: KEY,
    NIGHTLY: "nightly",
    IMPORTS: IMPORT,
    REPORTS: REPORT,
    LINKS: LINK,
    CERTIFICATES: "certificate",
    HOLDS: HOLD,
}


@dataclass(frozen=True)
class Rest:
    """What these steps work on."""

    archive: Archive
    state: State
    lose: Callable[[Loss | str], None]


def kind_of(key: str) -> str:
    """An object's kind by where it lies; where nobody knows the place, the place's name."""
    return next((kind for prefix, kind in KINDS.items() if key.startswith(prefix)), key.partition("/")[0][:20])


async def restore_tombstones(rest: Rest) -> None:
    """Every certificate of disposal brings back the row that stays of its recording."""
    async for versions in _pages(rest.archive, CERTIFICATES, rest.state.cursor):
        found, losses = await look_at(rest.archive, versions)
        for loss in losses:
            rest.lose(loss)
        documents = [(version, await _json(rest, version)) for version in found]
        subjects = [str(told["recording"]) for _, told in documents if told]
        async with rest.archive.database.write() as session:
            events = await events_about(session, subjects)
            for version, told in documents:
                if told:
                    await _tombstone(rest, session, version, told, events[str(told["recording"])])
            rest.state.cursor = versions[-1].key
            await rest.state.save(session)


async def _tombstone(
    rest: Rest, session: AsyncSession, version: Version, told: dict[str, Any], events: Sequence[Event]
) -> None:
    now = rest.archive.clock()
    named = {
        (item["key"], item["version_id"]): Named(item, event.at)
        for event in events
        for item in event.objects
        if (item["key"], item["version_id"]) == (version.key, version.version_id)
    }
    taken = take([version], named, kind_of, recording_id=None, otherwise=now)
    there = await session.get(Recording, UUID(told["recording"]))
    if there is not None:
        if there.life == KEPT:
            rest.lose(Loss(f"recording {there.id}", "nothing, as its certificate of disposal says", "objects"))
        return  # left to the step of the other objects
    await restore_tombstone(session, told, taken.rows[0], events)
    await restore_answers(session, UUID(told["recording"]), told.get("tombstone", {}).get("answers", ()))
    await note_unnamed(session, told["recording"], taken.unnamed, now)
    for loss in taken.losses:
        rest.lose(loss)
    rest.state.count("disposed")


async def restore_rest(rest: Rest) -> None:
    """Every object that no earlier step took; what some of them tell goes where it belongs."""
    named = await _named(rest.archive)
    async for versions in _pages(rest.archive, "", rest.state.cursor):
        found, losses = await look_at(rest.archive, await _unknown(rest.archive, versions))
        for loss in losses:
            rest.lose(loss)
        documents = {version: await _json(rest, version) for version in found if _tells(version.key)}
        async with rest.archive.database.write() as session:
            here = {place: named.pop(place) for one in found if (place := (one.key, one.version_id)) in named}
            await _restore(rest, session, found, here, documents)
            rest.state.cursor = versions[-1].key
            await rest.state.save(session)
    await _absent(rest, named)


async def _restore(
    rest: Rest,
    session: AsyncSession,
    found: Sequence[Version],
    named: dict[tuple[str, str], Named],
    documents: dict[Version, dict[str, Any] | None],
) -> None:
    now = rest.archive.clock()
    taken = take(found, named, kind_of, recording_id=None, otherwise=now)
    for row in taken.rows:
        row.recording_id = await _owner(rest, session, row.key)
    session.add_all(taken.rows)
    await session.flush()
    rest.state.count("objects", len(taken.rows))
    for loss in taken.losses:
        rest.lose(loss)
    for version, told in documents.items():
        if told is not None:
            await _tell(rest, session, version.key, told)
    for row in taken.unnamed:
        await note_unnamed(session, str(row.recording_id or row.id), [row], now)


async def _tell(rest: Rest, session: AsyncSession, key: str, told: dict[str, Any]) -> None:
    if key.startswith(NIGHTLY):
        rest.state.count("missing calls", await restore_missing_calls(session, told))
    elif key.startswith(REPORTS):
        rest.state.count("reports", int(await restore_report(session, key, told)))
    elif key.startswith(HOLDS):
        await restore_case(session, told)
    elif key.startswith(LINKS):
        recording = await session.get(Recording, UUID(told["recording_id"]))
        if recording is not None:
            await add_link(session, recording.id, told, by=told["by"], at=recording.sealed_at)


async def _owner(rest: Rest, session: AsyncSession, key: str) -> UUID | None:
    """The recording that an object under another prefix belongs to."""
    identifier = recording_of(key.removesuffix(".json")) if key.startswith((LINKS, CERTIFICATES)) else None
    if identifier is None or await session.get(Recording, identifier) is not None:
        return identifier
    rest.lose(Loss(key, f"recording {identifier}", "none"))
    return None


def _tells(key: str) -> bool:
    return key.endswith(".json") and key.startswith((NIGHTLY, REPORTS, LINKS, HOLDS))


async def _json(rest: Rest, version: Version) -> dict[str, Any] | None:
    """A document's content; a damaged one is named, and the rest goes on."""
    try:
        content: dict[str, Any] = json.loads(await read_verified(rest.archive, version))
    except (Damaged, NotFound, ValueError) as error:
        rest.lose(Loss(version.key, f"SHA-256 {version.sha256}", str(error)))
        return None
    return content


async def _pages(archive: Archive, prefix: str, after: str) -> AsyncIterator[list[Version]]:
    """Versions behind a key, in batches that end with a key's last version."""
    page: list[Version] = []
    async for version in archive.store.list_versions(prefix):
        if version.marker or version.key <= after or version.key.startswith((RECORDINGS, f"{PROBES}/")):
            continue
        if len(page) >= BATCH and page[-1].key != version.key:
            yield page
            page = []
        page.append(version)
    if page:
        yield page


async def _unknown(archive: Archive, versions: Sequence[Version]) -> list[Version]:
    keys = {version.key for version in versions}
    async with archive.database.read() as session:
        rows = await session.execute(
            select(StoredObject.key, StoredObject.version_id).where(StoredObject.key.in_(keys))
        )
        known = {(key, version_id) for key, version_id in rows}
    return [version for version in versions if (version.key, version.version_id) not in known]


async def _named(archive: Archive) -> dict[tuple[str, str], Named]:
    """What the ledger names outside recordings: reports, heads, nightly results, exports; a few a day."""
    found: dict[tuple[str, str], Named] = {}
    query = select(LedgerRow.leaf).where(LedgerRow.leaf.contains('"objects":[{')).order_by(LedgerRow.seq)
    async with archive.database.read() as session:
        async for leaf in await session.stream_scalars(query.execution_options(yield_per=500)):
            event = Event.of(leaf)
            for item in event.objects:
                if not item["key"].startswith((RECORDINGS, LINKS, CERTIFICATES)):
                    found[item["key"], item["version_id"]] = Named(item, event.at)
    return found


async def _absent(rest: Rest, named: dict[tuple[str, str], Named]) -> None:
    async with rest.archive.database.read() as session:
        for key, version_id in sorted(named):
            query = select(StoredObject.id).where(StoredObject.key == key, StoredObject.version_id == version_id)
            if await session.scalar(query) is None:
                rest.lose(Loss(key, f"version {version_id}", "nothing"))
