"""设置: what holds today and where it comes from, and one page for each that is changed in operation."""

from collections.abc import Mapping
from datetime import date

from aiohttp import web
from pydantic import ValidationError

from api.context import LANGUAGE, context
from api.endpoint import Endpoint
from api.language import half
from api.models_settings import SecuritySettingRequest, SettingRequest
from api.operating import CHOICES
from api.pages.rendering import render, see_other
from api.permissions import ROLES
from api.problems import Problem
from api.routes import disposals
from api.routes import settings as routes
from core.errors import HuiyinError
from core.in_force import LOOK_EVERY
from reporting.formulas import FAIRLY_FACTOR, WEIGHTS

# What each is called, and what it means for those who work with it.
NAMES: Mapping[str, tuple[str, str]] = {
    "organisation": ("单位名称", "写在页面底部和报表上；补出过去日期的报表时，用当日的名称。"),
    "callback_days": (
        "回访期限（天，0–60）",
        "工单办结、或通话得知未解决之后，须在几天内回访。自生效日起算的期限适用新值。",
    ),
    "callback_window_days": (
        "我的工作保留天数（1–366）",
        "超过这些天仍无人处理的，不再列入“我的工作”，在各列表中仍可找到。",
    ),
    "link_window_days": (
        "按来电号码关联的天数（1–366）",
        "通话之前这些天内、留有同一来电号码的工单，是可能的工单。按通话当日的值。",
    ),
    "doubtful_text": ("文字待核对的把握（%，0–100）", "识别把握低于此值的文字，列入“我的工作”待核对。"),
    "doubtful_word": ("字词标为可疑的把握（%，0–100）", "把握低于此值的字词，在复核页标出。"),
    "export_days": ("移交包副本保留天数（1–366）", "移交完成之后，这些天后清除服务器上的副本；原件不受影响。"),
    FAIRLY_FACTOR: ("“基本满意”的系数（0–1）", "日报计算满意率时，基本满意按此系数计入。按报表当日的值。"),
    WEIGHTS: ("综合得分的权重", "响应率、解决率、满意率的权重，合计为 1，用空格分开。按报表当日的值。"),
    "session_hours": ("登录最长时间（小时，1–72）", "登录之后最多这些小时，须重新登录。"),
    "session_idle_minutes": ("无操作自动退出（分钟，5–1440）", "这些分钟没有任何操作，须重新登录。"),
    "second_factor_roles": ("必须启用第二验证的角色", "这些角色的账号须先设好第二验证才能使用。"),
    "requests_per_minute": ("每分钟请求上限（60 起，0 为不限）", "每个账号、或每个未登录的地址每分钟最多的请求数。"),
}
KINDS: Mapping[str, str] = {"operation": "业务设置", "formula": "日报口径", "security": "安全设置"}
SOURCES: Mapping[str, str] = {"default": "默认值", "installation": "安装时设定", "page": "页面设定"}


async def show_settings(request: web.Request) -> web.Response:
    found = await routes.all_settings(request)
    return render(
        request,
        "admin_settings.html",
        groups=[(kind, [each for each in found if each.kind == kind]) for kind in KINDS],
        installed=[each for each in found if each.kind == "installed"],
        policies=(await disposals.all_policies(request)).items,
        seconds=round(LOOK_EVERY),
        names=NAMES,
        kinds=KINDS,
        sources=SOURCES,
    )


async def show_setting(
    request: web.Request, message: str = "", status: int = 200, typed: Mapping[str, str] | None = None
) -> web.Response:
    """One setting with its changes, and a form for whoever may change it; a ``Problem`` 404 for any other."""
    name = request.match_info["name"]
    found = await routes.one_setting(request, name)
    return render(
        request,
        "admin_setting.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        setting=found.setting,
        changes=found.changes,
        names=NAMES,
        sources=SOURCES,
        today=context(request).today(),
        roles=ROLES,
        typed=typed or {},
    )


async def do_change(request: web.Request) -> web.Response:
    """From the form; ``installed`` takes what was installed."""
    form, name = await request.post(), request.match_info["name"]
    given = {field: str(form.get(field, "")).strip() for field in ("effective_from", "reason")}
    value = " ".join(str(each).strip() for each in form.getall("value", [])) if "installed" not in form else None
    secure = name in CHOICES and CHOICES[name].kind == "security"
    try:
        day = date.fromisoformat(given["effective_from"])
        asked = {"value": value, "effective_from": day, "reason": given["reason"]}
        if secure:
            asked["password"] = str(form.get("password", ""))
        model = SecuritySettingRequest if secure else SettingRequest
        await routes.change(request, name, model.model_validate(asked))
    except (HuiyinError, Problem, ValidationError, ValueError) as error:
        if isinstance(error, Problem) and error.status == 404:
            raise
        return await show_setting(request, _said(error), 422, {**given, "value": value or ""})
    return see_other(f"/admin/settings/{name}", "已设定。到生效之日起适用。")


def _said(error: Exception) -> str:
    if isinstance(error, HuiyinError):
        return error.message
    return error.detail if isinstance(error, Problem) else "请核对填写的内容 / check what was filled in"


ENDPOINTS = (
    Endpoint("GET", "/admin/settings", "settings.see", show_settings),
    Endpoint("GET", "/admin/settings/{name}", "settings.see", show_setting),
    Endpoint("POST", "/admin/settings/{name}", "settings.set", do_change),
    Endpoint("POST", "/admin/settings/{name}/secure", "settings.secure", do_change),
)
