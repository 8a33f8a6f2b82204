"""Sends what is due: a lane for each subscriber, so that one that hangs delays nobody else.

A try is committed after its answer, so a process that dies in between sends the same message again, under the same
identifier: at least once.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from api.webhooks.deliveries import due_for, prune, record_try, who_is_due
from api.webhooks.gathering import gather, is_behind
from api.webhooks.retrying import OK, judge
from api.webhooks.sending import Post, Tried
from api.webhooks.signing import headers
from api.webhooks.subscribers import secrets_in_force
from api.webhooks.tables import Webhook, WebhookDelivery
from core.clock import Clock
from core.database import Database
from core.errors import HuiyinError
from core.sealed_secrets import SecretBox

log = logging.getLogger(__name__)

# Messages to one subscriber that are under way together.
ABREAST = 4
PRUNED_EVERY = timedelta(hours=1)


@dataclass
class Sender:
    """``box`` is asked for when something is to be signed; ``chance`` gives numbers from 0 to 1."""

    database: Database
    clock: Clock
    post: Post
    box: Callable[[], SecretBox]
    keep_days: int
    chance: Callable[[], float] = random.random
    _lanes: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)
    _pruned_at: datetime | None = None

    async def turn(self) -> Sequence[asyncio.Task[None]]:
        """Gather what happened, and begin what is due; returns what is under way."""
        await self._gather()
        await self._prune()
        for webhook_id, lane in list(self._lanes.items()):
            if lane.done():
                del self._lanes[webhook_id]
                lane.result()
        async with self.database.read() as session:
            due = await who_is_due(session, self.clock())
        for webhook_id in due:
            if webhook_id not in self._lanes:
                self._lanes[webhook_id] = asyncio.create_task(self._lane(webhook_id), name="webhook lane")
        return tuple(self._lanes.values())

    async def stop(self) -> None:
        """Break off what is under way; it is tried again by whoever sends next."""
        lanes = tuple(self._lanes.values())
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        self._lanes.clear()

    async def _gather(self) -> None:
        async with self.database.read() as session:
            more = await is_behind(session)
        while more:
            async with self.database.write() as session:
                more = await gather(session, self.clock())

    async def _prune(self) -> None:
        now = self.clock()
        if self._pruned_at is None or now - self._pruned_at >= PRUNED_EVERY:
            async with self.database.write() as session:
                await prune(session, now, days=self.keep_days)
            self._pruned_at = now

    async def _lane(self, webhook_id: UUID) -> None:
        """What is due for one subscriber; it ends at the first failure, since what follows would fail as well."""
        while await self._some(webhook_id):
            pass

    async def _some(self, webhook_id: UUID) -> bool:
        """The next few; whether there may be more to send now."""
        async with self.database.read() as session:
            webhook = await session.get(Webhook, webhook_id)
            due = await due_for(session, webhook_id, self.clock(), limit=ABREAST)
        if webhook is None or not webhook.active or not due:
            return False
        try:
            secrets = secrets_in_force(webhook, self.box(), self.clock())
        except HuiyinError as error:
            await self._cannot_sign(due, error)
            return False
        tries = [self._deliver(webhook.url, secrets, each) for each in due]
        ended = await asyncio.gather(*tries, return_exceptions=True)
        if broken := [each for each in ended if isinstance(each, BaseException)]:
            raise broken[0]
        return all(ended)

    async def _deliver(self, url: str, secrets: Sequence[bytes], delivery: WebhookDelivery) -> bool:
        body, timestamp = delivery.body.encode(), int(self.clock().timestamp())
        tried = await self.post.send(url, headers(secrets, str(delivery.message), timestamp, body), body)
        await self._record(delivery, tried)
        return judge(tried.status) == OK

    async def _cannot_sign(self, due: Sequence[WebhookDelivery], error: HuiyinError) -> None:
        log.error("a webhook cannot be signed", extra={"facts": {"webhook": due[0].webhook_id, "error": error}})
        for each in due:
            await self._record(each, Tried(None, "no key"))

    async def _record(self, delivery: WebhookDelivery, tried: Tried) -> None:
        async with self.database.write() as session:
            await record_try(
                session, delivery.webhook_id, delivery.message, tried, now=self.clock(), chance=self.chance()
            )
        facts = {
            "webhook": delivery.webhook_id,
            "message": delivery.message,
            "event": delivery.event,
            "status": tried.status or 0,
            "outcome": tried.outcome or "answered",
        }
        log.info("webhook tried", extra={"facts": facts})
