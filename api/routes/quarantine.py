"""The files that could not be taken in, and what the system administrator decides about them."""

import asyncio

from aiohttp import web

from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.intake import quarantine
from api.intake.deciding import remove, try_again
from api.intake.facts import FinishedCall
from api.intake.quarantine import Quarantined
from api.intake.taking import Unusable
from api.models import Done
from api.models_uploads import QuarantinedView, QuarantineList, QuarantineRemoval, QuarantineRetry, UploadAnswer
from api.problems import Problem
from api.routes.uploads import upload_answer


async def quarantined(request: web.Request) -> list[QuarantinedView]:
    """Everything in quarantine, newest first."""
    found = await asyncio.to_thread(quarantine.listed, context(request).settings)
    return [_view(each) for each in found]


async def admit(request: web.Request, call: FinishedCall | None) -> UploadAnswer:
    """Try the file in the address again; a ``Problem`` 422 when it cannot be decoded now either."""
    here = context(request)
    name, by = request.match_info["name"], signed_in(request).name
    try:
        return upload_answer(await try_again(here.archive, here.settings, name, by=by, call=call))
    except Unusable as error:
        raise Problem(422, str(error)) from None


async def discard(request: web.Request, reason: str) -> None:
    """Remove the file in the address for good."""
    here = context(request)
    await remove(here.archive, here.settings, request.match_info["name"], by=signed_in(request).name, reason=reason)


def _view(found: Quarantined) -> QuarantinedView:
    return QuarantinedView(
        name=found.name,
        sha256=found.sha256,
        size=found.size,
        reason=found.reason,
        at=found.at,
        by=found.by,
        call_id=found.call_id,
    )


async def get_quarantine(request: web.Request) -> web.Response:
    return answer(QuarantineList(items=await quarantined(request)))


async def post_retry(request: web.Request) -> web.Response:
    return answer(await admit(request, (await read_body(request, QuarantineRetry)).metadata))


async def post_removal(request: web.Request) -> web.Response:
    await discard(request, (await read_body(request, QuarantineRemoval)).reason)
    return answer(Done())


_ROOM = "/api/v1/quarantine"
ENDPOINTS = (
    Endpoint(
        "GET",
        _ROOM,
        "quarantine.see",
        get_quarantine,
        "未能收取的文件 / files that could not be taken in",
        answers=QuarantineList,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{name}}/retry",
        "quarantine.decide",
        post_retry,
        "重新收取，可补正通话信息 / take a file in after all, perhaps with better facts",
        takes=QuarantineRetry,
        answers=UploadAnswer,
    ),
    Endpoint(
        "POST",
        f"{_ROOM}/{{name}}/remove",
        "quarantine.decide",
        post_removal,
        "删除，写明原因 / remove a file for good, with a reason",
        takes=QuarantineRemoval,
        answers=Done,
    ),
)
