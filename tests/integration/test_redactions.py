"""Redacted copies from end to end: asked for, made by a worker, handed out, shared, and gone with the recording."""

import asyncio
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import soundfile
from sqlalchemy import func, select, update

from api.access.accounts import UserRow
from archive.catalogue import Recording, StoredObject
from archive.corrections import Correction, correct_transcript
from archive.evidence import check_proof
from archive.house import Archive
from archive.ledger_key import ensure_ledger_key
from archive.redaction import MARK, PAD_MS
from archive.redaction_copies import Redaction, ask_redaction, make_redaction, redaction_of
from archive.seal import NewTurn, seal_recording, seal_transcript
from archive.verify import verify_recording
from core.ledger import LedgerRow
from core.settings import Settings
from retention.disposal import approve, confirm, propose
from retention.execution import execute
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


def _turn(party: str, start: int, text: str) -> NewTurn:
    """Each character takes 150 ms."""
    words: list[list[Any]] = [
        [start + LETTER_MS * place, start + LETTER_MS * (place + 1), letter, 0.9] for place, letter in enumerate(text)
    ]
    return NewTurn(party, start, words[-1][1], text, 0.9, False, words)


def _time(turn: int, words: str) -> tuple[int, int]:
    """When ``words`` are spoken, with the padding."""
    _, start, text = TEXTS[turn]
    first = start + LETTER_MS * text.index(words)
    return max(first - PAD_MS, 0), first + LETTER_MS * len(words) + PAD_MS


class Told:
    """The served house, a recording in which personal data is spoken, and its samples."""

    def __init__(self, web: Web, recording: UUID, samples: "np.ndarray[Any, np.dtype[np.int16]]", home: Path) -> None:
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


@pytest.fixture
async def told(archive: Archive, tmp_path: Path) -> AsyncIterator[Told]:
    settings = Settings(data_dir=tmp_path)
    ensure_ledger_key(settings)
    async with serving(archive, tmp_path, settings) as web:
        samples = np.random.default_rng(7).integers(-20000, 20000, (RATE * SECONDS, 2), dtype=np.int16)
        samples[samples == 0] = 1
        audio, until = tmp_path / "noise.flac", STARTED + timedelta(days=740)
        soundfile.write(audio, samples, RATE, subtype="PCM_16", format="FLAC")
        recording = new_recording(STARTED + timedelta(minutes=5), citizen_name=NAME, citizen_number=NUMBER)
        await seal_recording(archive, recording, audio, retain_until=until)
        turns = [_turn(*each) for each in TEXTS]
        await seal_transcript(
            archive,
            recording.id,
            {},
            turns,
            author="system",
            reason="first transcription",
            retain_until=until,
            expected_version=0,
        )
        yield Told(web, recording.id, samples, tmp_path)


def _silenced(told: Told, spans: list[tuple[int, int]]) -> "np.ndarray[Any, np.dtype[np.int16]]":
    expected = told.samples.copy()
    for start, end in spans:
        expected[start * RATE // 1000 : end * RATE // 1000] = 0
    return expected


async def test_a_copy_is_silent_where_it_was_covered_and_the_original_everywhere_else(told: Told) -> None:
    suggested = await (await told.web.get(told.base + "/suggestions", "supervisor")).json()
    kinds = {each["words"]: each["kind"] for each in suggested["items"]}
    assert kinds == {NAME: "name", "138****0321": "number", PLACE: "address"}
    picks = [{name: each[name] for name in ("turn", "start", "end")} for each in suggested["items"]]
    copy = await told.made(picks=picks, reason="交给 13800000321 的单位")
    spans = [_time(0, NAME), _time(1, NUMBER), _time(2, PLACE)]
    assert [tuple(span) for span in copy["spans"]] == spans
    assert "13800000321" not in copy["reason"]
    answer = await told.web.get(f"{told.base}/{copy['id']}/audio?purpose={PURPOSE}", "auditor")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="redacted-{copy["id"]}.flac"'
    content = await answer.read()
    sound, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert (rate, sound.shape) == (RATE, told.samples.shape), "the duration is that of the original"
    np.testing.assert_array_equal(sound, _silenced(told, spans))
    said = await (await told.web.get(f"{told.base}/{copy['id']}/transcript?purpose={PURPOSE}", "auditor")).json()
    assert [turn["text"] for turn in said["turns"]] == [
        f"您好，请问您是{MARK}吗？",
        f"是的，我电话是{MARK}。",
        f"我住在{MARK}，路灯修好了。",
    ]
    kinds_told = [leaf["kind"] for leaf in await told.leaves("redaction asked", "redacted", "read")]
    assert kinds_told == ["redaction asked", "read", "redacted", "redacted", "read", "read"]
    assert [each["facts"]["purpose"] for each in (await told.leaves("read"))[1:]] == [PURPOSE, PURPOSE]
    assert await verify_recording(told.web.archive, told.recording) == []
    original, _ = soundfile.read(next((told.home / "store").rglob(f"{told.recording}/audio.flac/@*/data")), dtype="int16")
    np.testing.assert_array_equal(original, told.samples)
