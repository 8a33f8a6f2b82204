"""Store, catalogue and ledger side by side, over everything that lies in the store, in the order of keys.

Each of the three is read once, in pages; nothing is kept but the page at hand.  Work goes on meanwhile: what one of the
three does not have is asked for again before it counts as a fault.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import func, select, tuple_

from archive import faults
from archive.accounts import Accounts, Known, compare, known, known_objects
from archive.catalogue import KEPT, Recording, StoredObject
from archive.faults import Fault
from archive.house import Archive
from archive.inspection import AT_ONCE, Inspector, Reading
from archive.sealed_index import Said, SealedIndex
from archive.shown import shown_by_catalogue
from archive.store import PROBES, Version
from core.errors import Damaged, NotFound

T = TypeVar("T", Version, Known, Said)

PAGE = 1000
BATCH = 64
# Objects that nothing names, or whose hold differs, are looked at again: sealing or holding may be under way.
SETTLE_SECONDS = 15.0
# Before each look, a part of that time; together all of it.
LOOKS = (0.02, 0.04, 0.08, 0.16, 0.3, 0.4)
MOST_WAITING = 10_000


@dataclass
class Progress:
    """How far a verification has come, and how much there is."""

    objects: int = 0
    octets: int = 0
    total_objects: int = 0
    total_octets: int = 0


class Survey:
    """One pass over everything.  ``on_progress`` is called after each batch that was read."""

    def __init__(
        self,
        archive: Archive,
        index: SealedIndex,
        inspector: Inspector,
        *,
        on_progress: Callable[[Progress], None],
        settle: float = SETTLE_SECONDS,
    ) -> None:
        self._archive, self._index, self._inspector = archive, index, inspector
        self._on_progress, self._settle = on_progress, settle
        self.progress = Progress()
        self._waiting: list[Accounts] = []
        self._batch: list[tuple[Reading, Known | None]] = []
        self._under_way: deque[asyncio.Task[list[Fault]]] = deque()

    async def run(self) -> AsyncIterator[Fault]:
        """Every fault, roughly in the order of keys."""
        await self._index.catch_up(self._archive.database)
        await self._count()
        try:
            async with aclosing(self._accounts()) as accounts:
                async for one in accounts:
                    for fault in await self._examine(one):
                        yield fault
            for fault in await self._read(everything=True):
                yield fault
            async for fault in self._second_look():
                yield fault
            async for fault in _without_objects(self._archive):
                yield fault
        finally:
            for task in self._under_way:
                task.cancel()

    async def _count(self) -> None:
        async with self._archive.database.read() as session:
            query = select(func.count(), func.coalesce(func.sum(StoredObject.size), 0)).select_from(StoredObject)
            objects, octets = (await session.execute(query)).one()
        self.progress.total_objects, self.progress.total_octets = objects, int(octets)

    async def _accounts(self) -> AsyncGenerator[Accounts, None]:
        merged = _merge(self._versions(), _known_by_key(self._archive), self._index.by_key())
        async with aclosing(merged) as groups:
            async for key, versions, rows, said in groups:
                for one in match(key, versions, rows, said, self._index):
                    yield one

    async def _versions(self) -> AsyncIterator[Version]:
        """Without the probes of the self-test, which are no evidence."""
        async for version in self._archive.store.list_versions(""):
            if not version.key.startswith(f"{PROBES}/"):
                yield version

    async def _examine(self, one: Accounts) -> list[Fault]:
        if one.unsettled and not (one.version and one.version.marker):
            again = await look_again(self._archive, self._index, one)
            if again is None:
                return []
            one = again
            if (one.nameless or one.held_otherwise) and len(self._waiting) < MOST_WAITING:
                self._waiting.append(one)
                return await self._queue(one)
        return [*compare(one), *await self._queue(one)]

    async def _queue(self, one: Accounts) -> list[Fault]:
        reading = to_read(one, self._index)
        if reading is not None:
            self._batch.append((reading, one.known))
        return await self._read() if len(self._batch) >= BATCH else []

    async def _read(self, *, everything: bool = False) -> list[Fault]:
        """Set the batch going; the faults of what was read before, in its order."""
        self._under_way.append(asyncio.create_task(self._read_batch(self._batch)))
        self._batch = []
        found: list[Fault] = []
        while self._under_way and (everything or len(self._under_way) > 2 * AT_ONCE):
            found += await self._under_way.popleft()
        return found

    async def _read_batch(self, batch: Sequence[tuple[Reading, Known | None]]) -> list[Fault]:
        results = await self._inspector.read(await shown_by_catalogue(self._archive.database, batch))
        for reading, _ in results:
            self.progress.objects += 1
            self.progress.octets += reading.size
        self._on_progress(self.progress)
        return [fault for _, found in results for fault in found]

    async def _second_look(self) -> AsyncIterator[Fault]:
        waiting, self._waiting = self._waiting, []
        for one in await settled(self._archive, self._index, waiting, self._settle, with_ledger=True):
            for fault in compare(one):
                yield fault


def match(
    key: str, versions: Iterable[Version], rows: Iterable[Known], said: Iterable[Said], index: SealedIndex
) -> list[Accounts]:
    """The versions of one key, each with what the catalogue and the ledger tell of it.

    A version that nothing names is left out where an identical one is named: two sealers at once leave that."""
    there = {version.version_id: version for version in versions}
    shown, told = {row.version_id: row for row in rows}, {one.version_id: one for one in said}
    hashes = {one.sha256 for one in shown.values()} | {one.sha256 for one in told.values()}
    found = []
    for identifier in sorted(there.keys() | shown.keys() | told.keys()):
        one = Accounts(key, identifier, there.get(identifier), shown.get(identifier), told.get(identifier))
        if not (one.nameless and one.version and not one.version.marker and one.version.sha256 in hashes):
            found.append(_with_ledger(one, index))
    return found


def _with_ledger(one: Accounts, index: SealedIndex) -> Accounts:
    subject = one.owner
    retained = index.retained(subject) if subject else ""
    return replace(
        one,
        retained=datetime.fromisoformat(retained) if retained else None,
        disposed=bool(subject) and index.is_disposed(subject),
    )


async def look_again(
    archive: Archive, index: SealedIndex, one: Accounts, *, with_ledger: bool = True
) -> Accounts | None:
    """Ask once more for what one of the three did not have; ``None`` when there is nothing to say any more."""
    version, row, said = one.version, one.known, one.said
    if version is None and said is not None and row is None and one.gone:
        return None
    if version is None or one.held_otherwise:
        version = await head(archive, one)
    # Rows of catalogue and ledger commit together: seen between the two, the ledger is asked once more.
    for _ in range(2):
        if with_ledger and said is None:
            await index.catch_up(archive.database)
            said = next((each for each in index.of_key(one.key) if each.version_id == one.version_id), None)
        row = await _known(archive, one)
        if row is None or said is not None:
            break
    if version is None and row is None and said is None:
        return None
    return _with_ledger(replace(one, version=version, known=row, said=said), index)


async def settled(
    archive: Archive, index: SealedIndex, accounts: Sequence[Accounts], seconds: float, *, with_ledger: bool = False
) -> list[Accounts]:
    """The same, those whose hold differs (``with_ledger``: or that nothing names) asked for again until all agree, for
    ``seconds`` at most: sealing, holding or letting go may be under way, and a fault stays one at every look."""
    found = list(accounts)
    for part in LOOKS:
        if not any(_unsure(one, with_ledger) for one in found):
            break
        await asyncio.sleep(seconds * part)
        again = [
            await look_again(archive, index, one, with_ledger=with_ledger) if _unsure(one, with_ledger) else one
            for one in found
        ]
        found = [one for one in again if one is not None]
    return found


def _unsure(one: Accounts, with_ledger: bool) -> bool:
    return one.held_otherwise or (with_ledger and one.nameless)


async def _known(archive: Archive, one: Accounts) -> Known | None:
    async with archive.database.read() as session:
        query = known_objects().where(StoredObject.key == one.key, StoredObject.version_id == one.version_id)
        found = (await session.execute(query)).one_or_none()
    return known(found) if found is not None else None


async def head(archive: Archive, one: Accounts) -> Version | None:
    """The version as the store tells it now, or ``None``; one with damaged bytes is there all the same."""
    try:
        return await archive.store.head(one.key, one.version_id)
    except NotFound:
        return None
    except Damaged:
        # The lock is still there to be seen in the listing; the bytes speak for themselves when they are read.
        row = one.known
        return one.version or Version(
            one.key, one.version_id, 0, "", row.lock_until if row else None, row.held if row else False
        )


def to_read(one: Accounts, index: SealedIndex) -> Reading | None:
    """What is to be read of a version; nothing where it is absent or nobody says what it should be."""
    if one.version is None or one.version.marker or not one.sha256:
        return None
    audio = ""
    if one.key.endswith("/metadata.json"):
        audios = index.of_key(f"{one.key.rpartition('/')[0]}/audio.flac")
        audio = audios[0].sha256 if audios else ""
    return Reading(one.key, one.version_id, one.version.size, one.sha256, one.owner, audio)


async def _known_by_key(archive: Archive) -> AsyncIterator[Known]:
    last: tuple[str, str] | None = None
    while True:
        query = known_objects().order_by(StoredObject.key, StoredObject.version_id).limit(PAGE)
        if last is not None:
            query = query.where(tuple_(StoredObject.key, StoredObject.version_id) > tuple_(*last))
        async with archive.database.read() as session:
            rows = (await session.execute(query)).all()
        if not rows:
            return
        for row in rows:
            yield known(row)
        last = (rows[-1].key, rows[-1].version_id)


async def _merge(
    versions: AsyncIterator[Version], rows: AsyncIterator[Known], said: AsyncIterator[Said]
) -> AsyncGenerator[tuple[str, list[Version], list[Known], list[Said]], None]:
    """The three streams, key by key.  Where a server lists out of order, a key comes twice, each time with a part."""
    first, second, third = _grouped(versions), _grouped(rows), _grouped(said)
    async with aclosing(first), aclosing(second), aclosing(third):
        a, b, c = await anext(first, None), await anext(second, None), await anext(third, None)
        while a or b or c:
            key = min(head[0] for head in (a, b, c) if head is not None)
            in_a, in_b, in_c = (head is not None and head[0] == key for head in (a, b, c))
            yield key, a[1] if a and in_a else [], b[1] if b and in_b else [], c[1] if c and in_c else []
            a = await anext(first, None) if in_a else a
            b = await anext(second, None) if in_b else b
            c = await anext(third, None) if in_c else c


async def _grouped(source: AsyncIterator[T]) -> AsyncGenerator[tuple[str, list[T]], None]:
    group: list[T] = []
    async for item in source:
        if group and item.key != group[0].key:
            yield group[0].key, group
            group = []
        group.append(item)
    if group:
        yield group[0].key, group


async def _without_objects(archive: Archive) -> AsyncIterator[Fault]:
    """Recordings that only the catalogue knows."""
    has_any = select(StoredObject.id).where(StoredObject.recording_id == Recording.id).exists()
    async with archive.database.read() as session:
        rows = await session.scalars(select(Recording.id).where(Recording.life == KEPT, ~has_any).limit(MOST_WAITING))
        for identifier in rows:
            yield Fault(f"recording {identifier}", faults.MISSING, "audio and facts", "a row of the catalogue only")
