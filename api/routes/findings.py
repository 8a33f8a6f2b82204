"""A person accepts or changes what the rules read from a dialogue."""

from aiohttp import web

from api import reading
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.models import FindingDecision, FindingView
from api.problems import Problem
from api.routes.recordings import path_id
from api.shaping import finding_view
from workorders.findings import decide_finding
from workorders.orders import ANSWERS


async def decide(request: web.Request, wanted: str) -> FindingView:
    """Record the answer; a ``Problem`` 422 when the question cannot have it."""
    here, identifier = context(request), path_id(request)
    async with here.database.write() as session:
        before = await reading.finding(session, signed_in(request), identifier)
        if wanted not in ANSWERS.get(before.question, ()):
            expected = ", ".join(ANSWERS.get(before.question, ()))
            raise Problem(422, f"answer: expected one of {expected}")
        await decide_finding(session, identifier, wanted, by=signed_in(request).name, now=here.now())
        await session.flush()
        return finding_view(await reading.finding(session, signed_in(request), identifier))


async def post_finding(request: web.Request) -> web.Response:
    asked = await read_body(request, FindingDecision)
    return answer(await decide(request, asked.answer))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/findings/{id}",
        "findings.decide",
        post_finding,
        "采纳或更改一项回访结论 / accept or change a finding",
        takes=FindingDecision,
        answers=FindingView,
    ),
)
