"""Recordings, calls and answers for tests of retention and reports: really sealed, with a clock that tests move."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from archive.catalogue import Recording
from archive.connect import connect_store
from archive.house import Archive
from archive.seal import NewRecording, NewTurn, seal_recording, seal_transcript
from core.database import Database
from core.ids import new_id
from core.settings import Settings, load
from retention.rule import eligible_at
from workorders.judging import judge_orders, numbered
from workorders.orders import Finding, Link, WorkOrder

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)  # 12:00 in Shanghai
SETTINGS: Settings = load({"HUIYIN_ORGANISATION": "测试回访项目组"})


@dataclass
class MovableClock:
    """Stands still until a test moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class House:
    """An archive on a real database and a local store, whose clock is in the test's hand."""

    archive: Archive
    clock: MovableClock
    directory: Path
    turns: list[NewTurn] = field(default_factory=lambda: [turn("citizen", 1500, "问题已经解决了，我很满意。")])

    async def seal(
        self,
        *,
        started_at: datetime | None = None,
        text: bool = True,
        retain_until: datetime | None = None,
        work_order: str = "",
        citizen_number: str = "13800000000",
    ) -> Recording:
        """A sealed recording of one minute, with its transcript."""
        began = started_at or self.clock.now - timedelta(minutes=10)
        recording = NewRecording(
            id=new_id(),
            sip_call_id=f"{new_id()}@gateway.test",
            started_at=began,
            ended_at=began + timedelta(minutes=1),
            duration_ms=60_000,
            agent_number="8001",
            agent_name="回访员甲",
            citizen_number=citizen_number,
            citizen_name="测试市民",
            work_order=work_order,
            interrupted=False,
            flags=(),
            facts={"streams": []},
        )
        audio = self.directory / f"{recording.id}.flac"
        audio.write_bytes(b"fLaC" + recording.id.bytes * 64)
        until = retain_until or eligible_at(recording.ended_at, None, years=2, timezone=SETTINGS.timezone)
        sealed = await seal_recording(self.archive, recording, audio, retain_until=until)
        if text:
            await self.transcribe(sealed.id, retain_until=until)
        return await self.recording(sealed.id)

    async def transcribe(self, recording_id: UUID, *, retain_until: datetime) -> None:
        await seal_transcript(
            self.archive,
            recording_id,
            {"engine": "test"},
            self.turns,
            author="system",
            reason="first text",
            retain_until=retain_until,
            expected_version=0,
        )

    async def recording(self, recording_id: UUID) -> Recording:
        async with self.archive.database.read() as session:
            return await session.get_one(Recording, recording_id)

    async def callback(
        self,
        order: str,
        answers: dict[str, str],
        *,
        started_at: datetime | None = None,
        standing: str = "suggested",
        sentence: str = "",
    ) -> Recording:
        """A recording that is linked to an order and read; every answer points at second 12."""
        recording = await self.seal(started_at=started_at, work_order=order)
        now = self.clock.now
        async with self.archive.database.write() as session:
            session.add(Link(id=new_id(), recording_id=recording.id, work_order=order, how="signalled", by="s", at=now))
            for question, answer in answers.items():
                session.add(
                    Finding(
                        id=new_id(),
                        recording_id=recording.id,
                        question=question,
                        answer=answer,
                        ordinal=0,
                        start_ms=12_000,
                        sentence=sentence,
                        text_version=1,
                        standing=standing,
                        by="system",
                        at=now,
                    )
                )
            await judge_orders(session, numbered([order]))
        return recording

    async def order(self, number: str, *, unit: str = "甲街道", category: str = "供热", caller: str = "") -> None:
        now = self.clock.now
        async with self.archive.database.write() as session:
            session.add(
                WorkOrder(
                    number=number,
                    unit=unit,
                    category1=category,
                    caller=caller,
                    closed_at=now - timedelta(days=1),
                    raw={},
                    row_sha256="0" * 64,
                    imported_at=now,
                    updated_at=now,
                )
            )


def turn(party: str, start_ms: int, text: str) -> NewTurn:
    return NewTurn(party, start_ms, start_ms + 2000, text, 0.9, False, [])


async def open_house(database: Database, directory: Path) -> House:
    """A house on ``database`` and on a fresh local store under ``directory``."""
    clock = MovableClock()
    store = connect_store(f"file://{directory / 'kept'}", clock=clock)
    await store.prepare()
    return House(Archive(database, store, clock), clock, directory)
