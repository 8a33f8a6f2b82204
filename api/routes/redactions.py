"""Redacted copies of a recording: suggested, asked for, watched while they are made, handed out with a purpose."""

import json
from datetime import datetime, timedelta
from uuid import UUID

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import reading
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.failing import failure_view
from api.masking import mask_text
from api.models import Done
from api.models_redaction import (
    RedactedAudioQuery,
    RedactedQuery,
    RedactedText,
    RedactionList,
    RedactionRequest,
    RedactionView,
    SuggestionList,
)
from api.problems import Problem
from api.redacting import picks_of, suggestion
from api.routes.recordings import path_id
from api.routes.sound import send_sound
from api.scope import require_visible
from archive.catalogue import Recording
from archive.redaction_copies import DONE, Redaction, ask_redaction, find_redaction, object_of, redactions_of, usable
from archive.redaction_hints import hints
from archive.retrieve import read_object
from core.jobs import FAILED, JobRow, enqueue, requeue_keyed
from workorders.orders import Link, WorkOrder

JOB = "redact"


async def suggestions_of(session: AsyncSession, row: Recording) -> SuggestionList:
    """What the rules, and the names and numbers of the call and its orders, find in the newest text."""
    turns, known = await reading.turns_of(session, row.id), [row.citizen_name, row.citizen_number]
    orders = select(WorkOrder.caller, WorkOrder.caller_phone).join(Link, Link.work_order == WorkOrder.number)
    for caller, phone in await session.execute(orders.where(Link.recording_id == row.id)):
        known += [caller, phone]
    return SuggestionList(version=row.text_version, items=[suggestion(turns, hint) for hint in hints(turns, known)])


async def copies_of(session: AsyncSession, recording_id: UUID, now: datetime) -> list[RedactionView]:
    """A recording's redacted copies, newest first."""
    return await _views(session, await redactions_of(session, recording_id), now)


async def redact(request: web.Request, identifier: UUID, asked: RedactionRequest) -> RedactionView:
    """Check that everything can be located, write down what is wanted and let a worker make it."""
    here = context(request)
    async with here.database.read() as session:
        await reading.recording(session, signed_in(request), identifier)
        picks = picks_of(await reading.turns_of(session, identifier), asked.picks, asked.phrases)

    async def then(session: AsyncSession, redaction_id: UUID) -> None:
        await enqueue(session, JOB, {"redaction_id": str(redaction_id)}, now=here.now(), key=str(redaction_id))

    row = await ask_redaction(
        here.archive,
        identifier,
        picks,
        base_version=asked.base_version,
        reason=mask_text(asked.reason),
        lasts=timedelta(days=asked.days),
        by=signed_in(request).name,
        then=then,
    )
    async with here.database.read() as session:
        [view] = await _views(session, [row], here.now())
    return view


async def make_again(request: web.Request, identifier: UUID) -> None:
    """Let a copy whose making failed for good be made after all; ``Conflict`` for any other."""
    here, copy = context(request), _copy_id(request)
    async with here.database.write() as session:
        await reading.recording(session, signed_in(request), identifier)
        await find_redaction(session, identifier, copy)
        await requeue_keyed(session, JOB, [str(copy)], now=here.now())


async def copy_text(request: web.Request, identifier: UUID, purpose: str) -> RedactedText:
    """The copy's text, after "read" is in the ledger."""
    await require_visible(request, identifier)
    here = context(request)
    async with here.database.read() as session:
        row = await usable(session, identifier, _copy_id(request), here.now())
        stored = await object_of(session, row, "json")
    content = await read_object(here.archive, stored.id, actor=signed_in(request).name, purpose=mask_text(purpose))
    return redacted_text(content)


def redacted_text(content: bytes) -> RedactedText:
    """The part of a sealed copy's document that people read."""
    told = json.loads(content)
    values = {name: told[name] for name in ("id", "recording_id", "mark", "padding_ms", "spans", "source")}
    shown = ("party", "start_ms", "end_ms", "text")
    return RedactedText.model_validate(
        {**values, "turns": [{name: turn[name] for name in shown} for turn in told["turns"]]}
    )


async def _views(session: AsyncSession, rows: list[Redaction], now: datetime) -> list[RedactionView]:
    query = select(JobRow).where(JobRow.kind == JOB, JobRow.key.in_([str(row.id) for row in rows]))
    work = {job.key: job for job in await session.scalars(query)}
    return [_view(row, work.get(str(row.id)), usable=row.state == DONE and now < row.expires_at) for row in rows]


def _view(row: Redaction, job: JobRow | None, *, usable: bool) -> RedactionView:
    waits = row.state != DONE and job is not None
    return RedactionView(
        id=row.id,
        recording_id=row.recording_id,
        text_version=row.text_version,
        reason=row.reason,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        state="failed" if waits and job and job.state == FAILED else "done" if row.state == DONE else "asked",
        written=row.written,
        failure=failure_view(job) if waits else None,
        spans=[(start, end) for start, end in row.spans],
        audio_sha256=row.audio_sha256,
        usable=usable,
    )


def _copy_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["copy"])
    except ValueError:
        raise Problem(404, "not an identifier") from None


async def get_suggestions(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        row = await reading.recording(session, signed_in(request), path_id(request))
        return answer(await suggestions_of(session, row))


async def get_copies(request: web.Request) -> web.Response:
    here = context(request)
    async with here.database.read() as session:
        row = await reading.recording(session, signed_in(request), path_id(request))
        return answer(RedactionList(items=await copies_of(session, row.id, here.now())))


async def post_copy(request: web.Request) -> web.Response:
    asked = await read_body(request, RedactionRequest)
    return answer(await redact(request, path_id(request), asked), status=202)


async def post_again(request: web.Request) -> web.Response:
    await make_again(request, path_id(request))
    return answer(Done(), status=202)


async def get_copy_sound(request: web.Request) -> web.StreamResponse:
    """The copy's sound by ranges; the ledger's row is written before the first byte."""
    asked, identifier = read_query(request, RedactedAudioQuery), path_id(request)
    await require_visible(request, identifier)
    here = context(request)
    async with here.database.read() as session:
        row = await usable(session, identifier, _copy_id(request), here.now())
        stored = await object_of(session, row, "flac")
    file = await here.listenings.open(
        here.archive, identifier, actor=signed_in(request).name, purpose=mask_text(asked.purpose), copy=stored
    )
    return await send_sound(request, file, name=f"redacted-{row.id}.flac")


async def get_copy_text(request: web.Request) -> web.Response:
    asked = read_query(request, RedactedQuery)
    response = answer(await copy_text(request, path_id(request), asked.purpose))
    response.headers["Content-Disposition"] = f'attachment; filename="redacted-{_copy_id(request)}.json"'
    return response


_COPIES = "/api/v1/recordings/{id}/redactions"
_MAKE = "redactions.make"
ENDPOINTS = (
    Endpoint("GET", _COPIES, _MAKE, get_copies, "遮盖副本及其进度 / redacted copies", answers=RedactionList),
    Endpoint(
        "GET",
        _COPIES + "/suggestions",
        _MAKE,
        get_suggestions,
        "按规则找到的个人信息，供人取舍 / what rules take for personal data",
        answers=SuggestionList,
    ),
    Endpoint(
        "POST",
        _COPIES,
        _MAKE,
        post_copy,
        "制作遮盖副本；定位不了就拒绝 / make a redacted copy; refused where a span cannot be located",
        takes=RedactionRequest,
        answers=RedactionView,
        status=202,
    ),
    Endpoint(
        "POST",
        _COPIES + "/{copy}/retry",
        _MAKE,
        post_again,
        "重新制作失败的副本 / make a copy after all whose making failed",
        answers=Done,
        status=202,
    ),
    Endpoint(
        "GET",
        _COPIES + "/{copy}/audio",
        _MAKE,
        get_copy_sound,
        "副本的声音（先写台账） / the copy's sound; the ledger row is written first",
        query=RedactedAudioQuery,
        media="audio/flac",
    ),
    Endpoint(
        "GET",
        _COPIES + "/{copy}/transcript",
        _MAKE,
        get_copy_text,
        "副本的文字（先写台账） / the copy's text; the ledger row is written first",
        query=RedactedQuery,
        answers=RedactedText,
    ),
)
