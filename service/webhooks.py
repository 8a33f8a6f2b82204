"""Sending webhooks in a process of the service: one sends at a time, the others stand by."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.exc import SQLAlchemyError

from api.webhooks.addresses import Reach
from api.webhooks.deliveries import failing
from api.webhooks.sender import Sender
from api.webhooks.sending import Post
from core.alerts import WEBHOOKS_FAILING
from core.clock import Clock
from core.database import Database
from core.errors import HuiyinError
from core.exclusion import Alone, alone
from core.sealed_secrets import SecretBox
from core.settings import Settings
from service.alarms import Alarms

log = logging.getLogger(__name__)

POLL_SECONDS, AWAY_SECONDS = 1.0, 3.0
TRY_SECONDS = 15.0
LOCK = "webhooks"


@asynccontextmanager
async def sending(database: Database, settings: Settings, clock: Clock, alarms: Alarms) -> AsyncIterator[None]:
    """Send while the block runs."""
    task = asyncio.create_task(_keep_sending(sender_of(database, settings, clock), alarms), name="webhooks")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_sending(sender: Sender, alarms: Alarms) -> None:
    while True:
        try:
            async with alone(sender.database, LOCK, waiting=_stand_by) as turn:
                await _send(sender, alarms, turn)
        except (SQLAlchemyError, HuiyinError, OSError) as error:
            log.warning("webhooks wait", extra={"facts": {"error": type(error).__name__}})
        except Exception:  # a worker's outer loop: the timetable beside it goes on, and so does this
            log.exception("webhooks failed and are tried again")
        await asyncio.sleep(AWAY_SECONDS)


async def _send(sender: Sender, alarms: Alarms, turn: Alone) -> None:
    try:
        while True:
            await turn.confirm()
            await sender.turn()
            async with sender.database.read() as session:
                count = await failing(session)
            alarms.hold(WEBHOOKS_FAILING, {"webhooks": count} if count else None)
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await sender.stop()


def sender_of(database: Database, settings: Settings, clock: Clock) -> Sender:
    """A sender as the settings want it."""
    return Sender(
        database,
        clock,
        Post(Reach.of(settings), TRY_SECONDS),
        lambda: SecretBox.open(settings.secret_key),
        settings.webhook_days,
    )


def _stand_by() -> None:
    log.info("another process sends webhooks: standing by")
