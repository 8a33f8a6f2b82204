"""What a system administrator does with subscribers.  Each step is a row of the ledger with the host and never the rest
of the address, which may hold somebody's key; each runs in the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.webhooks.addresses import Reach, parse_url
from api.webhooks.events import EVENTS, TEST
from api.webhooks.gathering import delivery, start_here
from api.webhooks.retrying import WAITING
from api.webhooks.signing import new_secret
from api.webhooks.tables import BY_PERSON, Webhook, WebhookDelivery
from core import ledger
from core.errors import Conflict, NotFound, Refused
from core.ids import new_id
from core.sealed_secrets import SecretBox

# How long the old secret signs too, so that a subscriber can change over in peace.
OLD_SECRET_SIGNS = timedelta(hours=24)
MOST = 50


@dataclass(frozen=True)
class Wish:
    """A subscriber as it is to be."""

    label: str
    url: str
    events: Sequence[str]


def purpose(webhook_id: UUID) -> str:
    """Whose secret it is, for the seal."""
    return f"webhook {webhook_id}"


async def subscriber(session: AsyncSession, webhook_id: UUID, *, lock: bool = True) -> Webhook:
    """One subscriber; ``NotFound`` otherwise."""
    row = await session.get(Webhook, webhook_id, with_for_update=lock)
    if row is None:
        raise NotFound("没有这个推送地址 / no such webhook", webhook=webhook_id)
    return row


async def subscribers(session: AsyncSession) -> Sequence[Webhook]:
    """All of them, in the order of their adding."""
    return list(await session.scalars(select(Webhook).order_by(Webhook.id)))


async def add(
    session: AsyncSession, box: SecretBox, wish: Wish, reach: Reach, *, by: str, now: datetime
) -> tuple[Webhook, bytes]:
    """Add one; the secret is returned here and can be shown once."""
    _require(wish, reach)
    if (await session.scalar(select(func.count()).select_from(Webhook)) or 0) >= MOST:
        raise Conflict("推送地址太多，请先删除不用的 / too many webhooks: delete one that is not used", most=MOST)
    secret, identifier = new_secret(), new_id(now)
    row = Webhook(
        id=identifier,
        label=wish.label,
        url=wish.url,
        events=_sorted(wish.events),
        active=True,
        since_seq=0,
        secret=box.seal(secret, purpose(identifier)),
        created_at=now,
        created_by=by,
    )
    # The ledger's row comes first: it holds the ledger still, so that what follows it is what the subscriber is told.
    await _record(session, "webhook added", row, by, now)
    row.since_seq = await start_here(session)
    session.add(row)
    await session.flush()
    return row, secret


async def change(session: AsyncSession, webhook_id: UUID, wish: Wish, reach: Reach, *, by: str, now: datetime) -> None:
    """Another name, address or choice of events; messages that wait go to the new address."""
    _require(wish, reach)
    row = await subscriber(session, webhook_id)
    row.label, row.url, row.events = wish.label, wish.url, _sorted(wish.events)
    await _record(session, "webhook changed", row, by, now)


async def switch(session: AsyncSession, webhook_id: UUID, active: bool, *, by: str, now: datetime) -> None:
    """Off: what waits stays, and what happens meanwhile is not told.  On: from here on."""
    row = await subscriber(session, webhook_id)
    if row.active == active:
        return
    await _record(session, "webhook switched on" if active else "webhook switched off", row, by, now)
    if active:
        row.since_seq = await start_here(session)
    row.active, row.stopped = active, "" if active else BY_PERSON


async def renew_secret(session: AsyncSession, box: SecretBox, webhook_id: UUID, *, by: str, now: datetime) -> bytes:
    """A new secret, returned once; the old one signs too for a day, and the one before that no more."""
    row, secret = await subscriber(session, webhook_id), new_secret()
    row.old_secret, row.old_until = row.secret, now + OLD_SECRET_SIGNS
    row.secret = box.seal(secret, purpose(webhook_id))
    await _record(session, "webhook secret renewed", row, by, now)
    return secret


async def remove(session: AsyncSession, webhook_id: UUID, *, by: str, now: datetime) -> None:
    """The subscriber and what it was told."""
    row = await subscriber(session, webhook_id)
    await session.execute(delete(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id))
    await session.delete(row)
    await _record(session, "webhook removed", row, by, now)


async def send_test(session: AsyncSession, webhook_id: UUID, *, now: datetime) -> WebhookDelivery:
    """Let a message go out that tells nothing; ``Conflict`` while the subscriber is switched off."""
    await _switched_on(session, webhook_id)
    row = delivery(webhook_id, new_id(), TEST, now, {}, now)
    session.add(row)
    await session.flush()
    return row


async def send_again(session: AsyncSession, webhook_id: UUID, message: UUID, *, now: datetime) -> WebhookDelivery:
    """Send a message again from its first try on, under the same identifier."""
    await _switched_on(session, webhook_id)
    row = await session.get(WebhookDelivery, (webhook_id, message), with_for_update=True)
    if row is None:
        raise NotFound("没有这条推送 / no such delivery", delivery=message)
    row.state, row.tries, row.next_try_at = WAITING, 0, now
    return row


async def _switched_on(session: AsyncSession, webhook_id: UUID) -> None:
    if not (await subscriber(session, webhook_id)).active:
        raise Conflict("推送已停用，请先启用 / the webhook is switched off: switch it on first", webhook=webhook_id)


def secrets_in_force(row: Webhook, box: SecretBox, now: datetime) -> list[bytes]:
    """The secrets that sign now, the newest first."""
    sealed = [row.secret]
    if row.old_secret and row.old_until is not None and now < row.old_until:
        sealed.append(row.old_secret)
    return [box.unseal(each, purpose(row.id)) for each in sealed]


def _require(wish: Wish, reach: Reach) -> None:
    try:
        parse_url(wish.url, reach)
    except ValueError as error:
        raise Refused(str(error)) from None
    if unknown := sorted(set(wish.events) - set(EVENTS)):
        raise Refused("没有这种事件 / no such event", found=unknown[0], expected=", ".join(EVENTS))
    if not wish.events:
        raise Refused("请至少选择一种事件 / choose at least one event")


def _sorted(events: Sequence[str]) -> list[str]:
    return [each for each in EVENTS if each in events]


async def _record(session: AsyncSession, kind: str, row: Webhook, by: str, now: datetime) -> None:
    facts = {"host": urlsplit(row.url).hostname, "events": list(row.events)}
    await ledger.append(session, ledger.Entry(kind, by, str(row.id), facts), now)
