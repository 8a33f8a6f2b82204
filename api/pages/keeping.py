"""保全与处置, its first half: cases that hold recordings, and the policies that say how long all are kept."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web
from sqlalchemy import select

from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint, parse_query
from api.events.endpoints import followed
from api.events.topics import HOLD
from api.keeping import HoldQuery, HoldRequest, HoldView, PolicyRequest, ReleaseRequest
from api.language import half
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import disposals, holds
from api.routes.recordings import path_id
from archive.catalogue import Recording
from core.errors import HuiyinError
from retention.holds import HELD, LET_GO, RELEASED, TOO_LATE

SHOWN = 100
PLACED = "已设立保全“{name}”。范围内的录音从现在起不会被删除，正在逐条列入。"
_SPLIT = re.compile(r"[\s,;\uff0c\uff1b\u3001]+")


async def show_holds(request: web.Request, message: str = "", status: int = 200, typed: Any = None) -> web.Response:
    found = await holds.all_holds(request)
    return render(
        request,
        "keeping_holds.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        typed=typed or {},
        cases=[case for case in found if case.state != "released"],
        released=[case for case in found if case.state == "released"],
    )


async def do_place(request: web.Request) -> web.Response:
    form = {name: str(value).strip() for name, value in (await request.post()).items() if isinstance(value, str)}
    try:
        case = await holds.place_hold(request, _wanted(form))
    except (HuiyinError, ValueError) as error:
        return await show_holds(request, said(error), 422, form)
    return see_other(f"/keeping/holds/{case.id}", PLACED, name=case.name)


def _wanted(form: dict[str, str]) -> HoldRequest:
    lists = {name: [each for each in _SPLIT.split(form.get(name, "")) if each] for name in ("orders", "persons")}
    plain = {name: form[name] for name in ("name", "reason", "from", "to") if form.get(name)}
    return HoldRequest.model_validate({**plain, **lists})


def held_now(counts: dict[str, int]) -> int:
    """How many recordings a case holds."""
    return counts.get("held", 0) + counts.get("holding", 0)


def said(error: Exception) -> str:
    """What was wrong with a form, for whoever filled it in."""
    if isinstance(error, HuiyinError):
        return error.message
    return error.detail if isinstance(error, Problem) else "请核对填写的内容 / check what was filled in"


async def show_hold(request: web.Request, message: str = "", status: int = 200) -> web.Response:
    """One case and its recordings; ``cursor`` in the address leads on."""
    cursor = parse_query({"cursor": request.query.get("cursor", "")}, HoldQuery).cursor
    live = await followed(request, HOLD, path_id(request))
    case = await holds.one_hold(request, path_id(request))
    async with context(request).database.read() as session:
        members, following = await holds.members_page(session, case.id, cursor, SHOWN)
    calls = await calls_of(request, [each.recording_id for each in members])
    return render(
        request,
        "keeping_hold.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        case=case,
        count=held_now(case.recordings),
        members=members,
        calls=calls,
        following=f"?cursor={following}" if following else "",
        own=case.asked_by == signed_in(request).name,
        progress=progress_of(case),
        live=live,
        now=context(request).now(),
    )


@dataclass(frozen=True)
class Progress:
    """How many of a case's recordings are done with, ``of`` how many (0: nobody knows yet)."""

    done: int
    of: int


def progress_of(case: HoldView) -> Progress:
    """How far the work of a case is.  Before all have joined, the recordings that it lists tell how many they will be;
    how many its other criteria find is known only then."""
    counts = case.recordings
    if case.state == RELEASED:
        return Progress(counts.get(LET_GO, 0) + counts.get(TOO_LATE, 0), sum(counts.values()))
    searched = bool(case.orders or case.persons or case.since or case.to)
    expected = 0 if searched else case.listed
    of = sum(counts.values()) if case.applied_at else expected
    return Progress(counts.get(HELD, 0) + counts.get(TOO_LATE, 0), of)


async def calls_of(request: web.Request, identifiers: Sequence[UUID]) -> dict[UUID, Recording]:
    """The catalogue's rows, for when a call was and how long; keepers see every team's."""
    async with context(request).database.read() as session:
        rows = await session.scalars(select(Recording).where(Recording.id.in_(identifiers)))
        return {row.id: row for row in rows}


async def do_ask(request: web.Request) -> web.Response:
    form = await request.post()
    try:
        await holds.ask(request, ReleaseRequest(reason=str(form.get("reason", "")).strip()))
    except (HuiyinError, ValueError) as error:
        return await show_hold(request, said(error), 422)
    return see_other(f"/keeping/holds/{path_id(request)}", "已申请解除，等待另一人确认。")


async def do_withdraw(request: web.Request) -> web.Response:
    try:
        await holds.take_back(request)
    except HuiyinError as error:
        return await show_hold(request, said(error), 422)
    return see_other(f"/keeping/holds/{path_id(request)}", "已撤回申请，保全照旧。")


async def do_confirm(request: web.Request) -> web.Response:
    try:
        await holds.release(request)
    except HuiyinError as error:
        return await show_hold(request, said(error), 422)
    return see_other(
        f"/keeping/holds/{path_id(request)}", "案件已解除，正在逐条解除。没有其他案件的录音，恢复按保存期限管理。"
    )


async def do_go_on(request: web.Request) -> web.Response:
    try:
        await holds.go_on(request)
    except HuiyinError as error:
        return await show_hold(request, said(error), 422)
    return see_other(f"/keeping/holds/{path_id(request)}", "已重新排队，接着处理余下的录音。")


async def show_policies(request: web.Request, message: str = "", status: int = 200, typed: Any = None) -> web.Response:
    here = context(request)
    found = await disposals.all_policies(request)
    return render(
        request,
        "keeping_policies.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        typed=typed or {},
        floor=found.floor,
        policies=sorted(found.items, key=lambda each: each.effective_from, reverse=True),
        today=here.now().astimezone(here.settings.timezone).date(),
    )


async def do_policy(request: web.Request) -> web.Response:
    form = {name: str(value).strip() for name, value in (await request.post()).items()}
    try:
        asked = PolicyRequest.model_validate(
            {name: form[name] for name in PolicyRequest.model_fields if form.get(name)}
        )
        await disposals.set_policy(request, asked)
    except (HuiyinError, Problem, ValueError) as error:
        return await show_policies(request, said(error), 422, form)
    return see_other("/keeping/policies", "已设定。到生效之日起适用，已定的保存期限只延长、不缩短。")


_ONE = "/keeping/holds/{id}"
ENDPOINTS = (
    Endpoint("GET", "/keeping", "holds.see", show_holds),
    Endpoint("POST", "/keeping/holds", "holds.decide", do_place),
    Endpoint("GET", _ONE, "holds.see", show_hold),
    Endpoint("POST", f"{_ONE}/release", "holds.decide", do_ask),
    Endpoint("POST", f"{_ONE}/release/withdraw", "holds.decide", do_withdraw),
    Endpoint("POST", f"{_ONE}/release/confirm", "holds.decide", do_confirm),
    Endpoint("POST", f"{_ONE}/retry", "holds.decide", do_go_on),
    Endpoint("GET", "/keeping/policies", "policies.see", show_policies),
    Endpoint("POST", "/keeping/policies", "policies.set", do_policy),
)
