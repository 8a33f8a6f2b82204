"""A served house with a recording in which made-up personal data is spoken, for tests of redacted copies."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import soundfile
from sqlalchemy import select

from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from archive.redaction import PAD_MS
from archive.seal import NewTurn, seal_recording, seal_transcript
from core.ledger import LedgerRow
from core.settings import Settings
from service import pipeline, worker
from tests.web import STARTED, Web, new_recording, serving
from transcription.engine import Transcriber

PURPOSE = "交当事人单位"
NAME, NUMBER, PLACE = "赵测试", "13800000321", "幸福家园小区3号楼"
TEXTS = (
    ("agent", 200, f"您好，请问您是{NAME}吗？"),
    ("citizen", 4000, f"是的，我电话是{NUMBER}。"),
    ("citizen", 9000, f"我住在{PLACE}，路灯修好了。"),
)
RATE, SECONDS, LETTER_MS = 8000, 16, 150


def turn_of(party: str, start: int, text: str) -> NewTurn:
    """Each character takes 150 ms."""
    words: list[list[Any]] = [
        [start + LETTER_MS * place, start + LETTER_MS * (place + 1), letter, 0.9] for place, letter in enumerate(text)
    ]
    return NewTurn(party, start, words[-1][1], text, 0.9, False, words)


def time_of(turn: int, words: str) -> tuple[int, int]:
    """When ``words`` are spoken, with the padding."""
    _, start, text = TEXTS[turn]
    first = start + LETTER_MS * text.index(words)
    return max(first - PAD_MS, 0), first + LETTER_MS * len(words) + PAD_MS


Samples = np.ndarray[Any, np.dtype[np.int16]]


class Told:
    """The served house, a recording in which personal data is spoken, and its samples."""

    def __init__(self, web: Web, recording: UUID, samples: Samples, home: Path) -> None:
        self.web, self.recording, self.samples, self.home = web, recording, samples, home
        self.base = f"/api/v1/recordings/{recording}/redactions"

    async def work(self) -> None:
        def none() -> Transcriber:
            raise AssertionError("no speech engine is needed")

        context = pipeline.Context(self.web.archive, Settings(data_dir=self.home), none)
        await worker.run(context, lambda: False, until_idle=True)

    async def ask(self, role: str = "auditor", **body: Any) -> Any:
        whole = {"base_version": 1, "reason": "对外提供", **body}
        return await self.web.post(self.base, whole, role)

    async def made(self, **body: Any) -> dict[str, Any]:
        """A copy that is finished."""
        asked = await self.ask(**body)
        assert asked.status == 202, await asked.text()
        await self.work()
        [found] = [each for each in await self.copies() if each["id"] == (await asked.json())["id"]]
        assert found["state"] == "done", found
        return found

    async def copies(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await (await self.web.get(self.base, "auditor")).json())["items"]
        return items

    async def leaves(self, *kinds: str) -> list[dict[str, Any]]:
        async with self.web.archive.database.read() as session:
            query = select(LedgerRow.leaf).where(LedgerRow.subject == str(self.recording))
            rows = await session.scalars(query.where(LedgerRow.kind.in_(kinds)).order_by(LedgerRow.seq))
            return [json.loads(leaf) for leaf in rows]


@asynccontextmanager
async def telling(archive: Archive, directory: Path) -> AsyncIterator[Told]:
    """The house is served, and the recording sealed and transcribed."""
    settings = Settings(data_dir=directory)
    ensure_ledger_key(settings)
    async with serving(archive, directory, settings) as web:
        samples = np.random.default_rng(7).integers(-20000, 20000, (RATE * SECONDS, 2), dtype=np.int16)
        samples[samples == 0] = 1
        audio, until = directory / "noise.flac", STARTED + timedelta(days=740)
        soundfile.write(audio, samples, RATE, subtype="PCM_16", format="FLAC")
        recording = new_recording(STARTED + timedelta(minutes=5), citizen_name=NAME, citizen_number=NUMBER)
        await seal_recording(archive, recording, audio, retain_until=until)
        await seal_transcript(
            archive,
            recording.id,
            {},
            [turn_of(*each) for each in TEXTS],
            author="system",
            reason="first transcription",
            retain_until=until,
            expected_version=0,
        )
        yield Told(web, recording.id, samples, directory)
