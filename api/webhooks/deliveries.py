"""Deliveries as the sender and the pages handle them: which are due, what becomes of one after a try, which are old."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.webhooks.retrying import DELIVERED, FAILED, GONE, WAITING, after, judge
from api.webhooks.sending import Tried
from api.webhooks.tables import GONE as STOPPED_GONE
from api.webhooks.tables import Webhook, WebhookDelivery
from core import ledger

SYSTEM = "system"


async def who_is_due(session: AsyncSession, now: datetime) -> Sequence[UUID]:
    """The subscribers, switched on, for whom a try is due."""
    waiting = exists().where(WebhookDelivery.webhook_id == Webhook.id, *_due(now))
    return list(await session.scalars(select(Webhook.id).where(Webhook.active, waiting)))


async def due_for(session: AsyncSession, webhook_id: UUID, now: datetime, *, limit: int) -> Sequence[WebhookDelivery]:
    """The subscriber's next tries, the longest due first."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id, *_due(now))
    return list(await session.scalars(query.order_by(WebhookDelivery.next_try_at).limit(limit)))


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return WebhookDelivery.state == WAITING, WebhookDelivery.next_try_at <= now


async def record_try(
    session: AsyncSession, webhook_id: UUID, message: UUID, tried: Tried, *, now: datetime, chance: float
) -> None:
    """Write down how a try ended, unless the message was removed meanwhile."""
    webhook = await session.get(Webhook, webhook_id, with_for_update=True)
    row = await session.get(WebhookDelivery, (webhook_id, message), with_for_update=True)
    if row is None or webhook is None:
        return
    row.tries += 1
    following = after(row.tries, tried.status, now, chance=chance, asked=tried.asked)
    row.state, row.next_try_at, row.tried_at = following.state, following.at, now
    row.status, row.outcome, row.answer = tried.status, tried.outcome, tried.answer
    if row.state == DELIVERED:
        webhook.delivered_at = now
    elif row.state == FAILED:
        webhook.given_up_at = now
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
        query = query.where(WebhookDelivery.message < before)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    return list(await session.scalars(query.order_by(WebhookDelivery.message.desc()).limit(limit)))


async def counts(session: AsyncSession) -> Mapping[UUID, Mapping[str, int]]:
    """How many messages wait for each subscriber, and how many were given up; what was taken is not counted."""
    columns = WebhookDelivery.webhook_id, WebhookDelivery.state
    standing = WebhookDelivery.webhook_id.in_(select(Webhook.id)), WebhookDelivery.state.in_((WAITING, FAILED))
    found: dict[UUID, dict[str, int]] = {}
    for webhook_id, state, count in await session.execute(
        select(*columns, func.count()).where(*standing).group_by(*columns)
    ):
        found.setdefault(webhook_id, {})[state] = count
    return found


async def failing(session: AsyncSession) -> int:
    """How many subscribers, switched on, were given up on and have taken nothing since."""
    nothing_since = or_(Webhook.delivered_at.is_(None), Webhook.delivered_at < Webhook.given_up_at)
    query = select(func.count()).select_from(Webhook).where(Webhook.active, nothing_since)
    return await session.scalar(query.where(Webhook.given_up_at.is_not(None))) or 0


async def prune(session: AsyncSession, now: datetime, *, days: int) -> None:
    """Forget what was told long ago, or waits for a subscriber that was switched off so long."""
    await session.execute(delete(WebhookDelivery).where(WebhookDelivery.created_at < now - timedelta(days=days)))
