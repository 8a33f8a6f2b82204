"""保全与处置, its second half: what became eligible, why, and the two decisions about it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint, parse_query
from api.events.endpoints import followed
from api.events.topics import BATCH, SINGLES
from api.keeping import DisposalQuery, DisposalView, KeepRequest, ProposalRequest, batch_view, disposal_view
from api.language import half
from api.pages.keeping import calls_of, said
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import disposals as routes
from api.routes.recordings import path_id
from core.errors import HuiyinError, NotFound
from retention import batches
from retention.disposal import APPROVED, PROPOSED, Disposal, DisposalBatch, approve, confirm, propose, withdraw
from retention.register import explain_recordings, list_batches

SHOWN = 50
SINGLE = "single"
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One disposal and why its recording may go, in the reader's words."""

    disposal: DisposalView
    why: str


async def show_batches(
    request: web.Request, message: str = "", status: int = 200, typed: Mapping[str, Any] | None = None
) -> web.Response:
    states = select(Disposal.state, func.count()).where(Disposal.batch_id.is_(None)).group_by(Disposal.state)
    async with context(request).database.read() as session:
        found = [batch_view(*each) for each in await list_batches(session)]
        single = dict((await session.execute(states)).all())
    return render(
        request,
        "keeping_disposals.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        typed=typed or {},
        batches=found,
        single=single,
    )


async def do_propose(request: web.Request) -> web.Response:
    """One recording by itself: the number of it, or the address of its page, and why it may go."""
    here, form, by = context(request), await request.post(), signed_in(request).name
    typed = {name: str(form.get(name, "")).strip() for name in ("recording", "reason")}
    try:
        found = _IDENTIFIER.search(typed["recording"])
        if found is None:
            raise Problem(422, "请填写录音编号，或粘贴录音页的网址 / give a recording's number, or its page's address")
        asked = ProposalRequest(recording=UUID(found[0]), reason=typed["reason"])
        async with here.database.write() as session:
            await propose(session, here.settings, asked.recording, by=by, reason=asked.reason, now=here.now())
    except NotFound:
        return await show_batches(request, "没有这条录音，请核对编号 / no such recording: check the number", 422, typed)
    except (HuiyinError, Problem, ValueError) as error:
        return await show_batches(request, said(error), 422, typed)
    return see_other(f"{_BATCHES}/{SINGLE}", "已提出处置，等待另一人批准。")


async def show_batch(request: web.Request, message: str = "", status: int = 200) -> web.Response:
    """One night's batch, or what was proposed one by one; ``cursor`` and ``state`` in the address."""
    batch_id = _batch(request)
    live = await followed(request, BATCH if batch_id else SINGLES, batch_id)
    wanted = {name: request.query.get(name, "") for name in ("cursor", "state")}
    asked = parse_query({**wanted, "limit": str(SHOWN)}, DisposalQuery)
    async with context(request).database.read() as session:
        batch, states = await _batch_row(session, batch_id)
        query = select(Disposal).where(Disposal.batch_id == batch_id).order_by(Disposal.id).limit(SHOWN + 1)
        query = query.where(Disposal.state == asked.state) if asked.state else query
        after = routes.after_of(asked)
        found = list(await session.scalars(query.where(Disposal.id > after) if after else query))
        rows, following = found[:SHOWN], routes.next_of(found, SHOWN)
        lines = await _lines(request, session, rows)
    return render(
        request,
        "keeping_batch.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        room=f"/keeping/disposals/{batch_id or SINGLE}",
        batch=batch,
        states=states,
        state=asked.state or "",
        lines=lines,
        calls=await calls_of(request, [row.recording_id for row in rows]),
        following=f"?state={asked.state or ''}&cursor={following}" if following else "",
        live=live,
        now=context(request).now(),
        self_approved=any(row.state == APPROVED and row.approved_by == signed_in(request).name for row in rows),
    )


async def _batch_row(session: AsyncSession, batch_id: UUID | None) -> tuple[DisposalBatch | None, dict[str, int]]:
    batch = await session.get(DisposalBatch, batch_id) if batch_id else None
    if batch_id and batch is None:
        raise NotFound("没有这个批次 / no such batch of disposals", batch=batch_id)
    counted = select(Disposal.state, func.count()).where(Disposal.batch_id == batch_id).group_by(Disposal.state)
    return batch, dict((await session.execute(counted)).all())


async def _lines(request: web.Request, session: AsyncSession, rows: Sequence[Disposal]) -> list[Line]:
    here, english = context(request), request.get(LANGUAGE, "zh") == "en"
    identifiers = [row.recording_id for row in rows]
    found = await explain_recordings(session, here.settings, identifiers, now=here.now())
    lines = []
    for row in rows:
        why = found[row.recording_id].english if english else found[row.recording_id].chinese
        # What was deleted went by the rule of that moment.
        lines.append(Line(disposal_view(row), row.rule[english] if row.rule else why))
    return lines


def _batch(request: web.Request) -> UUID | None:
    return None if request.match_info["id"] == SINGLE else path_id(request)


async def _ticked(request: web.Request, *, whole: bool = False) -> list[UUID]:
    """The recordings that the form ticks; with ``whole``, none where it asks for all.  ``Problem`` 422 for a form that
    says neither: nothing ticked must not mean everything."""
    form = await request.post()
    if whole and form.get("all"):
        return []
    try:
        ticked = [UUID(str(each)) for each in form.getall("recording", [])]
    except ValueError:
        raise Problem(422, "请重新打开本页再选择 / open the page again and choose") from None
    if not ticked:
        raise Problem(422, "请先勾选录音 / tick the recordings first")
    return ticked


async def do_approve(request: web.Request) -> web.Response:
    return await _decide(request, PROPOSED, "已批准 {count} 项处置，等待另一人确认。")


async def do_confirm(request: web.Request) -> web.Response:
    return await _decide(request, APPROVED, "已确认 {count} 项处置，今夜执行。")


async def _decide(request: web.Request, state: str, notice: str) -> web.Response:
    here, batch_id, by = context(request), _batch(request), signed_in(request).name
    try:
        ticked = await _ticked(request, whole=True)
        async with here.database.write() as session:
            if batch_id:
                one = batches.approve_batch if state == PROPOSED else batches.confirm_batch
                count = (await one(session, batch_id, by=by, now=here.now(), only=ticked)).count
            else:
                rows = await _singles(session, state, ticked)
                for row in rows:
                    await (approve if state == PROPOSED else confirm)(session, row.id, by=by, now=here.now())
                count = len(rows)
    except (HuiyinError, Problem) as error:
        return await show_batch(request, said(error), 422)
    return see_other(f"/keeping/disposals/{batch_id or SINGLE}", notice, count=count)


async def _singles(session: AsyncSession, state: str, ticked: Sequence[UUID]) -> list[Disposal]:
    query = select(Disposal).where(Disposal.batch_id.is_(None), Disposal.state == state).order_by(Disposal.id)
    return list(await session.scalars(query.where(Disposal.recording_id.in_(ticked)) if ticked else query))


async def do_keep(request: web.Request) -> web.Response:
    here, form = context(request), await request.post()
    try:
        day = date.fromisoformat(str(form.get("until", "")))
        asked = KeepRequest(recordings=await _ticked(request), reason=str(form.get("reason", "")).strip(), until=day)
        by = signed_in(request).name
        count = await batches.keep(
            here.archive, here.settings, asked.recordings, by=by, reason=asked.reason, until=asked.until
        )
    except (HuiyinError, Problem, ValueError) as error:
        return await show_batch(request, said(error), 422)
    back = f"/keeping/disposals/{request.match_info['id']}"
    return see_other(back, "{count} 条录音继续保存至 {day}。", count=count, day=str(day))


async def do_withdraw(request: web.Request) -> web.Response:
    """Take the ticked disposals back, before their deletion has begun."""
    here, batch_id, form = context(request), _batch(request), await request.post()
    reason, by = str(form.get("reason", "")).strip(), signed_in(request).name
    try:
        ticked = await _ticked(request)
        if not reason:
            raise Problem(422, "撤回须写明理由 / say why it is withdrawn")
        query = select(Disposal.id).where(Disposal.batch_id == batch_id, Disposal.recording_id.in_(ticked))
        async with here.database.write() as session:
            rows = list(await session.scalars(query))
            for identifier in rows:
                await withdraw(session, identifier, by=by, now=here.now(), reason=reason)
    except (HuiyinError, Problem) as error:
        return await show_batch(request, said(error), 422)
    return see_other(f"/keeping/disposals/{batch_id or SINGLE}", "已撤回 {count} 项处置。", count=len(rows))


_BATCHES = "/keeping/disposals"
_ONE = f"{_BATCHES}/{{id}}"
ENDPOINTS = (
    Endpoint("GET", _BATCHES, "disposals.see", show_batches),
    Endpoint("POST", _BATCHES, "disposals.decide", do_propose),
    Endpoint("GET", _ONE, "disposals.see", show_batch),
    Endpoint("POST", f"{_ONE}/approve", "disposals.decide", do_approve),
    Endpoint("POST", f"{_ONE}/confirm", "disposals.decide", do_confirm),
    Endpoint("POST", f"{_ONE}/keep", "disposals.decide", do_keep),
    Endpoint("POST", f"{_ONE}/withdraw", "disposals.decide", do_withdraw),
)
