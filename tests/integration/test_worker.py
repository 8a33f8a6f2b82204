"""The worker and its pipeline: a speech engine that fails loses nothing, and a person can have it tried again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from archive.catalogue import TEXT_DONE, TEXT_FAILED, Recording, TurnRow
from archive.house import Archive
from archive.seal import seal_recording
from core import jobs
from core.database import Database
from core.jobs import JobRow
from core.settings import Settings
from service import worker
from service.kinds import FINDINGS, TRANSCRIBE
from service.pipeline import Context
from tests.samples import RETAIN_UNTIL, new_recording, write_audio
from transcription.engine import Transcriber
from transcription.whisper import load_transcriber
from workorders.orders import Finding


def never() -> bool:
    """No signal to stop."""
    return False


@pytest.fixture
async def recording(archive: Archive, tmp_path: Path) -> Recording:
    """A sealed recording of a tone, with its transcription enqueued."""
    sealed = await seal_recording(
        archive, new_recording(), write_audio(tmp_path / "audio.flac"), retain_until=RETAIN_UNTIL
    )
    async with archive.database.write() as session:
        payload = {"recording_id": str(sealed.id)}
        await jobs.enqueue(session, TRANSCRIBE, payload, now=archive.clock(), key=str(sealed.id), max_attempts=2)
    return sealed


def _context(archive: Archive, model: str, at: datetime | None = None) -> Context:
    settings = replace(Settings(), asr_model=model)

    def load() -> Transcriber:
        return load_transcriber(settings)

    return Context(archive if at is None else replace(archive, clock=lambda: at), settings, load)


async def _look(database: Database, recording: Recording) -> tuple[Recording, JobRow]:
    async with database.read() as session:
        found = await session.get(Recording, recording.id)
        job = await session.scalar(select(JobRow).where(JobRow.kind == TRANSCRIBE))
    assert found is not None
    assert job is not None
    return found, job


async def test_a_missing_engine_is_tried_again_then_failed_and_can_be_retried(
    archive: Archive, recording: Recording, tmp_path: Path
) -> None:
    database, empty, at = archive.database, tmp_path / "no-model", datetime.now(UTC)
    empty.mkdir()
    assert await worker.work_once(_context(archive, str(empty), at), "test")
    found, job = await _look(database, recording)
    assert (job.state, job.attempts, found.text_state) == (jobs.QUEUED, 1, "pending")
    assert "HUIYIN_ASR_MODEL" in found.text_error, "the reason names the remedy"
    assert not await worker.work_once(_context(archive, str(empty), at), "test"), "not before its time"

    assert await worker.work_once(_context(archive, str(empty), at + timedelta(minutes=1)), "test")
    found, job = await _look(database, recording)
    assert (job.state, job.error_kind, found.text_state) == (jobs.FAILED, "no engine", TEXT_FAILED)

    async with database.write() as session:
        await jobs.requeue(session, job.id, now=archive.clock())
    await worker.run(_context(archive, "sample"), never, until_idle=True)
    found, job = await _look(database, recording)
    assert (job.state, found.text_state, found.text_version, found.text_error) == (jobs.DONE, TEXT_DONE, 1, "")


async def test_a_tone_has_no_text_and_says_nobody_spoke(archive: Archive, recording: Recording) -> None:
    await worker.run(_context(archive, "sample"), never, until_idle=True)
    async with archive.database.read() as session:
        assert list(await session.scalars(select(TurnRow))) == []
        answers = {row.question: row.answer for row in await session.scalars(select(Finding))}
        states = {row.kind: row.state for row in await session.scalars(select(JobRow))}
    assert answers["connected"] == "no"
    assert states == {TRANSCRIBE: jobs.DONE, FINDINGS: jobs.DONE}


async def test_transcribing_twice_makes_one_version(archive: Archive, recording: Recording) -> None:
    context = _context(archive, "sample")
    await worker.run(context, never, until_idle=True)
    async with archive.database.write() as session:
        job = await session.scalar(select(JobRow).where(JobRow.kind == TRANSCRIBE))
        assert job is not None
        # As if the worker had died after sealing the text and before marking the job done.
        job.state, job.run_after = jobs.QUEUED, archive.clock()
    await worker.run(context, never, until_idle=True)
    found, job = await _look(archive.database, recording)
    assert (found.text_version, job.state) == (1, jobs.DONE)


async def test_a_job_of_an_unknown_recording_fails_by_name(archive: Archive) -> None:
    missing = "01a20373-bfdb-7000-84b7-1beca56fda95"
    async with archive.database.write() as session:
        await jobs.enqueue(session, TRANSCRIBE, {"recording_id": missing}, now=archive.clock(), max_attempts=1)
    assert await worker.work_once(_context(archive, "sample"), "test")
    async with archive.database.read() as session:
        job = await session.scalar(select(JobRow))
    assert job is not None
    assert job.state == jobs.FAILED
    assert missing in job.error
