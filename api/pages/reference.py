"""接口文档: the OpenAPI document inside the pages' frame."""

from collections.abc import Mapping

from aiohttp import web

from api.context import LANGUAGE, context
from api.endpoint import Endpoint
from api.language import half
from api.openapi import DESCRIBED
from api.pages.rendering import render
from api.problems import Problem
from api.reference import OTHER, Operation, curl, reference

NAMES: Mapping[str, str] = {
    "session": "登录与自己的账号",
    "recordings": "录音",
    "search": "检索",
    "orders": "工单、关联与结论",
    "keeping": "保全、处置与保存期限",
    "exports": "移交",
    "reports": "报表",
    "ledger": "审计日志",
    "operations": "运行状态",
    "webhooks": "消息推送",
    "accounts": "账号与班组",
    "settings": "设置与字典",
    OTHER: "其他",
}


async def show_reference(request: web.Request) -> web.Response:
    return _page(request, "reference.html", subject="")


async def show_subject(request: web.Request) -> web.Response:
    """The operations of one subject; a ``Problem`` 404 for any other."""
    subject = request.match_info["subject"]
    if subject not in reference(request.app[DESCRIBED]()).subjects:
        raise Problem(404, "接口文档没有这一部分 / the reference has no such part")
    return _page(request, "reference_subject.html", subject=subject)


def _page(request: web.Request, template: str, subject: str) -> web.Response:
    origin = context(request).settings.public_url.rstrip("/") or str(request.url.origin())
    language = request.get(LANGUAGE, "zh")

    def example(operation: Operation) -> str:
        return curl(operation, origin)

    found = reference(request.app[DESCRIBED]())
    return render(
        request,
        template,
        reference=found,
        subject=subject,
        models=found.models_of(subject) if subject else (),
        names=NAMES,
        example=example,
        summary=lambda operation: half(operation.summary, language),
        origin=origin,
    )


ENDPOINTS = (
    Endpoint("GET", "/reference", "reference.see", show_reference),
    Endpoint("GET", "/reference/{subject}", "reference.see", show_subject),
)
