"""The pipeline on one page: job kind → function → next.

    spool ──sealer──▶ sealed recording ──┬──▶ transcribe ──▶ findings
                                         └──▶ find_order
    import of orders ──▶ relink          schedule ──▶ nightly, daily          API ──▶ export, redact, hold

Every function is idempotent: a worker may die at any line and another does the job again.  What a job leads to is
enqueued in the transaction that holds its result.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from archive.catalogue import TEXT_FAILED, TEXT_PENDING, Recording, TurnRow
from archive.house import Archive
from archive.ledger_key import ledger_key
from archive.redaction_copies import make_redaction
from archive.retrieve import fetch_audio
from archive.seal import NewTurn, seal_transcript
from core import jobs
from core.errors import NotFound
from core.jobs import Job
from core.operating import load_operating, settings_at
from core.settings import Settings
from reporting.daily import issue_daily
from retention.handover.asking import find as find_export
from retention.handover.copies import bag_file
from retention.handover.export import run_export
from retention.handover.tables import DONE as EXPORT_DONE
from retention.membership import settle_holds
from retention.rule import keep_until
from service.hotwords import hot_words
from service.kinds import DAILY, EXPORT, FIND_ORDER, FINDINGS, HOLD, NIGHTLY, REDACT, RELINK, TRANSCRIBE
from service.night import run_night
from transcription.engine import Transcriber, Transcript, Turn
from workorders.findings import SpokenTurn, read_findings, store_findings
from workorders.linking import link_recording, relink_pending
from workorders.risks import risk_words


@dataclass(frozen=True)
class Context:
    """What a job may use.  ``transcriber`` loads the engine on first use and keeps it."""

    archive: Archive
    settings: Settings
    transcriber: Callable[[], Transcriber]


Step = Callable[[Context, Job], Awaitable[None]]


async def transcribe(context: Context, job: Job) -> None:
    """Audio → dialogue, sealed as version 1 beside the audio."""
    recording_id = UUID(job.payload["recording_id"])
    async with context.archive.database.read() as session:
        recording = await session.get(Recording, recording_id)
        words = await hot_words(session, recording, context.settings.timezone) if recording else []
    if recording is None:
        raise NotFound("there is no such recording to transcribe", recording=recording_id)
    if recording.text_version:
        return
    transcript = await _recognise(context, recording_id, words)

    async def next_job(session: AsyncSession) -> None:
        await jobs.enqueue(session, FINDINGS, dict(job.payload), now=context.archive.clock(), key=f"{recording_id}.v1")

    await seal_transcript(
        context.archive,
        recording_id,
        transcript.to_json(),
        [_new_turn(turn) for turn in transcript.turns],
        author="system",
        reason="first transcription",
        retain_until=keep_until(context.settings, recording.ended_at, context.archive.clock()),
        expected_version=0,
        then=next_job,
    )


async def _recognise(context: Context, recording_id: UUID, words: list[str]) -> Transcript:
    with tempfile.TemporaryDirectory(prefix="huiyin-") as directory:
        audio = Path(directory) / "audio.flac"
        await fetch_audio(context.archive, recording_id, audio)
        return await asyncio.to_thread(lambda: context.transcriber().transcribe(audio, hotwords=words))


def _new_turn(turn: Turn) -> NewTurn:
    return NewTurn(
        party=turn.party,
        start_ms=round(turn.start * 1000),
        end_ms=round(turn.end * 1000),
        text=turn.text,
        confidence=turn.confidence,
        overlaps=turn.overlaps,
        words=[[round(w.start * 1000), round(w.end * 1000), w.text, round(w.probability, 3)] for w in turn.words],
    )


async def find_order(context: Context, job: Job) -> None:
    """Link the recording to its work order, or ask a person."""
    recording_id = UUID(job.payload["recording_id"])
    async with context.archive.database.read() as session:
        recording = await session.get(Recording, recording_id)
        called_at = recording.started_at if recording else context.archive.clock()
        settings = await settings_at(session, context.settings, called_at)
    await link_recording(context.archive, recording_id, window_days=settings.link_window_days)
    # Newly sealed, and perhaps newly linked: it may be in the scope of a case.
    await settle_holds(context.archive, context.settings, only=[recording_id])


async def findings(context: Context, job: Job) -> None:
    """Read the callback's outcomes from the newest text."""
    recording_id = UUID(job.payload["recording_id"])
    async with context.archive.database.write() as session:
        recording = await session.get(Recording, recording_id)
        if recording is None:
            raise NotFound("there is no such recording to read", recording=recording_id)
        turns = await session.scalars(
            select(TurnRow).where(TurnRow.recording_id == recording_id).order_by(TurnRow.ordinal)
        )
        spoken = [SpokenTurn(turn.ordinal, turn.party, turn.start_ms, turn.end_ms, turn.text) for turn in turns]
        risks = await risk_words(session, recording.started_at.astimezone(context.settings.timezone).date())
        found, now = read_findings(spoken, risks), context.archive.clock()
        await store_findings(session, recording_id, found, text_version=recording.text_version, now=now)


async def relink(context: Context, job: Job) -> None:
    """Orders were imported: answer the link questions that they settle."""
    async with context.archive.database.read() as session:
        operating = await load_operating(session, context.settings)
    outcomes = await relink_pending(context.archive, lambda called_at: operating.at(called_at).link_window_days)
    if new := [outcome.recording_id for outcome in outcomes if outcome.new]:
        await settle_holds(context.archive, context.settings, only=new)


async def nightly(context: Context, job: Job) -> None:
    """The night's work on locks, reconciliation and approved disposals; a sample verified, the ledger signed."""
    await run_night(context.archive, await _now(context), now=context.archive.clock())


async def daily(context: Context, job: Job) -> None:
    """Issue the daily report of one day."""
    now = context.archive.clock()
    await issue_daily(
        context.archive,
        context.settings,
        date.fromisoformat(job.payload["day"]),
        by=str(job.payload.get("by", "system")),
        retain_until=keep_until(context.settings, now),
    )


async def export(context: Context, job: Job) -> None:
    """Write the bag of a handover; a worker that dies leaves what it wrote to the next."""
    async with context.archive.database.read() as session:
        wanted = await find_export(session, UUID(job.payload["export_id"]))
    if wanted.state == EXPORT_DONE or wanted.removed_at is not None:
        return
    settings = await _now(context)
    target = bag_file(settings, wanted.id)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    until = keep_until(settings, context.archive.clock())
    key = ledger_key(settings)
    await run_export(context.archive, settings, wanted.id, target, key=key, retain_until=until)


async def _now(context: Context) -> Settings:
    """The settings in force today: each job looks, so that none needs a restart."""
    async with context.archive.database.read() as session:
        return await settings_at(session, context.settings, context.archive.clock())


async def redact(context: Context, job: Job) -> None:
    """Make the redacted copy that somebody asked for."""
    await make_redaction(context.archive, UUID(job.payload["redaction_id"]))


async def hold(context: Context, job: Job) -> None:
    """Hold what is in the scope of a case that was placed, or let go what a released one held."""
    await settle_holds(context.archive, context.settings)


STEPS: Mapping[str, Step] = {
    TRANSCRIBE: transcribe,
    FIND_ORDER: find_order,
    FINDINGS: findings,
    RELINK: relink,
    NIGHTLY: nightly,
    DAILY: daily,
    EXPORT: export,
    REDACT: redact,
    HOLD: hold,
}


async def note_failure(session: AsyncSession, job: Job, error: str, *, final: bool) -> None:
    """Let the recording show why it has no text yet, or will have none until a person tries again."""
    if job.kind == TRANSCRIBE:
        values: dict[str, Any] = {"text_state": TEXT_FAILED if final else TEXT_PENDING, "text_error": error}
        recording_id = UUID(job.payload["recording_id"])
        await session.execute(
            update(Recording).where(Recording.id == recording_id, Recording.text_version == 0).values(**values)
        )
