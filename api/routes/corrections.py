"""Correcting a recording's text: the draft of one person, sealed versions, and what differs between them."""

from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from api import reading
from api.access.user import User
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.masking import mask_text, unmask_text
from api.models import Done
from api.models_review import (
    CorrectionAnswer,
    CorrectionRequest,
    DifferenceQuery,
    DraftChange,
    DraftView,
    PieceView,
    TurnDifference,
    VersionDifference,
    VersionList,
    VersionView,
)
from api.problems import Problem
from api.routes.recordings import path_id
from api.scope import require_visible
from archive.catalogue import Recording
from archive.corrections import Correction, TextVersion, correct_transcript, differences, open_version, text_versions
from archive.drafts import Draft, drop_draft, read_draft, replace_draft, write_draft
from archive.house import Then
from core.jobs import enqueue
from retention.rule import eligible_at


async def draft(request: web.Request, identifier: UUID) -> DraftView:
    """The draft of whoever asks, or an empty one; ``NotFound`` for another team's recording."""
    user = signed_in(request)
    async with context(request).database.read() as session:
        return await draft_of(session, user, await reading.recording(session, user, identifier))


async def draft_of(session: AsyncSession, user: User, recording: Recording) -> DraftView:
    """As ``draft``, of a row that was fetched for whoever asks."""
    return _view(recording, await read_draft(session, user.name, recording.id))


def _view(recording: Recording, row: Draft | None) -> DraftView:
    return DraftView(
        recording_id=recording.id,
        base_version=row.base_version if row else 0,
        text_version=recording.text_version,
        texts={int(ordinal): text for ordinal, text in row.texts.items()} if row else {},
        reason=row.reason if row else "",
        updated_at=row.updated_at if row else None,
    )


async def get_draft(request: web.Request) -> web.Response:
    return answer(await draft(request, path_id(request)))


async def patch_draft(request: web.Request) -> web.Response:
    asked, identifier, user = await read_body(request, DraftChange), path_id(request), signed_in(request)
    here = context(request)
    async with here.database.write() as session:
        recording = await reading.recording(session, user, identifier)
        if asked.base_version > recording.text_version:
            raise Problem(409, "base_version: there is no such version yet")
        if asked.rebase:
            texts = {ordinal: text for ordinal, text in asked.texts.items() if text is not None}
            row = await replace_draft(
                session, user.name, identifier, texts,
                base_version=asked.base_version, reason=asked.reason or "", now=here.now(),
            )  # fmt: skip
        else:
            row = await write_draft(
                session, user.name, identifier, asked.texts,
                base_version=asked.base_version, reason=asked.reason, now=here.now(),
            )  # fmt: skip
        await session.flush()
        return answer(_view(recording, row))


async def delete_draft(request: web.Request) -> web.Response:
    identifier = path_id(request)
    await require_visible(request, identifier)
    async with context(request).database.write() as session:
        await drop_draft(session, signed_in(request).name, identifier)
    return answer(Done())


async def save_version(request: web.Request, identifier: UUID, asked: CorrectionRequest) -> CorrectionAnswer:
    """Seal the correction; the draft goes and the findings are read anew in the same transaction."""
    here, user = context(request), signed_in(request)
    async with here.database.read() as session:
        recording = await reading.recording(session, user, identifier)
        turns = {turn.ordinal: turn.text for turn in await reading.turns_of(session, identifier)}
    number = await correct_transcript(
        here.archive,
        Correction(
            identifier,
            {ordinal: unmask_text(text, turns.get(ordinal, "")) for ordinal, text in asked.texts.items()},
            user.name,
            asked.reason,
            asked.base_version,
        ),
        retain_until=eligible_at(
            recording.ended_at, here.now(), years=here.settings.retention_years, timezone=here.settings.timezone
        ),
        then=_afterwards(request, identifier, asked.base_version + 1),
    )
    async with here.database.read() as session:
        row = await reading.recording(session, user, identifier)
    return CorrectionAnswer(version=number, retain_until=row.retain_until)


def _afterwards(request: web.Request, identifier: UUID, number: int) -> Then:
    here, user = context(request), signed_in(request)

    async def then(session: AsyncSession) -> None:
        await drop_draft(session, user.name, identifier)
        payload = {"recording_id": str(identifier)}
        await enqueue(session, "findings", payload, now=here.now(), key=f"{identifier}.v{number}")

    return then


async def post_version(request: web.Request) -> web.Response:
    asked = await read_body(request, CorrectionRequest)
    return answer(await save_version(request, path_id(request), asked), status=201)


async def versions(request: web.Request, identifier: UUID) -> VersionList:
    """Every sealed text, newest first."""
    await require_visible(request, identifier)
    found = await text_versions(context(request).archive, identifier)
    return VersionList(items=[version_view(each) for each in reversed(found)])


def version_view(version: TextVersion) -> VersionView:
    return VersionView(
        number=version.number,
        author=version.author,
        reason=mask_text(version.reason),
        sealed_at=version.sealed_at,
        sha256=version.sha256,
        replaces=version.replaces,
    )


async def get_versions(request: web.Request) -> web.Response:
    return answer(await versions(request, path_id(request)))


async def difference(request: web.Request, identifier: UUID, old: int, new: int) -> VersionDifference:
    """What became of one version in another; both readings are in the ledger first."""
    await require_visible(request, identifier)
    archive, actor = context(request).archive, signed_in(request).name
    before = await open_version(archive, identifier, old, actor=actor)
    after = await open_version(archive, identifier, new, actor=actor)
    return VersionDifference(old=old, new=new, turns=_turns(before, after))


def _turns(before: TextVersion, after: TextVersion) -> list[TurnDifference]:
    """Turns keep their numbers through corrections."""
    return [
        TurnDifference(
            ordinal=ordinal,
            party=new.party,
            start_ms=new.start_ms,
            pieces=[
                PieceView.model_validate(piece, from_attributes=True)
                for piece in differences(mask_text(old.text), mask_text(new.text))
            ],
        )
        for ordinal, (old, new) in enumerate(zip(before.turns, after.turns, strict=False))
        if old.text != new.text
    ]


async def get_difference(request: web.Request) -> web.Response:
    asked = read_query(request, DifferenceQuery)
    try:
        old = int(request.match_info["number"])
    except ValueError:
        raise Problem(404, "not a version") from None
    return answer(await difference(request, path_id(request), old, asked.against))


_DRAFT = "/api/v1/recordings/{id}/draft"
ENDPOINTS = (
    Endpoint("GET", _DRAFT, "transcripts.correct", get_draft, "本人的更正草稿 / one's own draft", answers=DraftView),
    Endpoint(
        "PATCH",
        _DRAFT,
        "transcripts.correct",
        patch_draft,
        "自动保存草稿，逐句合并 / save changed turns into the draft",
        takes=DraftChange,
        answers=DraftView,
    ),
    Endpoint("DELETE", _DRAFT, "transcripts.correct", delete_draft, "放弃草稿 / give the draft up", answers=Done),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/versions",
        "transcripts.see",
        get_versions,
        "文字的各个版本 / every sealed version of the text",
        answers=VersionList,
    ),
    Endpoint(
        "POST",
        "/api/v1/recordings/{id}/versions",
        "transcripts.correct",
        post_version,
        "更正文字，封存为新版本 / seal a correction as another version",
        takes=CorrectionRequest,
        answers=CorrectionAnswer,
        status=201,
    ),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/versions/{number}/difference",
        "transcripts.see",
        get_difference,
        "两版文字的差别 / what differs between two versions",
        query=DifferenceQuery,
        answers=VersionDifference,
    ),
)
