"""The timeline of a work order: its dates, its calls with their text and materials, and where it stands."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.access.user import User
from api.context import Context, context, signed_in
from api.endpoint import Endpoint, answer
from api.masking import mask_text
from api.models_work import OrderTimeline, TimelineCall, TimelineStep, TimelineTurn
from api.routes.orders import order_with_calls
from api.routes.work import allowed, answers_for
from api.shaping import finding_view, party
from archive.catalogue import Recording, StoredObject, TurnRow
from workorders import queries
from workorders.callbacks import Standing, standing
from workorders.orders import ANSWERS, Finding, LinkQuestion, WorkOrder
from workorders.timeline import CALL, timeline
from workorders.waiting import calls_of


async def order_timeline(request: web.Request, number: str) -> OrderTimeline:
    """The timeline without the calls of other teams; ``NotFound`` for an unknown number."""
    here, user = context(request), signed_in(request)
    async with here.database.read() as session:
        return await story_of(session, here, user, *await order_with_calls(session, user, number))


async def story_of(
    session: AsyncSession, here: Context, user: User, order: WorkOrder, linked: Sequence[queries.LinkedRecording]
) -> OrderTimeline:
    """As ``order_timeline``, of an order and those of its calls that ``user`` may know of."""
    identifiers = [each.recording.id for each in linked]
    asked = await session.scalars(select(LinkQuestion).where(LinkQuestion.recording_id.in_(identifiers)))
    steps = timeline(order, linked, list(asked))
    calls = await _calls(session, [each.recording for each in linked])
    judged = await _standing(session, here, user, order)
    return OrderTimeline(
        number=order.number,
        stage=judged.stage if judged else "",
        reason=judged.reason if judged else "",
        until=judged.until if judged else None,
        late=judged is not None and judged.late(here.now().astimezone(here.settings.timezone).date()),
        steps=[
            TimelineStep(
                at=step.at,
                kind=step.kind,
                by=step.by,
                said=step.said,
                recording=step.recording_id,
                call=calls[step.recording_id] if step.kind == CALL and step.recording_id else None,
            )
            for step in steps
        ],
    )


async def _standing(session: AsyncSession, here: Context, user: User, order: WorkOrder) -> Standing | None:
    """Where the order stands by everybody's calls; nothing of what another team was told."""
    if order.closed_at is None:
        return None
    made = (await calls_of(session, [order.number])).get(order.number, [])
    since = [call for call in made if call.started_at >= order.closed_at]
    if not answers_for(user, since):
        return None
    within = allowed(here)
    return standing(order.closed_at, order.status, since, days=within.days, zone=within.zone)


async def _calls(session: AsyncSession, recordings: Sequence[Recording]) -> Mapping[UUID, TimelineCall]:
    identifiers = [row.id for row in recordings]
    findings: dict[UUID, list[Finding]] = defaultdict(list)
    for finding in await session.scalars(select(Finding).where(Finding.recording_id.in_(identifiers))):
        findings[finding.recording_id].append(finding)
    turns: dict[UUID, list[TurnRow]] = defaultdict(list)
    spoken = select(TurnRow).where(TurnRow.recording_id.in_(identifiers)).order_by(TurnRow.ordinal)
    for turn in await session.scalars(spoken):
        turns[turn.recording_id].append(turn)
    kinds = select(StoredObject.recording_id, StoredObject.kind).where(StoredObject.recording_id.in_(identifiers))
    materials: dict[UUID | None, Counter[str]] = defaultdict(Counter)
    for identifier, kind in await session.execute(kinds):
        materials[identifier][kind] += 1
    return {row.id: _call(row, findings[row.id], turns[row.id], materials[row.id]) for row in recordings}


def _call(
    row: Recording, findings: Sequence[Finding], turns: Sequence[TurnRow], materials: Mapping[str, int]
) -> TimelineCall:
    places = list(ANSWERS)
    said = [TimelineTurn(ordinal=turn.ordinal, start_ms=turn.start_ms, party=turn.party, text=mask_text(turn.text))
            for turn in turns]  # fmt: skip
    return TimelineCall(
        recording=row.id,
        duration_ms=row.duration_ms,
        agent=party(row.agent_number, row.agent_name),
        text_state=row.text_state,
        findings=[finding_view(each) for each in sorted(findings, key=lambda each: places.index(each.question))],
        turns=said,
        materials=dict(sorted(materials.items())),
    )


async def get_timeline(request: web.Request) -> web.Response:
    return answer(await order_timeline(request, request.match_info["number"]))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/work-orders/{number:.+}/timeline",
        "orders.see",
        get_timeline,
        "一个工单的经过 / what happened to a work order",
        answers=OrderTimeline,
    ),
)
