"""我的账户: the own password, second factor, sessions, and the tokens of one's machines."""

from typing import Any

from aiohttp import web

from api.access import second_factor, tokens
from api.access.secret import form_token
from api.access.signin import Login
from api.context import LANGUAGE, context, signed_in
from api.endpoint import Endpoint
from api.language import half
from api.models_access import NewToken, PasswordChange
from api.pages.rendering import render, see_other
from api.problems import Problem
from api.routes import own
from api.routes.session import set_session_cookie
from core.errors import HuiyinError


async def show_account(request: web.Request, message: str = "", status: int = 200, **shown: Any) -> web.Response:
    """The page; ``shown`` is what a form has just made and is shown once."""
    user = signed_in(request)
    async with context(request).database.read() as session:
        codes_left = await second_factor.recovery_codes_left(session, user.name)
    return render(
        request,
        "account.html",
        status=status,
        message=half(message, request.get(LANGUAGE, "zh")),
        pending=user.pending,
        row=await own.own_account(request),
        sessions=await own.own_sessions(request),
        tokens=[] if user.pending else await own.own_tokens(request),
        scopes=[] if user.pending else tokens.scopes_of(user),
        codes_left=codes_left,
        required=user.role in context(request).settings.second_factor_roles,
        **{"codes": [], "made": None, **shown},
    )


async def do_password(request: web.Request) -> web.Response:
    form = await request.post()
    current, new, again = (str(form.get(field, "")) for field in ("current", "new", "again"))
    if new != again:
        return await show_account(request, "两次输入的新密码不同 / the two new passwords differ", 422)
    try:
        done = await own.change_password(request, PasswordChange(current=current[:200], new=new[:200]))
    except (HuiyinError, Problem) as error:
        return await _refused(request, error)
    return _renewed(request, done, see_other("/account", "密码已更改，其他会话都已结束。"))


async def start_factor(request: web.Request) -> web.Response:
    """Show the secret for the telephone; nothing is stored until a code comes back."""
    form = await request.post()
    try:
        await own.require_password(request, str(form.get("password", ""))[:200])
    except Problem as error:
        return await _refused(request, error)
    return _factor_page(request, second_factor.new_factor())


async def do_factor(request: web.Request) -> web.Response:
    form, here, name = await request.post(), context(request), signed_in(request).name
    secret, code = str(form.get("secret", "")), str(form.get("code", ""))[:40]
    if not second_factor.is_secret(secret):
        return see_other("/account")
    try:
        async with here.database.write() as session:
            codes = await second_factor.enrol(session, here.secrets, name, secret, code, now=here.now())
    except HuiyinError as error:
        return _factor_page(request, secret, error.message)
    done = await own.renewed(request)
    response = render(request, "account_codes.html", codes=codes, csrf=form_token(done.opened.token))
    return _renewed(request, done, response)


async def remove_factor(request: web.Request) -> web.Response:
    form = await request.post()
    try:
        await own.remove_own_factor(request, str(form.get("password", ""))[:200])
    except (HuiyinError, Problem) as error:
        return await _refused(request, error)
    return _renewed(request, await own.renewed(request), see_other("/account", "第二验证已取消。"))


async def do_end_session(request: web.Request) -> web.Response:
    await own.end_own_session(request)
    return see_other("/account", "会话已结束。")


async def do_token(request: web.Request) -> web.Response:
    form = await request.post()
    scopes = [str(each) for each in form.getall("scope", [])]
    if not scopes:
        return await show_account(request, "请至少选择一项权限 / choose at least one permission", 422)
    try:
        given = {"label": str(form.get("label", "")).strip(), "days": str(form.get("days", "")), "scopes": scopes}
        made = await own.make_own_token(request, NewToken.model_validate(given))
    except ValueError:
        return await show_account(request, "请核对名称和天数 / check the name and the days", 422)
    except HuiyinError as error:
        return await _refused(request, error)
    return await show_account(request, made=made)


async def do_revoke(request: web.Request) -> web.Response:
    await own.revoke_own_token(request)
    return see_other("/account", "令牌已吊销。")


def _factor_page(request: web.Request, secret: str, message: str = "") -> web.Response:
    address = second_factor.address(secret, signed_in(request).name, "回音 Huiyin")
    return render(
        request,
        "account_factor.html",
        status=422 if message else 200,
        secret=secret,
        spaced=" ".join(secret[place : place + 4] for place in range(0, len(secret), 4)),
        address=address,
        picture=second_factor.picture(address),
        message=half(message, request.get(LANGUAGE, "zh")),
    )


async def _refused(request: web.Request, error: HuiyinError | Problem) -> web.Response:
    if isinstance(error, Problem):
        response = await show_account(request, error.detail, error.status)
        response.headers.update(error.headers)
        return response
    return await show_account(request, error.message, 422)


def _renewed(request: web.Request, done: Login, response: web.Response) -> web.Response:
    set_session_cookie(request, response, done.opened.token, done.opened.expires_at)
    return response


ENDPOINTS = (
    Endpoint("GET", "/account", "account.own", show_account),
    Endpoint("POST", "/account/password", "account.own", do_password),
    Endpoint("POST", "/account/second-factor/start", "account.own", start_factor),
    Endpoint("POST", "/account/second-factor", "account.own", do_factor),
    Endpoint("POST", "/account/second-factor/remove", "account.own", remove_factor),
    Endpoint("POST", "/account/sessions/{id}/end", "account.own", do_end_session),
    Endpoint("POST", "/account/tokens", "tokens.own", do_token),
    Endpoint("POST", "/account/tokens/{id}/revoke", "tokens.own", do_revoke),
)
