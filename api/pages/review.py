"""One recording under review: its sound, its dialogue, what people say about it, and what proves it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api import reading
from api.access.user import User
from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint
from api.failing import failure_view
from api.language import half
from api.listening import purpose_needed
from api.models import FailureView, LedgerView, OrderDetail, RecordingDetail, TranscriptView, TurnView
from api.models_review import CommentRequest
from api.pages.next_work import kept, onward
from api.pages.rendering import render, see_other
from api.permissions import allows
from api.problems import Problem
from api.routes import corrections, orders, review
from api.routes import recordings as routes
from api.shaping import ledger_view
from archive.catalogue import TEXT_FAILED, Recording
from archive.drafts import place_of
from archive.fault_notes import KIND as FAULT_FOUND
from archive.fault_notes import noted_in, standing
from archive.faults import IN_CHINESE
from core.errors import NotFound
from core.jobs import JobRow
from workorders.orders import ANSWERS

# Below this confidence a word is marked, unless the settings say otherwise.
DOUBTFUL = 0.6
SPEEDS = (0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3)
# Who stopped in the first seconds has not begun, who stopped in the last has finished.
WORTH_RESUMING_MS = 3000


@dataclass(frozen=True)
class Span:
    """A stretch of a turn's text; ``start_ms`` is ``None`` where no word is."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    low: bool = False


def spans(turn: TurnView, doubtful: float = DOUBTFUL) -> list[Span]:
    """A turn's text in words that can be heard, and what stands between them; together they are the text."""
    return list(_spans(turn.text, turn.words, turn.confidence, doubtful))


def _spans(text: str, words: Sequence[Sequence[Any]], confidence: float, doubtful: float) -> Iterator[Span]:
    at = 0
    for start, end, word, probability in words:
        place = text.find(str(word).strip(), at) if str(word).strip() else -1
        if place < 0:
            continue
        if place > at:
            yield Span(text[at:place])
        at = place + len(str(word).strip())
        yield Span(text[place:at], int(start), int(end), min(float(probability), 1.0) < doubtful)
    if at < len(text):
        yield Span(text[at:], low=at == 0 and confidence < doubtful)


async def show_recording(request: web.Request, message: str = "", typed: str = "") -> web.Response:
    """``message``: why the order's number that was ``typed`` was refused."""
    identifier, user, here = routes.path_id(request), signed_in(request), context(request)
    settings, purpose = here.settings, request.query.get("purpose", "").strip()[:200]
    async with here.database.read() as session:
        row = await reading.recording(session, user, identifier)
        recording = await routes.detail_of(session, row, settings)
        transcript = await routes.transcript_of(session, row, settings)
        data = await _data(session, user, row, transcript)
        comments = await review.comments_beside(session, identifier)
        order = await _first_order(session, user, recording.work_orders)
        ledger = await _ledger_of(session, recording)
        checked, noted = await _last_checks(session, identifier)
        failure = await _failure_of(session, row)
    doubtful = settings.doubtful_word / 100
    return render(
        request,
        "recording.html",
        status=422 if message else 200,
        message=half(message, request.get(LANGUAGE, "zh")),
        typed=typed,
        recording=recording,
        transcript=transcript,
        spans=partial(spans, doubtful=doubtful),
        low=doubtful,
        speeds=SPEEDS,
        purpose=purpose,
        ask_purpose=purpose_needed(user, purpose),
        data={**data, "purpose": purpose},
        comments=comments.items,
        versions=(await corrections.versions(request, identifier)).items if recording.text_version > 1 else [],
        order=order,
        ledger=ledger,
        checked=checked,
        noted=noted,
        wrong=_standing(recording, noted),
        failure=failure,
        answers=ANSWERS,
        onward=await onward(request),
    )


async def _data(session: AsyncSession, user: User, recording: Recording, transcript: TranscriptView) -> dict[str, Any]:
    """What the page's script starts from."""
    place = await place_of(session, user.name, recording.id)
    corrects = allows("transcripts.correct", user.role)
    draft = await corrections.draft_of(session, user, recording) if corrects else None
    resumes = WORTH_RESUMING_MS <= place <= recording.duration_ms - WORTH_RESUMING_MS
    return {
        "id": str(recording.id),
        "user": user.name,
        "duration_ms": recording.duration_ms,
        "version": transcript.version,
        "place_ms": place if resumes else 0,
        "preferences": (await review.preferences(session, user)).model_dump(),
        "draft": draft.model_dump(mode="json") if draft else None,
        "corrects": corrects and transcript.version > 0,
        "texts": [turn.text for turn in transcript.turns] if corrects else [],
    }


async def _first_order(session: AsyncSession, user: User, numbers: list[str]) -> OrderDetail | None:
    try:
        return orders.detail_of(*await orders.order_with_calls(session, user, numbers[0])) if numbers else None
    except NotFound:
        return None  # the number came with the call; its order is not imported yet


async def _ledger_of(session: AsyncSession, recording: RecordingDetail) -> list[LedgerView]:
    subjects = [str(each) for each in (recording.id, *(each.id for each in recording.objects))]
    rows = await reading.ledger_rows(session, subjects=subjects, limit=50)
    return [ledger_view(row) for row in rows]


async def _last_checks(session: AsyncSession, identifier: UUID) -> tuple[LedgerView | None, LedgerView | None]:
    """Who last had every byte of it compared, and with what result; and what a night or a verification last found
    wrong: also where much has happened since."""
    rows = await reading.last_ledger_rows(session, str(identifier), ("checked", FAULT_FOUND))
    checked, noted = rows.get("checked"), rows.get(FAULT_FOUND)
    return ledger_view(checked) if checked else None, ledger_view(noted) if noted else None


def _standing(recording: RecordingDetail, noted: LedgerView | None) -> dict[str, list[str]]:
    """What is at fault still, with the kinds of its faults, ``中文 / English``."""
    if noted is None:
        return {}
    verified = {each.key: each.verified_at for each in recording.objects}
    wrong: dict[str, list[str]] = {}
    for thing, what in standing(noted_in(noted.facts), noted.at, verified):
        wrong.setdefault(thing, []).append(f"{IN_CHINESE.get(what, what)} / {what}")
    return wrong


async def _failure_of(session: AsyncSession, recording: Recording) -> FailureView | None:
    """Why there is no text, of a recording whose transcription failed."""
    if recording.text_state != TEXT_FAILED:
        return None
    job = select(JobRow).where(JobRow.kind == "transcribe", JobRow.key == str(recording.id))
    return failure_view(await session.scalar(job))


async def show_version(request: web.Request) -> web.Response:
    """What one version changed in the one before it."""
    identifier, recording = routes.path_id(request), await routes.detail(request, routes.path_id(request))
    try:
        number = int(request.match_info["number"])
    except ValueError:
        raise Problem(404) from None
    found = (await corrections.versions(request, identifier)).items
    version = next((each for each in found if each.number == number and number > 1), None)
    if version is None:
        raise Problem(404)
    difference = await corrections.difference(request, identifier, number - 1, number)
    return render(
        request,
        "recording_version.html",
        recording=recording,
        version=version,
        difference=difference,
        later=any(each.number > number for each in found),
    )


async def do_comment(request: web.Request) -> web.Response:
    """The form without script: the moment as ``1:23``."""
    identifier, form = routes.path_id(request), await request.post()
    try:
        asked = CommentRequest(at_ms=milliseconds(str(form.get("at", "0"))), text=str(form.get("text", "")))
    except (ValidationError, ValueError):
        raise Problem(422, "请写明时间（如 1:23）和内容 / a comment needs a time (1:23) and words") from None
    await review.comment(request, identifier, asked)
    return see_other(f"/recordings/{identifier}{kept(request)}#comments")


def milliseconds(text: str) -> int:
    """``1:02:03``, ``1:23`` or ``83.5`` as milliseconds; ``ValueError`` for anything else."""
    parts = [float(part) for part in text.strip().split(":")]
    seconds = sum(part * 60.0**place for place, part in enumerate(reversed(parts)))
    if not min(parts) >= 0 or not seconds < 86_400:
        raise ValueError("outside a day")
    return round(seconds * 1000)


async def do_check(request: web.Request) -> web.Response:
    """The button without script."""
    identifier = routes.path_id(request)
    found = await review.check(request, identifier)
    places = {"objects": found.objects, "faults": len(found.faults)}
    phrase, kind = (review.SOUND, "good") if found.sound else (review.FAULTY, "bad")
    return see_other(f"/recordings/{identifier}{kept(request)}#integrity", phrase, kind, **places)


ENDPOINTS = (
    Endpoint("GET", "/recordings/{id}", "recordings.see", show_recording),
    Endpoint("GET", "/recordings/{id}/versions/{number}", "transcripts.see", show_version),
    Endpoint("POST", "/recordings/{id}/comments", "comments.make", do_comment),
    Endpoint("POST", "/recordings/{id}/check", "recordings.check", do_check),
)
