"""One recording: store, catalogue and ledger compared in both directions, and every byte read.

``archive.survey`` does the same for everything that lies in the store.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from uuid import UUID

from sqlalchemy import select

from archive import layout
from archive.accounts import Known, compare, known, known_objects
from archive.catalogue import Recording, StoredObject
from archive.faults import Fault
from archive.histories import Check, compare_histories
from archive.house import Archive
from archive.inspection import Inspector
from archive.sealed_index import Said, SealedIndex
from archive.shown import shown_by_catalogue
from archive.store import Version
from archive.survey import look_again, match, settled, to_read
from core.errors import NotFound
from core.ledger import LedgerRow


async def verify_recording(
    archive: Archive, recording_id: UUID, *, checks: Sequence[Check] = (), settle: float = 0
) -> list[Fault]:
    """Every fault of a recording's objects and history; empty when all is as it was sealed.  ``NotFound`` for no such
    recording."""
    async with archive.database.read() as session:
        recording = await session.get(Recording, recording_id)
        if recording is None:
            raise NotFound("no such recording", recording=recording_id)
        rows = (await session.execute(known_objects().where(StoredObject.recording_id == recording_id))).all()
        leaves = await session.execute(
            select(LedgerRow.seq, LedgerRow.leaf).where(LedgerRow.subject == str(recording_id)).order_by(LedgerRow.seq)
        )
    with closing(SealedIndex()) as index, closing(Inspector(archive)) as inspector:
        index.add([(row.seq, row.leaf) for row in leaves])
        compared = _compare(archive, index, inspector, recording, [known(row) for row in rows], settle)
        found = [fault async for fault in compared]
    return [*found, *[fault async for fault in compare_histories(archive, checks, only=[recording_id])]]


async def _compare(
    archive: Archive,
    index: SealedIndex,
    inspector: Inspector,
    recording: Recording,
    rows: list[Known],
    settle: float,
) -> AsyncIterator[Fault]:
    versions, shown, said = defaultdict[str, list[Version]](list), defaultdict[str, list[Known]](list), _by_key(index)
    prefix = layout.recording_prefix(recording.id, recording.started_at)
    async for version in archive.store.list_versions(prefix):
        versions[version.key].append(version)
    for row in rows:
        shown[row.key].append(row)
    accounts = []
    for key in sorted(versions.keys() | shown.keys() | said.keys()):
        for one in match(key, versions.get(key, ()), shown.get(key, ()), said.get(key, ()), index):
            missing = one.version is None
            found = await look_again(archive, index, one, with_ledger=False) if missing else one
            accounts += [found] if found else []
    batch = []
    for found in await settled(archive, index, accounts, settle):
        for fault in compare(found):
            yield fault
        if reading := to_read(found, index):
            batch.append((reading, found.known))
    for _, faults in await inspector.read(await shown_by_catalogue(archive.database, batch)):
        for fault in faults:
            yield fault


def _by_key(index: SealedIndex) -> dict[str, list[Said]]:
    found = defaultdict[str, list[Said]](list)
    for one in index.all():
        found[one.key].append(one)
    return found
