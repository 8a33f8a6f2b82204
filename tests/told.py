"""Subscribers of a furnished house: one that takes most of what it is told, one that has closed."""

from datetime import timedelta
from uuid import UUID

from api.webhooks.events import body
from api.webhooks.tables import Webhook, WebhookDelivery
from core.ids import new_id
from tests.web import Web

WEBHOOK = UUID("01890000-0000-7000-8000-000000000001")
_CLOSED = UUID("01890000-0000-7000-8000-000000000002")
_EVENTS = ["recording.sealed", "transcript.ready", "disposal.due"]
# Event, state, tries, status, outcome, beginning of the answer.
_TRIED = (
    ("recording.sealed", "delivered", 1, 204, "", ""),
    ("transcript.ready", "delivered", 3, 200, "", '{"ok":true}'),
    ("recording.sealed", "failed", 12, None, "timeout", ""),
    ("recording.sealed", "waiting", 2, 503, "", "upstream connect error or disconnect before headers"),
    ("transcript.ready", "waiting", 4, None, "certificate", ""),
    ("disposal.due", "waiting", 0, None, "", ""),
)


async def tell(web: Web) -> None:
    """Rows as a sender would leave them."""
    now = web.archive.clock()
    made = {"secret": "sealed", "since_seq": 0, "created_at": now - timedelta(days=3), "created_by": "operator"}
    async with web.archive.database.write() as session:
        url = "https://hotline.example:8443/callbacks/recordings/very-long-path-of-a-receiving-system/v1/hooks"
        taken = {"events": _EVENTS, "active": True, "delivered_at": now - timedelta(minutes=35)}
        session.add(Webhook(id=WEBHOOK, label="热线工单平台", url=url, **taken, **made))
        gone = {"url": "https://old.example/hook", "events": ["alert"], "active": False, "stopped": "gone"}
        session.add(Webhook(id=_CLOSED, label="旧的运维看板", **gone, **made))
        await session.flush()
        session.add_all([_row(web, number, *each) for number, each in enumerate(_TRIED)])


def _row(
    web: Web, number: int, event: str, state: str, tries: int, status: int | None, outcome: str, answer: str
) -> WebhookDelivery:
    at, message = web.archive.clock() - timedelta(minutes=7 * number), new_id()
    return WebhookDelivery(
        webhook_id=WEBHOOK,
        message=message,
        event=event,
        body=body(message, event, at, {"recording_id": str(web.seeded.full)}),
        state=state,
        tries=tries,
        next_try_at=at + timedelta(minutes=20),
        tried_at=at + timedelta(seconds=1) if tries else None,
        status=status,
        outcome=outcome,
        answer=answer,
        created_at=at,
    )
