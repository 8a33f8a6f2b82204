"""Numbers and names in full, of one recording or one order: asked with a purpose, in the ledger before the answer."""

from uuid import UUID

from aiohttp import web

from api import reading
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body
from api.masking import mask_text
from api.models import PartyView
from api.models_access import RevealedOrder, RevealedRecording, RevealRequest
from api.routes.recordings import path_id
from api.scope import require_callers_team
from core import ledger
from core.errors import NotFound
from workorders import queries


async def reveal_recording(request: web.Request, identifier: UUID, purpose: str) -> RevealedRecording:
    """Both parties of a recording; ``NotFound`` where it is another team's."""
    async with context(request).database.read() as session:
        row = await reading.recording(session, signed_in(request), identifier)
    await _record(request, str(identifier), "parties of a recording", purpose)
    return RevealedRecording(
        agent=PartyView(number=row.agent_number, name=row.agent_name),
        citizen=PartyView(number=row.citizen_number, name=row.citizen_name),
    )


async def reveal_order(request: web.Request, number: str, purpose: str) -> RevealedOrder:
    """The caller of an order and its text as it was imported; ``Refused`` where only other teams called it."""
    async with context(request).database.read() as session:
        row = await queries.order(session, number)
        if row is None:
            raise NotFound("no such work order", number=number)
        await require_callers_team(session, signed_in(request), row.number)
    await _record(request, row.number, "caller and text of an order", purpose)
    return RevealedOrder(
        caller=PartyView(number=row.caller_phone, name=row.caller),
        title=row.title,
        content=row.content,
        result=row.result,
        reply=row.reply,
    )


async def _record(request: web.Request, subject: str, what: str, purpose: str) -> None:
    """The ledger's row is committed when this returns.  A purpose may quote a number: it is masked."""
    here = context(request)
    entry = ledger.Entry(
        "revealed", signed_in(request).name, subject[:120], {"what": what, "purpose": mask_text(purpose)}
    )
    async with here.database.write() as session:
        await ledger.append(session, entry, here.now())


async def post_recording(request: web.Request) -> web.Response:
    asked = await read_body(request, RevealRequest)
    return answer(await reveal_recording(request, path_id(request), asked.purpose))


async def post_order(request: web.Request) -> web.Response:
    asked = await read_body(request, RevealRequest)
    return answer(await reveal_order(request, request.match_info["number"], asked.purpose))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/recordings/{id}/reveal",
        "people.reveal",
        post_recording,
        "显示双方完整号码和姓名（先写台账） / numbers and names in full; the ledger row is written first",
        takes=RevealRequest,
        answers=RevealedRecording,
        reads=True,
    ),
    Endpoint(
        "POST",
        "/api/v1/work-orders/{number:.+}/reveal",
        "people.reveal",
        post_order,
        "显示工单来电人和原文（先写台账） / caller and text in full; the ledger row is written first",
        takes=RevealRequest,
        answers=RevealedOrder,
        reads=True,
    ),
)
