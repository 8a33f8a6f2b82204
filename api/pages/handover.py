"""移交: bags of recordings for whoever takes the service over: asked for, written, fetched, signed for."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError

from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint, parse_query
from api.events.endpoints import followed
from api.events.topics import EXPORTS
from api.language import half
from api.models import PageQuery
from api.models_exports import ExportRequest
from api.pages.keeping import said
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import exports, holds
from core.errors import Conflict, HuiyinError


async def show_handovers(request: web.Request, message: str = "", status: int = 200, typed: Any = None) -> web.Response:
    live = await followed(request, EXPORTS)
    asked = parse_query({"cursor": request.query.get("cursor", "")}, PageQuery)
    page = await exports.export_list(request, asked)
    found = page.items
    cases = await holds.all_holds(request) if signed_in(request).may("exports.make") else []
    return render(
        request,
        "handover.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        typed=typed or {},
        exports=found,
        working=sum(each.job in ("queued", "running") for each in found),
        live=live,
        now=context(request).now(),
        following=page.next,
        cases=cases,
        case_names={str(case.id): case.name for case in cases},
    )


async def do_make(request: web.Request) -> web.Response:
    form = {name: str(value).strip() for name, value in (await request.post()).items()}
    try:
        made = await exports.ask_for(request, _wanted(form))
    except ValidationError:
        return await show_handovers(request, "请写明移交范围和目的 / say what is handed over, and what for", 422, form)
    except (HuiyinError, Problem) as error:
        return await show_handovers(request, said(error), 422, form)
    return see_other(f"/handover#export-{made.id}", "已开始制作移交包，共 {count} 条录音。", count=made.recordings)


async def do_again(request: web.Request) -> web.Response:
    try:
        await exports.make_again(request)
    except Conflict as error:
        return await show_handovers(request, said(error), 422)
    return see_other(f"/handover#export-{request.match_info['id']}", "已重新开始制作移交包。")


def _wanted(form: dict[str, str]) -> ExportRequest:
    kind = form.get("kind", "")
    names = {"period": ("from", "to"), "order": ("order",), "case": ("case",)}.get(kind, ())
    scope = {"name" if name in ("order", "case") else name: form[name] for name in names if form.get(name)}
    return ExportRequest.model_validate({"scope": {"kind": kind, **scope}, "purpose": form.get("purpose", "")})


async def do_receipt(request: web.Request) -> web.Response:
    try:
        await exports.take_receipt(request)
    except (HuiyinError, Problem) as error:
        return await show_handovers(request, said(error), 422)
    return see_other(f"/handover#export-{request.match_info['id']}", "回执已登记并封存。")


async def do_purge(request: web.Request) -> web.Response:
    try:
        done = await exports.propose(request)
    except (HuiyinError, Problem) as error:
        return await show_handovers(request, said(error), 422)
    return see_other(
        "/keeping/disposals/single" if done.proposed else f"/handover#export-{request.match_info['id']}",
        "提出处置 {proposed} 条；{refused} 条还不能处置，{already} 条已在处置中。",
        "good" if done.proposed else "warn",
        proposed=done.proposed,
        refused=done.refused,
        already=done.already,
    )


_ONE = "/handover/{id}"
ENDPOINTS = (
    Endpoint("GET", "/handover", "exports.see", show_handovers),
    Endpoint("POST", "/handover", "exports.make", do_make),
    Endpoint("POST", f"{_ONE}/retry", "exports.make", do_again),
    Endpoint("POST", f"{_ONE}/receipt", "exports.take", do_receipt),
    Endpoint("POST", f"{_ONE}/purge", "disposals.decide", do_purge),
)
