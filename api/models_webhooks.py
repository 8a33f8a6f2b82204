"""What the HTTP API takes and answers about webhooks, and what a webhook itself says."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from api.models import Model

Event = Literal[
    "recording.sealed",
    "transcript.ready",
    "transcript.corrected",
    "disposal.due",
    "recording.disposed",
    "handover.ready",
    "alert",
]
DeliveryState = Literal["waiting", "delivered", "failed"]


class NewWebhook(Model):
    """``url``: https, a port of `HUIYIN_WEBHOOK_PORTS`, no user name; where it leads is looked at before each try."""

    label: str = Field(min_length=1, max_length=60)
    url: str = Field(min_length=1, max_length=500)
    events: list[Event] = Field(min_length=1, max_length=20)


class WebhookChange(Model):
    """What is absent stays.  Switched off, what waits stays, and what happens meanwhile is not told."""

    label: str | None = Field(default=None, min_length=1, max_length=60)
    url: str | None = Field(default=None, min_length=1, max_length=500)
    events: list[Event] | None = Field(default=None, min_length=1, max_length=20)
    active: bool | None = None


class WebhookView(Model):
    """``stopped``: why it is off, ``person`` or ``gone`` (it answered 410).  ``waiting`` and ``failed`` count messages;
    ``delivered_at`` and ``given_up_at`` are when the last one was taken, and given up."""

    id: UUID
    label: str
    url: str
    events: list[str]
    active: bool
    stopped: str
    created_at: datetime
    created_by: str
    old_secret_until: datetime | None
    waiting: int
    failed: int
    delivered_at: datetime | None
    given_up_at: datetime | None


class WebhookList(Model):
    items: list[WebhookView]


class WebhookMade(Model):
    """``secret`` is shown here and never again."""

    webhook: WebhookView
    secret: str


class WebhookSecret(Model):
    """``secret`` is shown here and never again; the old one signs too until ``old_secret_until``."""

    secret: str
    old_secret_until: datetime


class DeliveryQuery(Model):
    state: DeliveryState | None = None
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=50, ge=1, le=200)


class DeliveryView(Model):
    """``message`` is the `webhook-id` of every try; ``status``, ``outcome`` and ``answer`` (a short beginning, masked)
    are the last try's; ``next_try_at`` only while it waits."""

    message: UUID
    event: str
    body: str
    state: DeliveryState
    tries: int
    created_at: datetime
    tried_at: datetime | None
    next_try_at: datetime | None
    status: int | None
    outcome: str
    answer: str


class DeliveryPage(Model):
    """The newest first; ``next`` is the ``cursor`` of the page with older ones."""

    items: list[DeliveryView]
    next: str | None
