"""系统管理 → 消息推送: who is told what, whether it arrived, and what to do about it."""

from collections.abc import Mapping
from uuid import UUID

from aiohttp import web

from api.context import LANGUAGE
from api.endpoint import Endpoint, read_query
from api.language import half
from api.models_webhooks import DeliveryQuery, NewWebhook, WebhookChange
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import webhooks as routes
from api.routes.recordings import path_id
from api.webhooks.events import EVENTS
from core.errors import Conflict, HuiyinError, Refused, Unavailable

NAMES: Mapping[str, str] = {
    "recording.sealed": "录音已封存",
    "transcript.ready": "文字稿已生成",
    "transcript.corrected": "文字稿有更正",
    "disposal.due": "录音到期待处置",
    "recording.disposed": "录音已处置",
    "handover.ready": "移交包已完成",
    "alert": "运行告警",
    "test": "测试消息",
}
STATES: Mapping[str, str] = {"waiting": "等待推送", "delivered": "已送达", "failed": "已放弃"}
OUTCOMES: Mapping[str, str] = {
    "address refused": "地址不允许访问",
    "unknown host": "域名解析不到",
    "timeout": "对方没有及时应答",
    "certificate": "对方的证书不可信",
    "no connection": "连接不上",
    "broken off": "连接中断",
    "no key": "本机缺少密钥文件，无法签名",
}
_ROOM = "/admin/webhooks"


async def show_webhooks(
    request: web.Request, message: str = "", form: Mapping[str, object] | None = None
) -> web.Response:
    found = await routes.all_webhooks(request)
    given = form or {"label": "", "url": "", "events": EVENTS[:2]}
    return render(
        request,
        "admin_webhooks.html",
        status=422 if message else 200,
        message=_half(request, message),
        webhooks=found.items,
        form=given,
        **_words(),
    )


async def show_webhook(request: web.Request) -> web.Response:
    """One subscriber with its newest deliveries, older ones by ``cursor``."""
    return await _show(request, path_id(request))


async def _show(request: web.Request, identifier: UUID, message: str = "", secret: str = "") -> web.Response:
    webhook = await routes.one_webhook(request, identifier)
    page = await routes.delivery_page(request, identifier, read_query(request, DeliveryQuery))
    return render(
        request,
        "admin_webhook.html",
        status=422 if message else 200,
        message=_half(request, message),
        webhook=webhook,
        page=page,
        secret=secret,
        **_words(),
    )


async def do_add(request: web.Request) -> web.Response:
    form = await request.post()
    given = {
        "label": str(form.get("label", "")).strip(),
        "url": str(form.get("url", "")).strip(),
        "events": [str(each) for each in form.getall("events", [])],
    }
    try:
        made = await routes.add(request, NewWebhook.model_validate(given))
    except (Refused, Conflict, Unavailable, ValueError) as error:
        return await show_webhooks(request, _said(error), given)
    return await _show(request, made.webhook.id, secret=made.secret)


async def do_change(request: web.Request) -> web.Response:
    """Name, address and events from one form; ``active`` from a button of its own."""
    form, identifier = await request.post(), path_id(request)
    active = {"on": True, "off": False}.get(str(form.get("active", "")))
    given: dict[str, object] = {"active": active}
    if active is None:
        given = {name: str(form.get(name, "")).strip() for name in ("label", "url")}
        given["events"] = [str(each) for each in form.getall("events", [])]
    try:
        await routes.change(request, identifier, WebhookChange.model_validate(given))
    except (Refused, ValueError) as error:
        return await _show(request, identifier, _said(error))
    if active is not None:
        return see_other(_address(identifier), "推送已启用。" if active else "推送已停用。")
    return see_other(_address(identifier), "已保存。")


async def do_secret(request: web.Request) -> web.Response:
    try:
        made = await routes.renew_secret(request, path_id(request))
    except Unavailable as error:
        return await _show(request, path_id(request), error.message)
    return await _show(request, path_id(request), secret=made.secret)


async def do_test(request: web.Request) -> web.Response:
    try:
        await routes.send_test(request, path_id(request))
    except Conflict as error:
        return await _show(request, path_id(request), error.message)
    return see_other(_address(path_id(request)), "测试消息已排队，片刻后刷新查看结果。")


async def do_remove(request: web.Request) -> web.Response:
    await routes.remove(request, path_id(request))
    return see_other(_ROOM, "推送地址已删除。")


async def do_send_again(request: web.Request) -> web.Response:
    try:
        await routes.send_again(request, path_id(request))
    except Conflict as error:
        return await _show(request, path_id(request), error.message)
    return see_other(_address(path_id(request)), "已重新排队推送。")


def _words() -> Mapping[str, object]:
    return {"events": EVENTS, "names": NAMES, "states": STATES, "outcomes": OUTCOMES}


def _address(identifier: UUID) -> str:
    return f"{_ROOM}/{identifier}"


def _half(request: web.Request, message: str) -> str:
    return half(message, request.get(LANGUAGE, "zh"))


def _said(error: Exception) -> str:
    if isinstance(error, HuiyinError):
        return error.message
    if isinstance(error, Problem):
        return error.detail
    return "请填写名称和网址，并至少选择一种事件 / give a name, an address and at least one event"


_ONE = f"{_ROOM}/{{id}}"
_SEE, _MANAGE = "webhooks.see", "webhooks.manage"
ENDPOINTS = (
    Endpoint("GET", _ROOM, _SEE, show_webhooks),
    Endpoint("POST", _ROOM, _MANAGE, do_add),
    Endpoint("GET", _ONE, _SEE, show_webhook),
    Endpoint("POST", _ONE, _MANAGE, do_change),
    Endpoint("POST", f"{_ONE}/secret", _MANAGE, do_secret),
    Endpoint("POST", f"{_ONE}/test", _MANAGE, do_test),
    Endpoint("POST", f"{_ONE}/remove", _MANAGE, do_remove),
    Endpoint("POST", f"{_ONE}/deliveries/{{message}}/send", _MANAGE, do_send_again),
)
