"""我的工作: what waits for whoever asks, in the order of the days by which it is to be done."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from api.access.user import User
from api.context import Context, context, signed_in
from api.endpoint import Endpoint, answer, read_query
from api.masking import mask_text
from api.models_work import SHOWS, WorkItem, WorkKind, WorkPage, WorkQuery
from api.scope import sees_everything, visible
from api.shaping import party
from archive.catalogue import Recording
from workorders import queries
from workorders.callbacks import RETURNED, CallMade, last_day
from workorders.waiting import Allowed, WaitingOrder, waiting_findings, waiting_orders, waiting_texts

SHOWN = 50
# Of each of the other lists; whoever has more begins with these.
MOST = 500


def allowed(here: Context) -> Allowed:
    """What the settings give for acting."""
    settings, now = here.settings, here.now()
    since = now - timedelta(days=settings.callback_window_days)
    return Allowed(
        lambda day: here.in_force.settings_on(day).callback_days,
        settings.timezone,
        since,
        now,
        settings.doubtful_text / 100,
    )


def answers_for(user: User, calls: Sequence[CallMade]) -> bool:
    """Whether an order with these calls is for ``user`` to call: nobody's yet, or his team's."""
    return not calls or sees_everything(user) or calls[-1].team == user.team


async def work_page(request: web.Request, asked: WorkQuery) -> WorkPage:
    """Everything that waits, counted, and the part of it that was asked for."""
    here = context(request)
    within = allowed(here)
    today = within.now.astimezone(within.zone).date()
    async with here.database.read() as session:
        items, more = await _items(session, signed_in(request), within, today)
    items.sort(key=lambda item: (item.until, SHOWS.index(item.kind), item.order, str(item.recording)))
    counts = Counter({"all": len(items), "late": sum(item.late for item in items)})
    counts.update(item.kind for item in items)
    shown = [item for item in items if asked.show in ("all", item.kind) or (asked.show == "late" and item.late)]
    return WorkPage(today=today, items=shown[:SHOWN], counts={name: counts[name] for name in SHOWS}, more=more)


async def _items(session: AsyncSession, user: User, within: Allowed, today: date) -> tuple[list[WorkItem], bool]:
    orders, more = await waiting_orders(session, within)
    texts = await waiting_texts(session, visible(user), within, MOST + 1)
    findings = await waiting_findings(session, visible(user), within.since, MOST + 1)
    questions = await queries.open_questions(session, visible=visible(user), limit=MOST + 1)
    items = [_order_item(each, today) for each in orders if answers_for(user, each.calls)]
    items += [_item(within, "text", row, row.started_at) for row in texts[:MOST]]
    items += [_item(within, "findings", each.recording, each.recording.started_at, each.count)
              for each in findings[:MOST]]  # fmt: skip
    items += [_item(within, "link", each.recording, each.question.asked_at, reason=each.question.reason)
              for each in questions[:MOST]]  # fmt: skip
    return items, more or any(len(each) > MOST for each in (texts, findings, questions))


def _order_item(waiting: WaitingOrder, today: date) -> WorkItem:
    judged = waiting.standing
    return WorkItem(
        kind="returned" if judged.stage == RETURNED else "due",
        reason=judged.reason,
        until=judged.until,
        late=judged.late(today),
        order=waiting.number,
        title=mask_text(waiting.title),
        unit=waiting.unit,
        calls=len(waiting.calls),
        recording=waiting.calls[-1].recording_id if waiting.calls else None,
    )


def _item(
    within: Allowed, kind: WorkKind, row: Recording, since: datetime, count: int = 0, reason: str = ""
) -> WorkItem:
    until = last_day(since, within.days, within.zone)
    return WorkItem(
        kind=kind,
        reason=reason or kind,
        until=until,
        late=within.now.astimezone(within.zone).date() > until,
        recording=row.id,
        started_at=row.started_at,
        citizen=party(row.citizen_number, row.citizen_name),
        count=count,
    )


async def get_work(request: web.Request) -> web.Response:
    return answer(await work_page(request, read_query(request, WorkQuery)))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/work",
        "work.see",
        get_work,
        "我的工作：待回访、退回、待采纳、待核对、待关联 / what waits for whoever asks",
        query=WorkQuery,
        answers=WorkPage,
    ),
)
