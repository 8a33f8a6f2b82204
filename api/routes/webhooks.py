"""Webhooks over HTTP: what a system administrator does with subscribers, and what became of each message."""

from collections.abc import Mapping
from uuid import UUID

from aiohttp import web

from api import cursors
from api.context import context, signed_in
from api.endpoint import Endpoint, answer, read_body, read_query
from api.models import Done
from api.models_webhooks import (
    DeliveryPage,
    DeliveryQuery,
    DeliveryView,
    NewWebhook,
    WebhookChange,
    WebhookList,
    WebhookMade,
    WebhookSecret,
    WebhookView,
)
from api.problems import Problem
from api.routes.recordings import path_id
from api.webhooks import deliveries, signing, subscribers
from api.webhooks.addresses import Reach
from api.webhooks.retrying import FAILED, WAITING
from api.webhooks.subscribers import Wish
from api.webhooks.tables import Webhook, WebhookDelivery


async def all_webhooks(request: web.Request) -> WebhookList:
    """Every subscriber with how many of its messages stand how."""
    async with context(request).database.read() as session:
        rows, numbers = await subscribers.subscribers(session), await deliveries.counts(session)
    return WebhookList(items=[_view(row, numbers.get(row.id, {})) for row in rows])


async def one_webhook(request: web.Request, webhook_id: UUID) -> WebhookView:
    """One of them; ``NotFound`` otherwise."""
    async with context(request).database.read() as session:
        row = await subscribers.subscriber(session, webhook_id, lock=False)
        numbers = await deliveries.counts(session)
    return _view(row, numbers.get(webhook_id, {}))


async def add(request: web.Request, asked: NewWebhook) -> WebhookMade:
    """Add one; its secret is in this answer only."""
    here, box = context(request), context(request).secrets
    async with here.database.write() as session:
        wish = Wish(asked.label.strip() or asked.url, asked.url, asked.events)
        row, secret = await subscribers.add(
            session, box, wish, Reach.of(here.settings), by=signed_in(request).name, now=here.now()
        )
    return WebhookMade(webhook=_view(row, {}), secret=signing.shown(secret))


async def change(request: web.Request, webhook_id: UUID, asked: WebhookChange) -> None:
    """All that is asked, or nothing."""
    here, by = context(request), signed_in(request).name
    async with here.database.write() as session:
        row = await subscribers.subscriber(session, webhook_id)
        if asked.label is not None or asked.url is not None or asked.events is not None:
            wish = Wish(asked.label or row.label, asked.url or row.url, asked.events or row.events)
            await subscribers.change(session, webhook_id, wish, Reach.of(here.settings), by=by, now=here.now())
        if asked.active is not None:
            await subscribers.switch(session, webhook_id, asked.active, by=by, now=here.now())


async def renew_secret(request: web.Request, webhook_id: UUID) -> WebhookSecret:
    """A new secret, in this answer only."""
    here = context(request)
    box, now = here.secrets, here.now()
    async with here.database.write() as session:
        secret = await subscribers.renew_secret(session, box, webhook_id, by=signed_in(request).name, now=now)
    return WebhookSecret(secret=signing.shown(secret), old_secret_until=now + subscribers.OLD_SECRET_SIGNS)


async def remove(request: web.Request, webhook_id: UUID) -> None:
    here = context(request)
    async with here.database.write() as session:
        await subscribers.remove(session, webhook_id, by=signed_in(request).name, now=here.now())


async def send_test(request: web.Request, webhook_id: UUID) -> DeliveryView:
    here = context(request)
    async with here.database.write() as session:
        return _delivery(await subscribers.send_test(session, webhook_id, now=here.now()))


async def send_again(request: web.Request, webhook_id: UUID) -> DeliveryView:
    """The message that the path names, from its first try on."""
    here, message = context(request), _path_message(request)
    async with here.database.write() as session:
        return _delivery(await subscribers.send_again(session, webhook_id, message, now=here.now()))


async def delivery_page(request: web.Request, webhook_id: UUID, asked: DeliveryQuery) -> DeliveryPage:
    """The subscriber's messages, the newest first."""
    of = f"webhook {webhook_id}"
    before = cursors.read_id(asked.cursor, of) if asked.cursor else None
    async with context(request).database.read() as session:
        await subscribers.subscriber(session, webhook_id, lock=False)
        rows = await deliveries.newest(session, webhook_id, limit=asked.limit + 1, before=before, state=asked.state)
    shown = rows[: asked.limit]
    following = cursors.write(of, shown[-1].message) if len(rows) > asked.limit else None
    return DeliveryPage(items=[_delivery(row) for row in shown], next=following)


def _path_message(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["message"])
    except ValueError:
        raise Problem(404, "not an identifier") from None


def _view(row: Webhook, numbers: Mapping[str, int]) -> WebhookView:
    return WebhookView(
        id=row.id,
        label=row.label,
        url=row.url,
        events=row.events,
        active=row.active,
        stopped=row.stopped,
        created_at=row.created_at,
        created_by=row.created_by,
        old_secret_until=row.old_until,
        waiting=numbers.get(WAITING, 0),
        failed=numbers.get(FAILED, 0),
        delivered_at=row.delivered_at,
        given_up_at=row.given_up_at,
    )


def _delivery(row: WebhookDelivery) -> DeliveryView:
    return DeliveryView.model_validate(
        {
            **{name: getattr(row, name) for name in DeliveryView.model_fields},
            "next_try_at": row.next_try_at if row.state == WAITING else None,
        }
    )


async def get_webhooks(request: web.Request) -> web.Response:
    return answer(await all_webhooks(request))


async def get_webhook(request: web.Request) -> web.Response:
    return answer(await one_webhook(request, path_id(request)))


async def post_webhook(request: web.Request) -> web.Response:
    return answer(await add(request, await read_body(request, NewWebhook)), status=201)


async def patch_webhook(request: web.Request) -> web.Response:
    await change(request, path_id(request), await read_body(request, WebhookChange))
    return answer(await one_webhook(request, path_id(request)))


async def delete_webhook(request: web.Request) -> web.Response:
    await remove(request, path_id(request))
    return answer(Done())


async def post_secret(request: web.Request) -> web.Response:
    return answer(await renew_secret(request, path_id(request)))


async def post_test(request: web.Request) -> web.Response:
    return answer(await send_test(request, path_id(request)), status=202)


async def get_deliveries(request: web.Request) -> web.Response:
    return answer(await delivery_page(request, path_id(request), read_query(request, DeliveryQuery)))


async def post_again(request: web.Request) -> web.Response:
    return answer(await send_again(request, path_id(request)), status=202)


_ROOM, _SEE, _MANAGE = "/api/v1/webhooks", "webhooks.see", "webhooks.manage"
_ONE = f"{_ROOM}/{{id}}"
ENDPOINTS = (
    Endpoint("GET", _ROOM, _SEE, get_webhooks, "推送地址 / webhooks", answers=WebhookList),
    Endpoint(
        "POST",
        _ROOM,
        _MANAGE,
        post_webhook,
        "新增推送地址 / add a webhook; its secret is shown once",
        takes=NewWebhook,
        answers=WebhookMade,
        status=201,
    ),
    Endpoint("GET", _ONE, _SEE, get_webhook, "一个推送地址 / one webhook", answers=WebhookView),
    Endpoint(
        "PATCH",
        _ONE,
        _MANAGE,
        patch_webhook,
        "更改、启停 / change it, switch it on or off",
        takes=WebhookChange,
        answers=WebhookView,
    ),
    Endpoint("DELETE", _ONE, _MANAGE, delete_webhook, "删除推送地址 / remove a webhook", answers=Done),
    Endpoint(
        "POST",
        f"{_ONE}/secret",
        _MANAGE,
        post_secret,
        "更换密钥，旧密钥一天内仍签名 / a new secret, shown once; the old one signs too for a day",
        answers=WebhookSecret,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/test",
        _MANAGE,
        post_test,
        "发送测试消息 / send a test",
        answers=DeliveryView,
        status=202,
    ),
    Endpoint(
        "GET",
        f"{_ONE}/deliveries",
        _SEE,
        get_deliveries,
        "推送记录 / deliveries, the newest first",
        query=DeliveryQuery,
        answers=DeliveryPage,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/deliveries/{{message}}/send",
        _MANAGE,
        post_again,
        "重新推送 / send a message again, under the same identifier",
        answers=DeliveryView,
        status=202,
    ),
)
