"""Disposals: batches of what became eligible, decided by two people; and single ones."""

from collections.abc import Sequence
from uuid import UUID

from aiohttp import web

from api import cursors
from api.context import context, signed_in
from api.endpoint import JSON, Endpoint, answer, read_body, read_query
from api.keeping import (
    BatchList,
    DecisionAnswer,
    DecisionRequest,
    DisposalList,
    DisposalQuery,
    DisposalView,
    KeepRequest,
    PolicyList,
    PolicyRequest,
    PolicyValue,
    ProposalRequest,
    ReleaseRequest,
    RetentionExplanation,
    batch_view,
    disposal_view,
    explanation_view,
)
from api.problems import Problem
from api.routes.recordings import path_id
from api.scope import require_visible
from archive.retrieve import read_object
from core.errors import NotFound
from retention import batches
from retention.disposal import Disposal, approve, confirm, propose, withdraw
from retention.policies import load_policies, set_contract, set_years
from retention.register import explain_recording, list_batches, list_disposals
from retention.rule import Contract

# The name of this list in its cursors.
LIST = "disposals"


async def get_disposals(request: web.Request) -> web.Response:
    asked = read_query(request, DisposalQuery)
    async with context(request).database.read() as session:
        after = after_of(asked)
        rows = await list_disposals(session, batch=asked.batch, state=asked.state, after=after, limit=asked.limit + 1)
    shown = rows[: asked.limit]
    return answer(DisposalList(items=[disposal_view(row) for row in shown], next=next_of(rows, asked.limit)))


def after_of(asked: DisposalQuery) -> UUID | None:
    """The disposal behind which a page begins."""
    return cursors.read_id(asked.cursor, LIST) if asked.cursor else None


def next_of(rows: Sequence[Disposal], limit: int) -> str | None:
    """The cursor of the page behind ``limit`` rows, where there are more."""
    return cursors.write(LIST, rows[limit - 1].id) if len(rows) > limit else None


async def post_disposal(request: web.Request) -> web.Response:
    here, asked = context(request), await read_body(request, ProposalRequest)
    async with here.database.write() as session:
        by = signed_in(request).name
        row = await propose(session, here.settings, asked.recording, by=by, reason=asked.reason, now=here.now())
    return answer(disposal_view(row), status=201)


async def post_approval(request: web.Request) -> web.Response:
    here, identifier = context(request), path_id(request)
    async with here.database.write() as session:
        return answer(disposal_view(await approve(session, identifier, by=signed_in(request).name, now=here.now())))


async def post_confirmation(request: web.Request) -> web.Response:
    here, identifier = context(request), path_id(request)
    async with here.database.write() as session:
        return answer(disposal_view(await confirm(session, identifier, by=signed_in(request).name, now=here.now())))


async def post_withdrawal(request: web.Request) -> web.Response:
    here, identifier = context(request), path_id(request)
    asked = await read_body(request, ReleaseRequest)
    async with here.database.write() as session:
        by = signed_in(request).name
        return answer(disposal_view(await withdraw(session, identifier, by=by, now=here.now(), reason=asked.reason)))


async def get_batches(request: web.Request) -> web.Response:
    async with context(request).database.read() as session:
        return answer(BatchList(items=[batch_view(*each) for each in await list_batches(session)]))


async def post_batch_approval(request: web.Request) -> web.Response:
    here, asked, identifier = context(request), await read_body(request, DecisionRequest), path_id(request)
    async with here.database.write() as session:
        by = signed_in(request).name
        done = await batches.approve_batch(session, identifier, by=by, now=here.now(), only=asked.recordings)
    return answer(DecisionAnswer(count=done.count))


async def post_batch_confirmation(request: web.Request) -> web.Response:
    here, asked, identifier = context(request), await read_body(request, DecisionRequest), path_id(request)
    async with here.database.write() as session:
        by = signed_in(request).name
        done = await batches.confirm_batch(session, identifier, by=by, now=here.now(), only=asked.recordings)
    return answer(DecisionAnswer(count=done.count))


async def post_keep(request: web.Request) -> web.Response:
    here, asked = context(request), await read_body(request, KeepRequest)
    by = signed_in(request).name
    count = await batches.keep(
        here.archive, here.settings, asked.recordings, by=by, reason=asked.reason, until=asked.until
    )
    return answer(DecisionAnswer(count=count))


async def all_policies(request: web.Request) -> PolicyList:
    """What was ever set, and the floor of the settings."""
    here = context(request)
    async with here.database.read() as session:
        found = await load_policies(session, here.settings)
    items = [PolicyValue(effective_from=day, years=years) for day, years in found.years.values]
    for versions in found.contracts.values():
        for day, one in versions.values:
            items.append(
                PolicyValue(
                    effective_from=day,
                    contract=one.name,
                    begins=one.begins,
                    ends=one.ends,
                    years_after=one.years_after,
                )
            )
    return PolicyList(floor=found.floor, items=items)


async def get_policies(request: web.Request) -> web.Response:
    return answer(await all_policies(request))


async def set_policy(request: web.Request, asked: PolicyRequest) -> None:
    """Set the years or a contract; ``Problem`` 422 for neither or both."""
    here, by = context(request), signed_in(request).name
    if (asked.years is None) == (asked.ends is None or not asked.contract):
        raise Problem(422, "years, or contract with ends / 填写年限，或合同及其到期日")
    day, now = asked.effective_from, here.now()
    async with here.database.write() as session:
        if asked.years is not None:
            await set_years(session, here.settings, asked.years, effective_from=day, by=by, now=now)
        elif asked.ends is not None:
            contract = Contract(asked.contract, asked.ends, asked.years_after, asked.begins)
            await set_contract(session, here.settings, contract, effective_from=day, by=by, now=now)


async def post_policy(request: web.Request) -> web.Response:
    await set_policy(request, await read_body(request, PolicyRequest))
    return await get_policies(request)


async def get_explanation(request: web.Request) -> web.Response:
    here, identifier = context(request), path_id(request)
    await require_visible(request, identifier)
    async with here.database.read() as session:
        return answer(explanation_view(await explain_recording(session, here.settings, identifier, now=here.now())))


async def get_certificate(request: web.Request) -> web.Response:
    """The sealed certificate, after its reading is in the ledger; ``NotFound`` before the deletion is done."""
    here, identifier = context(request), path_id(request)
    async with here.database.read() as session:
        row = await session.get(Disposal, identifier)
    if row is None or row.certificate is None:
        raise NotFound("还没有处置证明 / there is no certificate yet", disposal=identifier)
    by = signed_in(request).name
    content = await read_object(here.archive, row.certificate, actor=by, purpose="certificate of disposal")
    name = {"Content-Disposition": f'attachment; filename="certificate-{row.recording_id}.json"'}
    return web.Response(body=content, content_type=JSON, headers=name)


_ROOM = "/api/v1/disposals"
ENDPOINTS = (
    Endpoint("GET", _ROOM, "disposals.see", get_disposals, "处置 / disposals", DisposalQuery, answers=DisposalList),
    Endpoint(
        "POST",
        _ROOM,
        "disposals.decide",
        post_disposal,
        "申请处置一条录音 / propose the disposal of one recording",
        takes=ProposalRequest,
        answers=DisposalView,
        status=201,
    ),
    Endpoint(
        "GET",
        f"{_ROOM}/batches",
        "disposals.see",
        get_batches,
        "到期待审批次 / batches of what became eligible",
        answers=BatchList,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/batches/{{id}}/approve",
        "disposals.decide",
        post_batch_approval,
        "批准处置一批 / approve a batch, or recordings of it",
        takes=DecisionRequest,
        answers=DecisionAnswer,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/batches/{{id}}/confirm",
        "disposals.decide",
        post_batch_confirmation,
        "另一人确认处置一批 / another person confirms a batch",
        takes=DecisionRequest,
        answers=DecisionAnswer,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/keep",
        "disposals.decide",
        post_keep,
        "继续保存 / keep recordings that are in review until a day",
        takes=KeepRequest,
        answers=DecisionAnswer,
    ),
    Endpoint(
        "GET",
        f"{_ROOM}/{{id}}/certificate",
        "disposals.see",
        get_certificate,
        "处置证明 / the sealed certificate of a disposal",
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{id}}/approve",
        "disposals.decide",
        post_approval,
        "批准一项处置 / approve a disposal",
        answers=DisposalView,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{id}}/confirm",
        "disposals.decide",
        post_confirmation,
        "另一人确认一项处置 / another person confirms a disposal",
        answers=DisposalView,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{id}}/withdraw",
        "disposals.decide",
        post_withdrawal,
        "撤回一项处置 / withdraw a disposal that has not begun",
        takes=ReleaseRequest,
        answers=DisposalView,
    ),
    Endpoint(
        "GET",
        "/api/v1/policies",
        "policies.see",
        get_policies,
        "保存期限规定 / what asks for keeping longer, and since when",
        answers=PolicyList,
    ),
    Endpoint(
        "POST",
        "/api/v1/policies",
        "policies.set",
        post_policy,
        "设定保存年限或合同期限 / set the years, or a contract's dates",
        takes=PolicyRequest,
        answers=PolicyList,
    ),
    Endpoint(
        "GET",
        "/api/v1/recordings/{id}/retention",
        "recordings.see",
        get_explanation,
        "保存理由与期限 / why a recording is kept, and until when",
        answers=RetentionExplanation,
    ),
)
