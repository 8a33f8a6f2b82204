"""The night's work on what is kept: locks, reconciliation, what has reached its date, and approved disposals.

Running it again in the same night finds nothing left to do and writes nothing; a run that was interrupted is finished
by the next one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import StoredObject
from archive.house import Archive
from archive.seal import seal_object
from core.ledger import Entry, canonical
from core.settings import Settings
from retention.batches import list_batch, list_eligible
from retention.disposal import APPROVED, CONFIRMED, PROPOSED, SYSTEM, Disposal
from retention.execution import execute_confirmed
from retention.locks import Fault, LockReport, check_locks
from retention.membership import settle_holds
from retention.reconcile import MissingCall, Reconciliation, reconcile
from retention.rule import eligible_at

KIND = "nightly"
# How many eligible recordings a result names; the count is always complete.
LISTED = 1000


@dataclass(frozen=True)
class NightlyResult:
    """What one run found and did.  ``seconds`` by step; ``sealed_object`` is empty on a dry run or a repetition."""

    night: date
    started_at: datetime
    dry_run: bool
    eligible_count: int
    eligible: tuple[str, ...]
    locks: LockReport
    calls: Reconciliation
    disposed: tuple[str, ...]
    waiting: Mapping[str, int]
    faults: tuple[Fault, ...]
    seconds: Mapping[str, float]
    sealed_object: UUID | None = None

    @property
    def changed(self) -> bool:
        """Whether the run did anything beyond looking."""
        return bool(
            self.locks.extended or self.locks.repaired or self.calls.missing or self.calls.found or self.disposed
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as sealed."""
        plain = asdict(self)
        plain.pop("sealed_object")
        plain["night"], plain["started_at"] = self.night.isoformat(), self.started_at.isoformat()
        for call in plain["calls"]["missing"]:
            call["started_at"] = call["started_at"].isoformat()
        return plain

    def lines(self) -> tuple[str, ...]:
        """The result in Chinese, a line for each thing."""
        trial = "（试运行，未作任何更改）" if self.dry_run else ""
        return (
            f"夜间保管任务　{self.night.year}年{self.night.month}月{self.night.day}日{trial}",
            f"到期可申请处置：{self.eligible_count} 条录音",
            *(f"　　{recording}" for recording in self.eligible[:20]),
            *((f"　　……其余 {self.eligible_count - 20} 条从略",) if self.eligible_count > 20 else ()),
            f"处置申请：待批准 {self.waiting.get(PROPOSED, 0)} 件，待确认 {self.waiting.get(APPROVED, 0)} 件，"
            f"两人批准待执行 {self.waiting.get(CONFIRMED, 0)} 件；本次完成 {len(self.disposed)} 件",
            *(f"　　已处置：{recording}" for recording in self.disposed),
            f"核对对象锁定：{self.locks.checked} 个，补足锁定 {len(self.locks.repaired)} 个，"
            f"延长保存期限 {len(self.locks.extended)} 条录音",
            *(f"　　补足锁定：{key}" for key in self.locks.repaired),
            f"核对通话：新发现缺失录音 {len(self.calls.missing)} 通，补到 {len(self.calls.found)} 通，"
            f"累计缺失 {self.calls.still_missing} 通",
            *(f"　　缺失：{_describe(call)}" for call in self.calls.missing),
            f"问题：{len(self.faults)} 个" if self.faults else "问题：无",
            *(f"　　{fault.subject}：{fault.detail}" for fault in self.faults),
            f"用时：{sum(self.seconds.values()):.1f} 秒",
        )


def _describe(call: MissingCall) -> str:
    order = f"（工单 {call.work_order}）" if call.work_order else ""
    return f"{call.call}{order}，{call.reason}"


class _Steps:
    """How long each step took, by the archive's clock."""

    def __init__(self, archive: Archive) -> None:
        self._clock = archive.clock
        self._last = archive.clock()
        self.seconds: dict[str, float] = {}

    def done(self, name: str) -> None:
        now = self._clock()
        self.seconds[name] = round(max(0.0, (now - self._last).total_seconds()), 3)
        self._last = now


async def run_nightly(archive: Archive, settings: Settings, *, now: datetime, dry_run: bool = False) -> NightlyResult:
    """Do the night's work as of ``now`` and seal its result under ``nightly/YYYY/MM/DD.json``.

    A ``now`` that the archive's clock has not reached is a rehearsal: always a dry run.  ``Unavailable`` when store or
    database cannot be reached: running again later continues."""
    dry_run = dry_run or now > archive.clock()
    steps = _Steps(archive)
    if not dry_run:
        await settle_holds(archive, settings)
    steps.done("holds")
    locks = await check_locks(archive, settings, dry_run=dry_run)
    steps.done("locks")
    calls = await reconcile(archive, now=now, dry_run=dry_run)
    steps.done("calls")
    disposed, refused = ((), ()) if dry_run else await _dispose(archive, settings, now)
    if not dry_run:
        await list_batch(archive, settings, now=now)
    steps.done("disposals")
    async with archive.database.read() as session:
        eligible = await list_eligible(session, settings, now)
        waiting = await _waiting(session)
    steps.done("eligible")
    result = NightlyResult(
        night=now.astimezone(settings.timezone).date(),
        started_at=now,
        dry_run=dry_run,
        eligible_count=len(eligible),
        eligible=eligible[:LISTED],
        locks=locks,
        calls=calls,
        disposed=disposed,
        waiting=waiting,
        faults=(*locks.faults, *refused),
        seconds=steps.seconds,
    )
    return result if dry_run else await _seal(archive, settings, result)


async def _waiting(session: AsyncSession) -> dict[str, int]:
    rows = await session.execute(
        select(Disposal.state, func.count())
        .where(Disposal.state.in_((PROPOSED, APPROVED, CONFIRMED)))
        .group_by(Disposal.state)
    )
    return dict(rows.all())


async def _dispose(archive: Archive, settings: Settings, now: datetime) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """Carry out what two people decided; a refusal is a fault of the night, and is tried again the next."""
    done = await execute_confirmed(archive, settings, now=now)
    faults = [Fault("disposal", str(recording), f"处置未能完成：{error}") for recording, error in done.refused]
    return tuple(str(recording) for recording in done.disposed), tuple(faults)


async def _seal(archive: Archive, settings: Settings, result: NightlyResult) -> NightlyResult:
    key = f"nightly/{result.night:%Y/%m/%d}.json"
    async with archive.database.read() as session:
        there = await session.scalar(select(StoredObject.id).where(StoredObject.key == key).limit(1))
    if there is not None and not result.changed:
        return result
    facts = {
        "checked": result.locks.checked,
        "repaired": len(result.locks.repaired),
        "extended": len(result.locks.extended),
        "missing": len(result.calls.missing),
        "eligible": result.eligible_count,
        "disposed": len(result.disposed),
        "faults": len(result.faults),
    }
    stored = await seal_object(
        archive,
        key=key,
        kind=KIND,
        content=canonical(result.to_json()).encode(),
        retain_until=eligible_at(archive.clock(), None, years=settings.retention_years, timezone=settings.timezone),
        entry=Entry("nightly", SYSTEM, result.night.isoformat(), facts),
    )
    return replace(result, sealed_object=stored.id)
