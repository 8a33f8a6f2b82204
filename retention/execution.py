"""Carrying a confirmed disposal out, so that whatever interrupts it, doing it again finishes it.

The plan (every object version) is written down first, then versions are deleted through the store, which refuses
before its date; only when nothing is left is the certificate sealed, in one transaction with the catalogue's change.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import DISPOSED, Recording, StoredObject
from archive.house import Archive
from archive.seal import seal_object
from archive.search import remove_turns
from archive.store import ObjectStore, Version
from core.errors import Conflict, NotFound, Refused
from core.ledger import Entry, canonical
from core.settings import Settings
from retention.disposal import CONFIRMED, DONE, SYSTEM, Disposal, require_eligible
from retention.rule import eligible_at, explain
from workorders.orders import Finding

FORMAT = "huiyin-disposal-certificate/1"


async def execute(archive: Archive, settings: Settings, disposal_id: UUID, *, now: datetime) -> StoredObject:
    """Delete every version of a confirmed disposal's recording and seal the certificate, which is returned.

    ``Refused`` before the date, under a hold or without both decisions; then nothing has been deleted."""
    # A pretended time (`--at`) never brings a disposal forward.
    moment = min(now, archive.clock())
    disposal, recording = await _load(archive, disposal_id)
    _require_confirmed(disposal)
    require_eligible(recording, settings, moment)
    if disposal.plan is None:
        disposal = await begin_deletion(
            archive, settings, disposal_id, await plan_deletion(archive, recording.id, moment), moment
        )
    assert disposal.plan is not None
    for item in disposal.plan:
        await _delete(archive.store, item["key"], item["version_id"])
    left = await _versions(archive.store, (item["key"] for item in disposal.plan), recording.id)
    if left:
        raise Conflict("a version appeared while the recording was being deleted", key=left[0].key)
    return await _certify(archive, settings, disposal, recording)


async def _load(archive: Archive, disposal_id: UUID) -> tuple[Disposal, Recording]:
    async with archive.database.read() as session:
        return await _rows(session, disposal_id)


async def _rows(session: AsyncSession, disposal_id: UUID, *, lock: bool = False) -> tuple[Disposal, Recording]:
    """Both rows; with ``lock`` the recording's first, as sealing does, so that nobody waits in a circle."""
    disposal = await session.get(Disposal, disposal_id)
    if disposal is None:
        raise NotFound("no such disposal", disposal=disposal_id)
    recording = await session.get_one(Recording, disposal.recording_id, with_for_update=lock or None)
    if lock:
        await session.refresh(disposal, with_for_update=True)
    return disposal, recording


def _require_confirmed(disposal: Disposal) -> None:
    if disposal.state != CONFIRMED:
        raise Refused("处置未经两人批准 / two people have not decided", disposal=disposal.id, state=disposal.state)


async def plan_deletion(archive: Archive, recording_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """Every version that the catalogue or the store knows; ``Refused`` when one of them is still locked or held."""
    async with archive.database.read() as session:
        rows = (await session.scalars(select(StoredObject).where(StoredObject.recording_id == recording_id))).all()
    known = {(row.key, row.version_id): row for row in rows}
    found = await _versions(archive.store, (row.key for row in rows), recording_id)
    for version in found:
        if not version.marker:
            _require_unlocked(await archive.store.head(version.key, version.version_id), now)
    there = {(version.key, version.version_id): version for version in found}
    return [
        {
            "key": key,
            "version_id": version_id,
            "kind": row.kind if (row := known.get((key, version_id))) else "",
            "size": row.size if row else there[key, version_id].size,
            "sha256": row.sha256 if row else there[key, version_id].sha256,
            "found": (key, version_id) in there,
        }
        for key, version_id in sorted(known.keys() | there.keys())
    ]


def _require_unlocked(version: Version, now: datetime) -> None:
    if version.held:
        raise Refused("对象处于保全状态 / a hold forbids deletion", key=version.key)
    if version.lock_until is not None and version.lock_until > now:
        raise Refused("对象锁定未到期 / locked for longer", key=version.key, until=version.lock_until.isoformat())


async def _versions(store: ObjectStore, keys: Iterable[str], recording_id: UUID) -> list[Version]:
    """All versions under the recording's own directories, and of its other keys (links) exactly."""
    own, others = set[str](), set[str]()
    for key in keys:
        before, separator, _ = key.partition(f"/{recording_id}/")
        (own if separator else others).add(before + separator)
    found = [version for prefix in sorted(own) async for version in store.list_versions(prefix)]
    for key in sorted(others):
        found += [version async for version in store.list_versions(key) if version.key == key]
    return found


async def begin_deletion(
    archive: Archive, settings: Settings, disposal_id: UUID, plan: Sequence[dict[str, Any]], now: datetime
) -> Disposal:
    """Write the plan down, after looking again: someone may have set a hold or withdrawn meanwhile."""
    async with archive.database.write() as session:
        disposal, recording = await _rows(session, disposal_id, lock=True)
        _require_confirmed(disposal)
        require_eligible(recording, settings, now)
        disposal.plan, disposal.begun_at = list(plan), now
        return disposal


async def _delete(store: ObjectStore, key: str, version_id: str) -> None:
    try:
        await store.delete_version(key, version_id)
    except NotFound:
        return  # an earlier, interrupted run has deleted it


async def _certify(archive: Archive, settings: Settings, disposal: Disposal, recording: Recording) -> StoredObject:
    async def conclude(session: AsyncSession, certificate: StoredObject) -> None:
        await _conclude(session, disposal.id, certificate, archive.clock())

    # The time at which deletion began, not this run's: an interrupted run's certificate is recognised by its bytes.
    begun = disposal.begun_at
    assert begun is not None
    return await seal_object(
        archive,
        key=f"certificates/{begun:%Y/%m/%d}/{recording.id}.json",
        kind="certificate",
        content=canonical(_certificate(settings, disposal, recording)).encode(),
        retain_until=eligible_at(archive.clock(), None, years=settings.retention_years, timezone=settings.timezone),
        entry=Entry("disposed", SYSTEM, str(recording.id), _decided(disposal)),
        recording_id=recording.id,
        then=conclude,
    )


def _decided(disposal: Disposal) -> Mapping[str, object]:
    return {
        "disposal": str(disposal.id),
        "proposed_by": disposal.proposed_by,
        "approved_by": disposal.approved_by,
        "confirmed_by": disposal.confirmed_by,
        "versions": len(disposal.plan or ()),
    }


def _certificate(settings: Settings, disposal: Disposal, recording: Recording) -> Mapping[str, object]:
    assert disposal.approved_at
    assert disposal.confirmed_at
    assert disposal.begun_at
    return {
        "format": FORMAT,
        **_decided(disposal),
        "recording": str(recording.id),
        "started_at": recording.started_at.isoformat(),
        "ended_at": recording.ended_at.isoformat(),
        "retained_until": recording.retain_until.isoformat(),
        "rule": explain(
            recording.ended_at, recording.text_final_at, years=settings.retention_years, timezone=settings.timezone
        ),
        "reason": disposal.reason,
        "proposed_at": disposal.proposed_at.isoformat(),
        "approved_at": disposal.approved_at.isoformat(),
        "confirmed_at": disposal.confirmed_at.isoformat(),
        "begun_at": disposal.begun_at.isoformat(),
        "objects": disposal.plan,
        "nothing_left": True,
    }


async def _conclude(session: AsyncSession, disposal_id: UUID, certificate: StoredObject, now: datetime) -> None:
    """The catalogue's side: text and personal data go, one row stays that says when and on whose decision."""
    disposal, recording = await _rows(session, disposal_id, lock=True)
    _require_confirmed(disposal)
    await remove_turns(session, recording.id)
    await session.execute(update(Finding).where(Finding.recording_id == recording.id).values(sentence=""))
    await session.execute(
        delete(StoredObject).where(StoredObject.recording_id == recording.id, StoredObject.id != certificate.id)
    )
    recording.life, recording.disposed_at = DISPOSED, now
    recording.citizen_number = recording.citizen_name = recording.agent_name = ""
    recording.facts = {}
    disposal.state, disposal.done_at, disposal.certificate = DONE, now, certificate.id
