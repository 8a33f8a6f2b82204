"""What a night verifies: the objects whose bytes were read longest ago, and the ledger against its signed heads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select

from archive import faults
from archive.catalogue import StoredObject
from archive.faults import Fault
from archive.heads import HEAD
from archive.house import Archive
from archive.sample import oldest_reading, tonight, verify_sample
from archive.survey import Progress
from archive.trust import verify_ledger
from core.note import VerifierKey
from core.proofs import tree_size


@dataclass(frozen=True)
class Sampled:
    """How many objects were read, and when the one that waits longest was; ledger rows and signed heads checked."""

    objects: int = 0
    octets: int = 0
    oldest: datetime | None = None
    ledger_rows: int = 0
    heads: int = 0


async def read_sample(archive: Archive, *, now: datetime) -> tuple[Sampled, list[Fault]]:
    """Read the night's part of everything."""
    async with archive.database.read() as session:
        count = await tonight(session, now)
    progress = Progress()
    found = [fault async for fault in verify_sample(archive, count, progress)]
    async with archive.database.read() as session:
        oldest = await oldest_reading(session)
    return Sampled(progress.objects, progress.octets, oldest), found


async def read_ledger(archive: Archive, keys: Sequence[VerifierKey], sampled: Sampled) -> tuple[Sampled, list[Fault]]:
    """Check the ledger's rows and heads, if there are keys to check them with, and count them."""
    if not keys:
        return sampled, []
    found = [fault async for fault in verify_ledger(archive, keys)]
    async with archive.database.read() as session:
        heads = await session.scalar(select(func.count()).where(StoredObject.kind == HEAD))
        rows = await tree_size(session)
    return replace(sampled, ledger_rows=rows, heads=heads or 0), found


# How faults are called in Chinese; what is not here goes by its own name.
IN_CHINESE = {
    faults.MISSING: "缺失",
    faults.EXTRA: "来历不明的版本",
    faults.ALTERED: "内容被改动",
    faults.UNREADABLE: "无法读取",
    faults.UNLOCKED: "没有锁定",
    faults.TOO_SHORT: "锁定期不足",
    faults.NOT_HELD: "没有保全",
    faults.HIDDEN: "被删除标记遮蔽",
    faults.NOT_IN_CATALOGUE: "目录中没有",
    faults.NOT_IN_LEDGER: "台账中没有",
    faults.DISAGREE: "目录与台账不一致",
    faults.SHORTENED: "保存期限比台账所载的短",
    faults.OTHERS: "属于另一条录音",
    faults.OTHER_AUDIO: "所载音频不符",
    faults.OTHER_FACTS: "目录所示与封存不符",
    faults.OTHER_TEXT: "目录所示文字与封存不符",
    faults.LEFT_OVER: "处置后仍有残留",
}


def in_chinese(fault: Fault) -> str:
    """What was expected and found, for the night's result."""
    return f"{IN_CHINESE.get(fault.kind, fault.kind)}：应为 {fault.expected}，实为 {fault.found}"
