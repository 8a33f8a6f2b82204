"""Redacted copies: what to cover is picked (or suggestions are taken), the copies are listed and handed out."""

from collections.abc import Iterable

from aiohttp import web
from pydantic import ValidationError

from api import reading
from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint
from api.events.endpoints import followed
from api.events.topics import REDACTIONS
from api.language import half
from api.models_redaction import PickBody, RedactionRequest
from api.pages.keeping import said
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import recordings as routes
from api.routes import redactions
from core.errors import Conflict, HuiyinError

DAYS = (7, 30, 90, 366)


async def show_redactions(
    request: web.Request, message: str = "", status: int = 200, typed: "dict[str, object] | None" = None
) -> web.Response:
    """``typed`` is what somebody asked for that was refused: nothing of it is lost."""
    here, identifier = context(request), routes.path_id(request)
    live = await followed(request, REDACTIONS, identifier)
    async with here.database.read() as session:
        row = await reading.recording(session, signed_in(request), identifier)
        recording = await routes.detail_of(session, row, here.settings)
        transcript = await routes.transcript_of(session, row, here.settings)
        hints = (await redactions.suggestions_of(session, row)).items
        copies = await redactions.copies_of(session, row.id, here.now())
    return render(
        request,
        "redactions.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        typed=typed or {},
        days=DAYS,
        purpose=request.query.get("purpose", "").strip()[:200],
        heard=request.query.get("hear", ""),
        live=live,
        now=here.now(),
        working=sum(each.state == "asked" for each in copies),
        recording=recording,
        transcript=transcript,
        hints=hints,
        copies=copies,
    )


async def do_redact(request: web.Request) -> web.Response:
    identifier, form = routes.path_id(request), await request.post()
    picked = [str(each) for each in form.getall("pick", [])]
    text = {name: str(form.get(name, "")).strip() for name in ("phrases", "reason", "days", "base_version")}
    typed: dict[str, object] = {**text, "picked": picked, "days": int(text["days"]) if text["days"].isdigit() else 30}
    try:
        asked = RedactionRequest.model_validate(
            {**text, "picks": list(_picks(picked)), "phrases": [line for line in text["phrases"].splitlines() if line]}
        )
        await redactions.redact(request, identifier, asked)
    except (ValidationError, ValueError):
        return await show_redactions(request, "请选择要遮盖的内容并写明理由 / pick something and say why", 422, typed)
    except (HuiyinError, Problem) as error:
        return await show_redactions(request, said(error), 422, typed)
    return see_other(f"/recordings/{identifier}/redactions#copies", "已开始制作遮盖副本。")


async def do_again(request: web.Request) -> web.Response:
    identifier = routes.path_id(request)
    try:
        await redactions.make_again(request, identifier)
    except Conflict as error:
        return await show_redactions(request, said(error), 422)
    return see_other(f"/recordings/{identifier}/redactions#copies", "已重新开始制作遮盖副本。")


def _picks(values: Iterable[str]) -> Iterable[PickBody]:
    """``3`` is a sentence, ``3:5:9`` some of its characters; ``ValueError`` for anything else."""
    for value in values:
        turn, *span = (int(part) for part in value.split(":"))
        start, end = span or (None, None)
        yield PickBody(turn=turn, start=start, end=end)


ENDPOINTS = (
    Endpoint("GET", "/recordings/{id}/redactions", "redactions.make", show_redactions),
    Endpoint("POST", "/recordings/{id}/redactions", "redactions.make", do_redact),
    Endpoint("POST", "/recordings/{id}/redactions/{copy}/retry", "redactions.make", do_again),
)
