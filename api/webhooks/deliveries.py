"""Deliveries as the sender and the pages handle them: which are due, what becomes of one after a try, which are old."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.webhooks.retrying import DELIVERED, FAILED, GONE, WAITING, after, judge
from api.webhooks.sending import Tried
from api.webhooks.tables import GONE as STOPPED_GONE
from api.webhooks.tables import Webhook, WebhookDelivery
from core import ledger

SYSTEM = "system"


async def who_is_due(session: AsyncSession, now: datetime) -> Sequence[UUID]:
    """The subscribers, switched on, for whom a try is due."""
    due = WebhookDelivery.state == WAITING, WebhookDelivery.next_try_at <= now
    query = select(WebhookDelivery.webhook_id).where(*due).distinct()
    return list(await session.scalars(query.join(Webhook).where(Webhook.active)))


async def due_for(session: AsyncSession, webhook_id: UUID, now: datetime, *, limit: int) -> Sequence[WebhookDelivery]:
    """The subscriber's next tries, the longest due first."""
    due = WebhookDelivery.state == WAITING, WebhookDelivery.next_try_at <= now
    order = WebhookDelivery.next_try_at, WebhookDelivery.id
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id, *due).order_by(*order)
    return list(await session.scalars(query.limit(limit)))


async def record_try(session: AsyncSession, delivery_id: UUID, tried: Tried, *, now: datetime, chance: float) -> None:
    """Write down how a try ended.  One that was removed or sent again meanwhile keeps what it says now."""
    found = await session.get(WebhookDelivery, delivery_id)
    if found is None:
        return
    webhook = await session.get(Webhook, found.webhook_id, with_for_update=True)
    row = await session.get(WebhookDelivery, delivery_id, with_for_update=True, populate_existing=True)
    if row is None or webhook is None:
        return
    row.tries += 1
    following = after(row.tries, tried.status, now, chance=chance, asked=tried.asked)
    row.state, row.next_try_at, row.tried_at = following.state, following.at, now
    row.status, row.outcome, row.answer = tried.status, tried.outcome, tried.answer
    if judge(tried.status) == GONE and webhook.active:
        webhook.active, webhook.stopped = False, STOPPED_GONE
        entry = ledger.Entry("webhook switched off", SYSTEM, str(webhook.id), {"why": "410"})
        await ledger.append(session, entry, now)


async def newest(
    session: AsyncSession, webhook_id: UUID, *, limit: int, before: UUID | None = None, state: str | None = None
) -> Sequence[WebhookDelivery]:
    """The subscriber's deliveries, the newest first."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    return list(await session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)))


async def counts(session: AsyncSession) -> Mapping[UUID, Mapping[str, int]]:
    """How many deliveries of each subscriber are in which state."""
    columns = WebhookDelivery.webhook_id, WebhookDelivery.state
    found: dict[UUID, dict[str, int]] = {}
    for webhook_id, state, count in await session.execute(select(*columns, func.count()).group_by(*columns)):
        found.setdefault(webhook_id, {})[state] = count
    return found


async def failing(session: AsyncSession) -> int:
    """How many subscribers, switched on, were given up on and have taken nothing since."""
    state, tried_at = WebhookDelivery.state, WebhookDelivery.tried_at
    failed, taken = (func.max(case((state == each, tried_at))) for each in (FAILED, DELIVERED))
    lately = select(WebhookDelivery.webhook_id).group_by(WebhookDelivery.webhook_id)
    lately = lately.having(failed.is_not(None), or_(taken.is_(None), taken < failed))
    query = select(func.count()).select_from(Webhook).where(Webhook.active, Webhook.id.in_(lately))
    return await session.scalar(query) or 0


async def prune(session: AsyncSession, now: datetime, *, days: int) -> None:
    """Forget what was told long ago, or waits for a subscriber that was switched off so long."""
    await session.execute(delete(WebhookDelivery).where(WebhookDelivery.created_at < now - timedelta(days=days)))
