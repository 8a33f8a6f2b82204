"""Recordings: the list, one with its facts, its dialogue, its sound."""

from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from api import reading
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.models import (
    ClipQuery,
    LinkRequest,
    LinkView,
    RecordingDetail,
    RecordingPage,
    RecordingQuery,
    TranscriptView,
)
from api.models_review import AudioQuery
from api.persons import number_of
from api.problems import Problem
from api.routes.clip import get_clip
from api.routes.sound import get_audio
from api.scope import require_visible
from api.shaping import link_view, recording_detail, recording_summary, transcript_view
from archive.catalogue import Recording
from core.settings import Settings
from retention.membership import settle_holds
from workorders.linking import link_by_person
from workorders.orders import Link
from workorders.queries import findings_of

# The value of HUIYIN_ASR_MODEL that names the embedded model.
SAMPLE_MODEL = "sample"


def path_id(request: web.Request) -> UUID:
    """The identifier in the path; what is not one cannot be found (404)."""
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise Problem(404, "not an identifier") from None


def filter_of(asked: RecordingQuery, person: str | None) -> reading.RecordingFilter:
    """``day`` is short for ``from`` and ``to`` on the same day."""
    return reading.RecordingFilter(
        since=asked.day or asked.since,
        until=asked.day or asked.to,
        order=asked.order,
        person=person,
        text_state=asked.text_state,
        cursor=asked.cursor,
        limit=asked.limit,
    )


async def recordings_page(request: web.Request, asked: RecordingQuery) -> RecordingPage:
    """One page of the list; a ``Problem`` 400 for a cursor that is none."""
    here = context(request)
    async with here.database.read() as session:
        person = await number_of(session, here.secrets, asked.who) if asked.who else None
        rows, following = await reading.list_recordings(
            session, signed_in(request), filter_of(asked, person), here.settings.timezone
        )
        orders = await reading.orders_of(session, rows)
    return RecordingPage(items=[recording_summary(row, orders[row.id]) for row in rows], next=following)


async def detail(request: web.Request, identifier: UUID) -> RecordingDetail:
    """Everything known of a recording except its dialogue; ``NotFound`` otherwise."""
    here = context(request)
    async with here.database.read() as session:
        return await detail_of(session, await reading.recording(session, signed_in(request), identifier), here.settings)


async def detail_of(session: AsyncSession, row: Recording, settings: Settings) -> RecordingDetail:
    """As ``detail``, of a row that was fetched for whoever asks."""
    return recording_detail(
        row,
        objects=await reading.objects_of(session, row.id),
        links=await reading.links_of(session, row.id),
        findings=await findings_of(session, row.id),
        years=settings.retention_years,
    )


async def transcript_of(session: AsyncSession, row: Recording, settings: Settings) -> TranscriptView:
    """The newest dialogue; empty while there is none."""
    sample_model = settings.asr_model == SAMPLE_MODEL
    return transcript_view(row, await reading.turns_of(session, row.id), sample_model=sample_model)


async def get_recordings(request: web.Request) -> web.Response:
    return answer(await recordings_page(request, read_query(request, RecordingQuery)))


async def get_recording(request: web.Request) -> web.Response:
    return answer(await detail(request, path_id(request)))


async def get_transcript(request: web.Request) -> web.Response:
    here = context(request)
    async with here.database.read() as session:
        row = await reading.recording(session, signed_in(request), path_id(request))
        return answer(await transcript_of(session, row, here.settings))


async def link_to_order(request: web.Request, identifier: UUID, number: str) -> Link:
    """Link as the person who asks; a case may hold what belongs to the order."""
    here = context(request)
    await require_visible(request, identifier)
    link = await link_by_person(here.archive, identifier, number, by=signed_in(request).name)
    await settle_holds(here.archive, here.settings, only=[identifier])
    return link


async def post_link(request: web.Request) -> web.Response:
    asked = await read_body(request, LinkRequest)
    link = await link_to_order(request, path_id(request), asked.work_order)
    return answer(link_view(link), status=201)


async def get_sound(request: web.Request) -> web.StreamResponse:
    return await get_audio(request, path_id(request))


async def get_part(request: web.Request) -> web.Response:
    return await get_clip(request, path_id(request))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/recordings",
        "recordings.see",
        get_recordings,
        "录音列表 / recordings, newest first",
        query=RecordingQuery,
        answers=RecordingPage,
    ),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}",
        "recordings.see",
        get_recording,
        "一条录音的全部事实 / everything known of one recording",
        answers=RecordingDetail,
    ),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/transcript",
        "transcripts.see",
        get_transcript,
        "对话文字 / its dialogue",
        answers=TranscriptView,
    ),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/audio",
        "audio.hear",
        get_sound,
        "收听（支持 Range，先写台账） / its sound, by ranges; the ledger row is written first",
        query=AudioQuery,
        media="audio/flac",
    ),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/clip",
        "audio.hear",
        get_part,
        "截取片段（先写台账） / a part of it as WAV; the ledger row is written first",
        query=ClipQuery,
        media="audio/wav",
    ),
    Endpoint(
        "POST",
        "/api/v1/recordings/{id}/link",
        "links.decide",
        post_link,
        "人工关联工单 / link to a work order",
        takes=LinkRequest,
        answers=LinkView,
        status=201,
    ),
)
