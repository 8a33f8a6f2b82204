"""Beside the text of a recording: its waveform, comments, where a person stopped, how he likes it, and the check."""

import base64
import hashlib
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from api import reading
from api.access.user import User
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.masking import mask_text
from api.models import Done
from api.models_review import (
    CheckView,
    CommentList,
    CommentRequest,
    CommentView,
    FaultView,
    PlaceBody,
    PreferencesBody,
    PreferencesView,
    WaveformView,
)
from api.preferences import keep_preferences, preferences_of
from api.routes.recordings import path_id
from api.scope import require_visible
from archive.comments import Comment, add_comment, comments_of
from archive.drafts import note_place
from archive.peaks import Peaks
from archive.verify import verify_recording
from archive.waveforms import peaks_of
from core.ledger import Entry, append

SOUND = "刚刚逐字节核对过：{objects} 个文件与封存时完全一致，存储、目录和台账三处说法相同。"
FAULTY = "核对发现 {faults} 处异常。请不要覆盖或恢复任何数据，并通知审计和系统管理员。"


async def get_waveform(request: web.Request) -> web.Response:
    """200 or 304; without lanes where the recording's file is no sound."""
    here, identifier = context(request), path_id(request)
    async with here.database.read() as session:
        recording = await reading.recording(session, signed_in(request), identifier)
    peaks = await peaks_of(here.archive, identifier)
    etag = f'"{hashlib.sha256(b"".join(peaks.lanes)).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-store"}
    if request.headers.get("If-None-Match", "") == etag:
        return web.Response(status=304, headers=headers)
    response = answer(_waveform(identifier, recording.duration_ms, peaks))
    response.headers.update(headers)
    return response


def _waveform(identifier: UUID, duration_ms: int, peaks: Peaks) -> WaveformView:
    return WaveformView(
        recording_id=identifier,
        duration_ms=duration_ms,
        per_second=peaks.per_second,
        lanes=[base64.b64encode(lane).decode() for lane in peaks.lanes],
    )


async def comments(request: web.Request, identifier: UUID) -> CommentList:
    """A recording's comments, in the order of its seconds."""
    async with context(request).database.read() as session:
        await reading.recording(session, signed_in(request), identifier)
        return await comments_beside(session, identifier)


async def comments_beside(session: AsyncSession, identifier: UUID) -> CommentList:
    """As ``comments``, where whoever asks may see the recording."""
    return CommentList(items=[comment_view(row) for row in await comments_of(session, identifier)])


def comment_view(row: Comment) -> CommentView:
    return CommentView(id=row.id, at_ms=row.at_ms, text=mask_text(row.text), by=row.by, at=row.at)


async def get_comments(request: web.Request) -> web.Response:
    return answer(await comments(request, path_id(request)))


async def comment(request: web.Request, identifier: UUID, asked: CommentRequest) -> CommentView:
    """Seal a comment in the name of whoever asks."""
    await require_visible(request, identifier)
    row = await add_comment(
        context(request).archive, identifier, at_ms=asked.at_ms, text=asked.text, by=signed_in(request).name
    )
    return comment_view(row)


async def post_comment(request: web.Request) -> web.Response:
    asked = await read_body(request, CommentRequest)
    return answer(await comment(request, path_id(request), asked), status=201)


async def put_place(request: web.Request) -> web.Response:
    asked, identifier, user = await read_body(request, PlaceBody), path_id(request), signed_in(request)
    here = context(request)
    async with here.database.write() as session:
        recording = await reading.recording(session, user, identifier)
        await note_place(session, user.name, identifier, min(asked.position_ms, recording.duration_ms), here.now())
    return answer(Done())


async def preferences(session: AsyncSession, user: User) -> PreferencesView:
    """How somebody likes the page."""
    return PreferencesView.model_validate(await preferences_of(session, user.name), from_attributes=True)


async def get_preferences(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        return answer(await preferences(session, signed_in(request)))


async def put_preferences(request: web.Request) -> web.Response:
    asked = await read_body(request, PreferencesBody)
    async with context(request).database.write() as session:
        row = await keep_preferences(session, signed_in(request).name, **asked.model_dump(exclude_none=True))
        await session.flush()
        return answer(PreferencesView.model_validate(row, from_attributes=True))


async def check(request: web.Request, identifier: UUID) -> CheckView:
    """Read the whole recording and compare store, catalogue and ledger; the ledger says that somebody did."""
    here, user = context(request), signed_in(request)
    async with here.database.read() as session:
        await reading.recording(session, user, identifier)
        objects = await reading.objects_of(session, identifier)
    faults = await verify_recording(here.archive, identifier)
    now = here.now()
    facts = {"objects": len(objects), "faults": [fault.what for fault in faults]}
    async with here.database.write() as session:
        await append(session, Entry("checked", user.name, str(identifier), facts), now)
    words = (FAULTY if faults else SOUND).format(objects=len(objects), faults=len(faults))
    return CheckView(
        recording_id=identifier,
        checked_at=now,
        sound=not faults,
        objects=len(objects),
        bytes=sum(each.size for each in objects),
        faults=[FaultView(key=one.subject, what=one.kind, expected=one.expected, found=one.found) for one in faults],
        words=words,
    )


async def post_check(request: web.Request) -> web.Response:
    return answer(await check(request, path_id(request)))


_COMMENTS = "/api/v1/recordings/{id}/comments"
_PREFERENCES = "/api/v1/me/review"
ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/waveform",
        "audio.hear",
        get_waveform,
        "双声道波形 / the outline of the sound, two lanes",
        answers=WaveformView,
    ),
    Endpoint("GET", _COMMENTS, "transcripts.see", get_comments, "备注 / comments by second", answers=CommentList),
    Endpoint(
        "POST",
        _COMMENTS,
        "comments.make",
        post_comment,
        "在某一秒留下备注 / comment on a second",
        takes=CommentRequest,
        answers=CommentView,
        status=201,
    ),
    Endpoint(
        "PUT",
        "/api/v1/recordings/{id}/place",
        "audio.hear",
        put_place,
        "记下听到哪里 / remember where one stopped listening",
        takes=PlaceBody,
        answers=Done,
    ),
    Endpoint(
        "POST",
        "/api/v1/recordings/{id}/check",
        "recordings.check",
        post_check,
        "立即逐字节核对 / compare with what was sealed, now",
        answers=CheckView,
    ),
    Endpoint(
        "GET", _PREFERENCES, "audio.hear", get_preferences, "复核页的个人设置 / own settings", answers=PreferencesView
    ),
    Endpoint(
        "PUT",
        _PREFERENCES,
        "audio.hear",
        put_preferences,
        "更改复核页的个人设置 / change own settings",
        takes=PreferencesBody,
        answers=PreferencesView,
    ),
)
