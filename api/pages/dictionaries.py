"""字典: the words that a team chooses by itself, with the days on which each is valid."""

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from multidict import MultiMapping
from pydantic import ValidationError

from api.context import LANGUAGE, context
from api.endpoint import Endpoint
from api.language import half
from api.models_settings import EndRequest, EntryRequest
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import dictionaries as routes
from core.dictionaries import WITH_ALIASES
from core.errors import HuiyinError

# What each is called, and where its entries are used.
NAMES: Mapping[str, tuple[str, str]] = {
    "unit": ("承办单位", "日报把别名归到同一单位之下统计；检索和工单按任一名称都能找到。"),
    "category": ("问题分类", "日报把别名归到同一分类之下统计。"),
    "purpose": ("调阅用途", "要求写明用途的地方，列出来供选择，也可以另写。"),
    "hotword": ("热词", "通话当日有效的词语交给语音识别，地名、单位和政策名称因此更准；词少的小模型不使用。"),
    "risk": ("风险词", "市民说到这些词的通话，系统建议“有风险”，由人决定。常见的风险说法已经内置。"),
    "pause": ("暂停录音的原因", "暂停录音时列出来供选择，也可以另写。"),
    "correction": ("更正文字的理由", "更正文字时列出来供选择，也可以另写。"),
    "keeping": ("保全与继续保存的理由", "建立保全、决定继续保存时列出来供选择，也可以另写。"),
}
# Commas of both scripts, the enumeration comma, and lines.
_BETWEEN = re.compile(r"[,\uff0c\u3001\n]+")


async def show_dictionaries(request: web.Request) -> web.Response:
    return render(request, "admin_dictionaries.html", dictionaries=await routes.all_dictionaries(request), names=NAMES)


async def show_dictionary(
    request: web.Request, message: str = "", status: int = 200, typed: Mapping[str, Any] | None = None
) -> web.Response:
    name = request.match_info["name"]
    entries = await routes.entries(request, name)
    today = context(request).today()
    return render(
        request,
        "admin_dictionary.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        name=name,
        names=NAMES,
        aliases=name in WITH_ALIASES,
        entries=[each for each in entries if each.valid_until is None or each.valid_until >= today],
        ended=[each for each in entries if each.valid_until is not None and each.valid_until < today],
        today=today,
        typed=typed or {},
    )


async def do_add(request: web.Request) -> web.Response:
    form, name = await request.post(), request.match_info["name"]
    try:
        await routes.add(request, name, _asked(form))
    except (HuiyinError, ValidationError) as error:
        return await show_dictionary(request, _said(error), 422, form)
    return see_other(f"/admin/dictionaries/{name}", "条目已新增。")


async def do_follow(request: web.Request) -> web.Response:
    form, name = await request.post(), request.match_info["name"]
    try:
        await routes.follow(request, name, _asked(form))
    except (HuiyinError, ValidationError) as error:
        return await show_dictionary(request, _said(error), 422)
    return see_other(f"/admin/dictionaries/{name}", "已更改。此前的日期仍按原来的条目。")


async def do_end(request: web.Request) -> web.Response:
    form, name = await request.post(), request.match_info["name"]
    try:
        await routes.end(request, name, EndRequest.model_validate({"last_day": form.get("last_day") or None}).last_day)
    except (HuiyinError, ValidationError) as error:
        return await show_dictionary(request, _said(error), 422)
    return see_other(f"/admin/dictionaries/{name}", "条目已终止。此前的日期仍按原来的条目。")


def _asked(form: MultiMapping[Any]) -> EntryRequest:
    """The form as the API takes it; aliases stand between commas or on lines of their own."""
    given = {name: str(form[name]).strip() for name in EntryRequest.model_fields if str(form.get(name, "")).strip()}
    aliases = [each.strip() for each in _BETWEEN.split(given.pop("aliases", "")) if each.strip()]
    return EntryRequest.model_validate({**given, "aliases": aliases})


def _said(error: Exception) -> str:
    if isinstance(error, Problem | HuiyinError):
        return error.message if isinstance(error, HuiyinError) else error.detail
    return "请核对填写的内容 / check what was filled in"


_ONE = "/admin/dictionaries/{name}"
ENDPOINTS = (
    Endpoint("GET", "/admin/dictionaries", "dictionaries.see", show_dictionaries),
    Endpoint("GET", _ONE, "dictionaries.see", show_dictionary),
    Endpoint("POST", _ONE, "dictionaries.set", do_add),
    Endpoint("POST", f"{_ONE}/{{id}}", "dictionaries.set", do_follow),
    Endpoint("POST", f"{_ONE}/{{id}}/end", "dictionaries.set", do_end),
)
