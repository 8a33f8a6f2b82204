"""系统管理: accounts, teams with their numbers, and tokens."""

from datetime import datetime
from typing import Any

from aiohttp import web

from api.access import tokens
from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint, parse_query
from api.language import half
from api.models_access import AccountChange, NewAccount, NewTeam, NumberAssignment, TokenView
from api.pages.rendering import render, see_other
from api.permissions import ROLES
from api.problems import Problem
from api.routes import accounts as routes
from api.routes.accounts import post_revocation
from core.errors import HuiyinError, NotFound


async def show_admin(request: web.Request) -> web.Response:
    return see_other("/admin/accounts" if signed_in(request).may("accounts.see") else "/admin/settings")


async def show_accounts(request: web.Request, message: str = "", status: int = 200, made: Any = None) -> web.Response:
    return render(
        request,
        "admin_accounts.html",
        status=status,
        message=_half(request, message),
        accounts=await routes.all_accounts(request),
        teams=(await routes.all_teams(request)).items,
        roles=ROLES,
        made=made,
    )


async def do_add(request: web.Request) -> web.Response:
    form = await request.post()
    try:
        asked = parse_query({name: str(form.get(name, "")).strip() for name in ("name", "role", "team")}, NewAccount)
        made = await routes.add_account(request, asked)
    except (HuiyinError, Problem) as error:
        return await show_accounts(request, _said(error), 422)
    return await show_accounts(request, made=made)


async def show_account(request: web.Request, message: str = "", status: int = 200, made: Any = None) -> web.Response:
    """One account with all that may be done to it; ``NotFound`` otherwise."""
    name = request.match_info["name"]
    found = [each for each in await routes.all_accounts(request) if each.name == name]
    if not found:
        raise NotFound("没有这个账号 / no such account")
    async with context(request).database.read() as session:
        rows = await tokens.tokens_of(session, name)
    return render(
        request,
        "admin_account.html",
        status=status,
        message=_half(request, message),
        account=found[0],
        teams=(await routes.all_teams(request)).items,
        roles=ROLES,
        tokens=[TokenView.model_validate(row, from_attributes=True) for row in rows],
        oneself=name == signed_in(request).name,
        made=made,
    )


async def do_change(request: web.Request) -> web.Response:
    """Role, team and name at the provider from one form; ``active`` from a button of its own."""
    form, name = await request.post(), request.match_info["name"]
    given = {field: str(form[field]).strip() for field in ("role", "team", "provider_name") if field in form}
    active = {"on": True, "off": False}.get(str(form.get("active", "")))
    try:
        await routes.change_account(request, name, AccountChange.model_validate({**given, "active": active}))
    except (HuiyinError, ValueError) as error:
        return await show_account(request, _said(error), 422)
    return see_other(f"/admin/accounts/{name}", "已更改。权限变了的账号需要重新登录。")


async def do_reset(request: web.Request) -> web.Response:
    try:
        made = await routes.reset_password(request, request.match_info["name"])
    except HuiyinError as error:
        return await show_account(request, error.message, 422)
    return await show_account(request, made=made)


async def do_remove_factor(request: web.Request) -> web.Response:
    try:
        await routes.remove_factor(request, request.match_info["name"])
    except HuiyinError as error:
        return await show_account(request, error.message, 422)
    return see_other(f"/admin/accounts/{request.match_info['name']}", "第二验证已取消。")


async def do_end_sessions(request: web.Request) -> web.Response:
    await routes.end_all_sessions(request, request.match_info["name"])
    return see_other(f"/admin/accounts/{request.match_info['name']}", "全部会话已结束。")


async def do_revoke(request: web.Request) -> web.Response:
    await post_revocation(request)
    return see_other(f"/admin/accounts/{request.match_info['name']}", "令牌已吊销。")


async def show_teams(request: web.Request, message: str = "", status: int = 200) -> web.Response:
    found = await routes.all_teams(request)
    return render(
        request,
        "admin_teams.html",
        status=status,
        message=_half(request, message),
        teams=found.items,
        numbers=found.numbers,
        accounts=[each for each in await routes.all_accounts(request) if each.active],
    )


async def do_team(request: web.Request) -> web.Response:
    form = await request.post()
    try:
        await routes.found_team(request, parse_query({"name": str(form.get("name", "")).strip()}, NewTeam))
    except (HuiyinError, Problem) as error:
        return await show_teams(request, _said(error), 422)
    return see_other("/admin/teams", "班组已新增。")


async def do_number(request: web.Request) -> web.Response:
    form = await request.post()
    given = {field: str(form.get(field, "")).strip() for field in ("number", "team", "holder")}
    day = str(form.get("since", ""))
    try:
        since = _midnight(request, day) if day else None
        asked = parse_query(given, NumberAssignment).model_copy(update={"since": since})
        moved = await routes.assign_number(request, asked)
    except (HuiyinError, Problem, ValueError) as error:
        return await show_teams(request, _said(error), 422)
    return see_other("/admin/teams", "分机已划归；{count} 条录音随之改变了班组。", count=moved)


def _midnight(request: web.Request, day: str) -> datetime:
    """The beginning of a local day."""
    return datetime.fromisoformat(day).replace(tzinfo=context(request).settings.timezone)


def _half(request: web.Request, message: str) -> str:
    return half(message, request.get(LANGUAGE, "zh"))


def _said(error: Exception) -> str:
    if isinstance(error, HuiyinError):
        return error.message
    return error.detail if isinstance(error, Problem) else "请核对填写的内容 / check what was filled in"


_ONE = "/admin/accounts/{name}"
ENDPOINTS = (
    Endpoint("GET", "/admin", "settings.see", show_admin),
    Endpoint("GET", "/admin/accounts", "accounts.see", show_accounts),
    Endpoint("POST", "/admin/accounts", "accounts.manage", do_add),
    Endpoint("GET", _ONE, "accounts.see", show_account),
    Endpoint("POST", _ONE, "accounts.manage", do_change),
    Endpoint("POST", f"{_ONE}/password", "accounts.manage", do_reset),
    Endpoint("POST", f"{_ONE}/second-factor/remove", "accounts.manage", do_remove_factor),
    Endpoint("POST", f"{_ONE}/sessions/end", "accounts.manage", do_end_sessions),
    Endpoint("POST", f"{_ONE}/tokens/{{id}}/revoke", "accounts.manage", do_revoke),
    Endpoint("GET", "/admin/teams", "accounts.see", show_teams),
    Endpoint("POST", "/admin/teams", "accounts.manage", do_team),
    Endpoint("POST", "/admin/numbers", "accounts.manage", do_number),
)
