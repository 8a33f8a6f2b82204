"""The result of a night: what was found and done, as it is sealed and as people read it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from retention.disposal import APPROVED, CONFIRMED, PROPOSED
from retention.locks import Fault, LockReport
from retention.reconcile import MissingCall, Reconciliation
from retention.sampling import Sampled

KIND = "nightly"
# How many eligible recordings a result names; the count is always complete.
LISTED = 1000


@dataclass(frozen=True)
class NightlyResult:
    """What one run found and did.  ``seconds`` by step; ``sealed_object`` is empty on a dry run or a repetition, and
    ``head`` (how many ledger rows the night's signature covers) where nobody signed."""

    night: date
    started_at: datetime
    dry_run: bool
    eligible_count: int
    eligible: tuple[str, ...]
    locks: LockReport
    calls: Reconciliation
    sample: Sampled
    disposed: tuple[str, ...]
    exports_removed: tuple[str, ...]
    waiting: Mapping[str, int]
    faults: tuple[Fault, ...]
    seconds: Mapping[str, float]
    sealed_object: UUID | None = None
    head: int | None = None

    @property
    def changed(self) -> bool:
        """Whether the run did anything beyond looking."""
        return bool(
            self.locks.extended
            or self.locks.repaired
            or self.calls.missing
            or self.calls.found
            or self.disposed
            or self.exports_removed
        )

    def facts(self) -> dict[str, Any]:
        """The counts, as the ledger keeps them."""
        oldest = self.sample.oldest
        return {
            "checked": self.locks.checked,
            "repaired": len(self.locks.repaired),
            "extended": len(self.locks.extended),
            "missing": len(self.calls.missing),
            "eligible": self.eligible_count,
            "disposed": len(self.disposed),
            "exports_removed": len(self.exports_removed),
            "verified": self.sample.objects,
            "octets": self.sample.octets,
            "oldest_read": oldest.isoformat() if oldest else None,
            "ledger_rows": self.sample.ledger_rows,
            "faults": len(self.faults),
            "milliseconds": round(1000 * sum(self.seconds.values())),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as sealed."""
        plain = asdict(self)
        plain.pop("sealed_object")
        plain.pop("head")
        plain["night"], plain["started_at"] = self.night.isoformat(), self.started_at.isoformat()
        for call in plain["calls"]["missing"]:
            call["started_at"] = call["started_at"].isoformat()
        oldest = self.sample.oldest
        plain["sample"]["oldest"] = oldest.isoformat() if oldest else None
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
            *((f"到期清除移交包副本 {len(self.exports_removed)} 个",) if self.exports_removed else ()),
            f"核对对象锁定：{self.locks.checked} 个，补足锁定 {len(self.locks.repaired)} 个，"
            f"延长保存期限 {len(self.locks.extended)} 条录音",
            *(f"　　补足锁定：{key}" for key in self.locks.repaired),
            f"抽样校验：逐字节读取 {self.sample.objects} 个对象（{self.sample.octets / 1e6:.1f} MB），"
            f"最久未读的对象上次读取于 {f'{self.sample.oldest:%Y-%m-%d}' if self.sample.oldest else '—'}；"
            f"台账 {self.sample.ledger_rows} 行、签名树头 {self.sample.heads} 个",
            f"核对通话：新发现缺失录音 {len(self.calls.missing)} 通，补到 {len(self.calls.found)} 通，"
            f"累计缺失 {self.calls.still_missing} 通",
            *(f"　　缺失：{_describe(call)}" for call in self.calls.missing),
            f"问题：{len(self.faults)} 个" if self.faults else "问题：无",
            *(f"　　{fault.subject}：{fault.detail}" for fault in self.faults),
            *((f"签名树头：覆盖台账 {self.head} 行",) if self.head is not None else ()),
            f"用时：{sum(self.seconds.values()):.1f} 秒",
        )


def _describe(call: MissingCall) -> str:
    order = f"（工单 {call.work_order}）" if call.work_order else ""
    return f"{call.call}{order}，{call.reason}"
