"""Locks as the store holds them, against what the rule and the catalogue ask for: too short is lengthened, absent
or changed objects are named.  Nothing is ever shortened or deleted here."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select, tuple_, update
from sqlalchemy.orm import load_only

from archive.catalogue import KEPT, Recording, StoredObject
from archive.house import Archive
from archive.seal import lengthen
from archive.store import Version
from core.errors import NotFound, Refused, with_cause
from core.ledger import Entry, append
from core.settings import Settings
from retention.disposal import DATES, SYSTEM
from retention.policies import load_policies

BATCH = 200
AT_ONCE = 16
# Each lock is looked at once in this many nights; up to so many objects, every night.
NIGHTS = 30
EVERY_NIGHT = 20_000
WHY = "nightly check"


@dataclass(frozen=True)
class Fault:
    """Something that a person must look at: the kind of fault, the thing, and what was found (Chinese)."""

    kind: str
    subject: str
    detail: str


@dataclass(frozen=True)
class LockReport:
    """How many objects were looked at, the recordings and keys whose date was too early, and the faults."""

    checked: int = 0
    extended: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __add__(self, other: "LockReport") -> "LockReport":
        return LockReport(
            self.checked + other.checked,
            self.extended + other.extended,
            self.repaired + other.repaired,
            self.faults + other.faults,
        )


@dataclass(frozen=True)
class _Expected:
    row: StoredObject
    until: datetime


async def check_locks(archive: Archive, settings: Settings, *, dry_run: bool) -> LockReport:
    """Bring every kept recording to the rule's date, then objects' locks to their recordings': those first that were
    looked at longest ago, a thirtieth of them or 20,000, whichever is more."""
    report = LockReport(extended=tuple([key async for key in _extend(archive, settings, dry_run=dry_run)]))
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(expected: _Expected) -> LockReport:
        async with limit:
            return await _check(archive, expected, dry_run=dry_run)

    async for batch in _objects(archive):
        found = await asyncio.gather(*(one(expected) for expected in batch))
        for each in found:
            report += each
        if not dry_run:
            await _mark(archive, [each.row.id for each, one_of in zip(batch, found, strict=True) if not one_of.faults])
    return report


async def _extend(archive: Archive, settings: Settings, *, dry_run: bool) -> AsyncIterator[str]:
    """Recordings whose date in the catalogue is earlier than the rule says (more years now, or a crash between)."""
    last: UUID | None = None
    async with archive.database.read() as session:
        policies = await load_policies(session, settings)
    while batch := await _recordings(archive, last):
        for recording in batch:
            last = recording.id
            until = policies.eligible_at(recording.ended_at, recording.text_final_at, archive.clock())
            if recording.retain_until < until:
                if not dry_run:
                    await lengthen(archive, recording.id, until, why=WHY, actor=SYSTEM)
                yield str(recording.id)


async def _recordings(archive: Archive, after: UUID | None) -> Sequence[Recording]:
    kept = select(Recording).where(Recording.life == KEPT).options(load_only(*DATES))
    query = kept.order_by(Recording.id).limit(BATCH)
    if after is not None:
        query = query.where(Recording.id > after)
    async with archive.database.read() as session:
        return (await session.scalars(query)).all()


async def _objects(archive: Archive) -> AsyncIterator[list[_Expected]]:
    """The objects of kept recordings, and those that belong to none (reports, nightly results), in batches."""
    begun, left = archive.clock(), await _quota(archive)
    place = (StoredObject.lock_checked_at, StoredObject.id)
    query = (
        select(StoredObject, Recording)
        .options(load_only(Recording.life, Recording.retain_until))
        .outerjoin(Recording, Recording.id == StoredObject.recording_id)
        .where(or_(StoredObject.recording_id.is_(None), Recording.life == KEPT, StoredObject.kind == "certificate"))
        .where(StoredObject.lock_checked_at <= begun)
        .order_by(*place)
    )
    last: tuple[datetime, UUID] | None = None
    while left > 0:
        async with archive.database.read() as session:
            page = query if last is None else query.where(tuple_(*place) > tuple_(*last))
            rows = (await session.execute(page.limit(min(BATCH, left)))).all()
        if not rows:
            return
        last, left = (rows[-1][0].lock_checked_at, rows[-1][0].id), left - len(rows)
        yield [_Expected(row, _until(row, recording)) for row, recording in rows]


async def _quota(archive: Archive) -> int:
    async with archive.database.read() as session:
        total = await session.scalar(select(func.count()).select_from(StoredObject))
    return max(-(-(total or 0) // NIGHTS), EVERY_NIGHT)


async def _mark(archive: Archive, identifiers: Sequence[UUID]) -> None:
    """What was found right goes to the end of the line; what is at fault is looked at again the next night."""
    async with archive.database.write() as session:
        await session.execute(
            update(StoredObject)
            .where(StoredObject.id.in_(identifiers))
            .values(lock_checked_at=archive.clock())
            .execution_options(synchronize_session=False)
        )


def _until(row: StoredObject, recording: Recording | None) -> datetime:
    if recording is None or recording.life != KEPT:
        return row.lock_until
    return max(row.lock_until, recording.retain_until)


async def _check(archive: Archive, expected: _Expected, *, dry_run: bool) -> LockReport:
    row = expected.row
    try:
        found = await archive.store.head(row.key, row.version_id)
    except NotFound:
        return LockReport(
            checked=1,
            faults=(
                Fault(
                    "missing", row.key, "对象缺失：目录中有，存储中没有 / missing: in the catalogue, not in the store"
                ),
            ),
        )
    faults = _differences(row, found)
    if found.lock_until is not None and found.lock_until >= expected.until:
        return LockReport(checked=1, faults=faults)
    if not dry_run:
        try:
            await _repair(archive, expected, found)
        except Refused as refusal:
            return LockReport(
                checked=1,
                faults=(
                    *faults,
                    Fault("refused", row.key, with_cause("锁定无法延长", "the lock cannot be lengthened", refusal)),
                ),
            )
    return LockReport(checked=1, repaired=(row.key,), faults=faults)


def _differences(row: StoredObject, found: Version) -> tuple[Fault, ...]:
    if found.size == row.size and found.sha256 == row.sha256:
        return ()
    chinese = f"对象与目录不符：应为 {row.size} 字节，存储中为 {found.size} 字节"
    english = f"not as in the catalogue: expected {row.size} bytes, the store has {found.size} bytes"
    return (Fault("differs", row.key, f"{chinese} / {english}"),)


async def _repair(archive: Archive, expected: _Expected, found: Version) -> None:
    row = expected.row
    await archive.store.lengthen_lock(row.key, row.version_id, expected.until)
    facts = {
        "object": str(row.id),
        "key": row.key,
        "found": found.lock_until.isoformat() if found.lock_until else None,
        "until": expected.until.isoformat(),
        "why": WHY,
    }
    async with archive.database.write() as session:
        current = await session.get_one(StoredObject, row.id, with_for_update=True)
        current.lock_until = max(current.lock_until, expected.until)
        await append(session, Entry("locked", SYSTEM, str(row.recording_id or row.id), facts), archive.clock())
