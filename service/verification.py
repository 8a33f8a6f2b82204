"""``huiyin verify``: the ledger with its signed heads, then everything in the store, one recording, or a sample.

Whoever asks sees each fault when it is found, and how fast it goes.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from uuid import UUID

from sqlalchemy import func, select

from archive.catalogue import StoredObject
from archive.comparing import compare_other_requests
from archive.fault_notes import note_faults
from archive.faults import NO_RECORDING, Fault
from archive.heads import HEAD
from archive.histories import compare_histories
from archive.house import Archive
from archive.inspection import Inspector
from archive.sample import verify_sample
from archive.seal import SYSTEM
from archive.sealed_index import SealedIndex
from archive.survey import SETTLE_SECONDS, Progress, Survey
from archive.trust import verify_ledger
from archive.verify import verify_recording
from core.errors import NotFound
from core.ledger import Entry, append
from core.note import VerifierKey
from core.proofs import tree_size
from retention.comparing import CHECKS, compare_cases

TELL_EVERY_SECONDS = 2.0
WHOLE = "结果 result：与封存时一致，没有发现异常 everything is as it was sealed"
FAULTY = (
    "结果 result：有异常，见上 faults were found, see above。请保持现状，先备份存储与数据库，再查明原因 "
    "leave everything as it is, copy store and database, then find out why"
)
Tell = Callable[[str], None]


async def verify(
    archive: Archive,
    keys: Sequence[VerifierKey],
    *,
    on_progress: Tell,
    recording_id: UUID | None = None,
    sample: int = 0,
    settle: float = SETTLE_SECONDS,
) -> list[Fault]:
    """Every fault, which names the thing, what was expected and what was found; empty when all is well.

    What was verified joins the ledger, unless the ledger itself is at fault."""
    faults: list[Fault] = []
    on_progress("① 台账与签名树头 the ledger and its signed heads")
    async for fault in verify_ledger(archive, keys):
        faults.append(fault)
        on_progress(f"异常 fault: {fault.said}")
    ledger_is_whole = not faults
    on_progress(await _ledger_said(archive, whole=ledger_is_whole))
    speed = _Speed(on_progress)
    async for fault in _chosen(archive, speed, recording_id, sample, settle):
        faults.append(fault)
        on_progress(f"异常 fault: {fault.said}")
    what = f"录音 recording {recording_id}" if recording_id is not None else speed.said()
    on_progress(f"{what}；异常 faults: {len(faults)}")
    on_progress(FAULTY if faults else WHOLE)
    if ledger_is_whole:
        await note_faults(archive, faults)
        await _record(archive, speed.progress, len(faults), recording_id, sample)
    return faults


async def _ledger_said(archive: Archive, *, whole: bool) -> str:
    async with archive.database.read() as session:
        rows = await tree_size(session)
        heads = await session.scalar(select(func.count()).where(StoredObject.kind == HEAD)) or 0
    agree = "一致 in agreement" if whole else "有异常 with faults"
    unsigned = "" if heads else "；尚未签署 nothing is signed yet: `huiyin ledger sign`"
    return f"  {rows:,} 行 rows · {heads:,} 个签名树头 signed heads：{agree}{unsigned}"


async def _chosen(
    archive: Archive, speed: "_Speed", recording_id: UUID | None, sample: int, settle: float
) -> AsyncIterator[Fault]:
    if recording_id is not None:
        speed.begin("② 一条录音：存储、目录与台账 one recording: store, catalogue and ledger")
        try:
            for fault in await verify_recording(archive, recording_id, checks=CHECKS, settle=settle):
                yield fault
        except NotFound:
            yield Fault(f"recording {recording_id}", NO_RECORDING, "a recording", "none")
    elif sample:
        speed.begin("② 最久未读的对象 the objects that were read longest ago")
        parts = verify_sample(archive, sample, speed.progress, speed.tell, checks=CHECKS, settle=settle)
        async for fault in parts:
            yield fault
    else:
        async for fault in _everything(archive, speed, settle):
            yield fault


async def _everything(archive: Archive, speed: "_Speed", settle: float) -> AsyncIterator[Fault]:
    speed.begin("② 存储中的全部对象 every object in the store")
    with closing(SealedIndex()) as index, closing(Inspector(archive)) as inspector:
        survey = Survey(archive, index, inspector, on_progress=speed.tell, settle=settle)
        speed.progress = survey.progress
        async for fault in survey.run():
            yield fault
    speed.begin(
        "③ 目录中的保全、存废、文字、关联、结论、备注、分享与暂停 "
        "holds, lives, texts, links, answers, comments, shares and pauses in the catalogue"
    )
    async for fault in compare_histories(archive, CHECKS, on_page=speed.compared):
        yield fault
    async for fault in compare_cases(archive):
        yield fault
    async for fault in compare_other_requests(archive):
        yield fault


async def _record(archive: Archive, done: Progress, faults: int, recording_id: UUID | None, sample: int) -> None:
    scope = "recording" if recording_id is not None else "sample" if sample else "all"
    facts = {"scope": scope, "objects_read": done.objects, "octets": done.octets, "faults": faults}
    async with archive.database.write() as session:
        await append(session, Entry("verified", SYSTEM, str(recording_id or "archive"), facts), archive.clock())


class _Speed:
    """Says what is being done, how far it is and how fast it goes, every two seconds at most."""

    def __init__(self, on_progress: Tell) -> None:
        self.progress = Progress()
        self._tell = on_progress
        self._recordings = 0
        self._begun = self._told = self._read = time.monotonic()

    def begin(self, step: str) -> None:
        """A new step."""
        self._told = time.monotonic()
        self._tell(step)

    def tell(self, _progress: Progress) -> None:
        """After each batch of objects."""
        self._read = time.monotonic()
        self._now_and_then(lambda: f"  {self.said()}{self._left()}")

    def compared(self, recordings: int) -> None:
        """After each page of recordings."""
        self._recordings += recordings
        self._now_and_then(lambda: f"  已核对 compared {self._recordings:,} 条录音 recordings")

    def _now_and_then(self, said: Callable[[], str]) -> None:
        if time.monotonic() - self._told >= TELL_EVERY_SECONDS:
            self._told = time.monotonic()
            self._tell(said())

    def said(self) -> str:
        """``已校验 verified 1,200/4,000 个对象 objects · 1,800.0 MB · 310.0 MB/s · 212/s``; only reading is timed."""
        done, seconds = self.progress, max(self._read - self._begun, 1e-6)
        total = f"/{done.total_objects:,}" if done.total_objects else ""
        return (
            f"已校验 verified {done.objects:,}{total} 个对象 objects · {done.octets / 1e6:,.1f} MB · "
            f"{done.octets / 1e6 / seconds:,.1f} MB/s · {done.objects / seconds:,.0f}/s"
        )

    def _left(self) -> str:
        done = self.progress
        missing = done.total_octets - done.octets
        if missing <= 0 or not done.octets:
            return ""
        minutes = missing / done.octets * (self._read - self._begun) / 60
        return f" · 约剩 about {max(1, round(minutes))} 分钟 min left"
