"""From what happened to deliveries.  The ledger is the outbox: its rows commit with what they tell and in one order, so
reading on from where we were misses nothing and needs nothing from whoever seals.  Alerts, which are no evidence, are
read from their table: the newest state of each is told.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.webhooks.events import ALERT, LEDGER_KINDS, Data, Happened, body, told_by
from api.webhooks.retrying import WAITING
from api.webhooks.tables import Webhook, WebhookCursor, WebhookDelivery
from core.alerts import Alert
from core.ids import new_id
from core.ledger import LedgerHead, LedgerRow

# Rows of the ledger that are read in one transaction; most tell nothing that anybody subscribes to.
AT_ONCE = 1000
_ONE = 1
# Few rows are new and very many are of these kinds: the index on kinds must not be taken.
_TELLING = LedgerRow.kind.concat("").in_(LEDGER_KINDS)


async def is_behind(session: AsyncSession) -> bool:
    """Whether there is anything to gather.  Cheap, and asked all the time."""
    cursor = await session.get(WebhookCursor, _ONE)
    if cursor is None:
        return False
    size = await _size(session)
    if size - cursor.seq >= AT_ONCE:
        return True
    told = exists().where(LedgerRow.seq >= cursor.seq, _TELLING)
    return bool(await session.scalar(select(told))) or await _standing(session) != cursor.alerts


async def gather(session: AsyncSession, now: datetime) -> bool:
    """Make the deliveries of the next rows, in the caller's transaction; whether there may be more."""
    cursor = await session.get(WebhookCursor, _ONE, with_for_update=True)
    if cursor is None:
        return False
    size, first = await _size(session), cursor.seq
    until = min(first + AT_ONCE, size)
    subscribers = list(await session.scalars(select(Webhook).where(Webhook.active)))
    happened = [*await _told(session, first, until), *await _raised(session, cursor, until)]
    session.add_all([each for one in happened for each in _deliveries(one, subscribers, now)])
    cursor.seq = until
    await session.flush()
    return until < size


async def start_here(session: AsyncSession) -> int:
    """The row of the ledger that a new subscriber is told of first; where nobody listened so far, reading begins there
    as well."""
    size = await _size(session)
    if not await session.scalar(select(exists().where(Webhook.active))):
        await session.merge(WebhookCursor(id=_ONE, seq=size, alerts=await _standing(session)))
        await session.flush()
    return size


async def _size(session: AsyncSession) -> int:
    return await session.scalar(select(LedgerHead.size).where(LedgerHead.id == _ONE)) or 0


async def _told(session: AsyncSession, first: int, until: int) -> list[Happened]:
    query = (
        select(LedgerRow.leaf).where(LedgerRow.seq >= first, LedgerRow.seq < until, _TELLING).order_by(LedgerRow.seq)
    )
    return [one for leaf in await session.scalars(query) if (one := told_by(leaf))]


async def _standing(session: AsyncSession) -> dict[str, str]:
    """Since when each alert stands, by its name and who sees it."""
    rows = await session.scalars(select(Alert).where(Alert.cleared_at.is_(None)))
    return {"/".join((row.name, row.process, row.host)): row.since.isoformat() for row in rows}


async def _raised(session: AsyncSession, cursor: WebhookCursor, seq: int) -> list[Happened]:
    standing = await _standing(session)
    new = {key: since for key, since in standing.items() if cursor.alerts.get(key) != since}
    cursor.alerts = standing
    return [
        Happened(ALERT, datetime.fromisoformat(since), {"alert": key.partition("/")[0]}, seq)
        for key, since in sorted(new.items())
    ]


def _deliveries(one: Happened, subscribers: Sequence[Webhook], now: datetime) -> list[WebhookDelivery]:
    message = new_id()
    chosen = [each for each in subscribers if one.event in each.events and one.seq >= each.since_seq]
    return [delivery(each.id, message, one.event, one.at, one.data, now) for each in chosen]


def delivery(webhook_id: UUID, message: UUID, event: str, at: datetime, data: Data, now: datetime) -> WebhookDelivery:
    """A row that waits for its first try."""
    return WebhookDelivery(
        webhook_id=webhook_id,
        message=message,
        event=event,
        body=body(message, event, at, data),
        state=WAITING,
        tries=0,
        next_try_at=now,
        created_at=now,
    )
