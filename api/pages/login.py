"""The login pages: name and password, then the code of the second factor, or the way over a provider."""

import logging
import secrets

from aiohttp import web

from api.access import oidc
from api.access.signin import Login, log_in_by_provider, log_out
from api.client import client_of, is_https
from api.context import LANGUAGE, TOKEN, USER, context
from api.endpoint import Endpoint
from api.language import half
from api.middleware import SESSION_COOKIE, require_form_token
from api.pages.rendering import local_path, render, see_other
from api.permissions import PUBLIC
from api.problems import Problem
from api.routes.session import set_session_cookie, try_code, try_login
from core.errors import Refused, Unavailable

log = logging.getLogger(__name__)

# Before login there is no session to derive a form token from: a random cookie stands in.
FORM_COOKIE = "huiyin_form"
# The half open session between password and second factor, and the login that went to the provider.
HALF_COOKIE, PROVIDER_COOKIE = "huiyin_half", "huiyin_provider"
NOT_LET_IN = "统一身份认证未成功，请重试 / the provider did not let you in, try again"
PROVIDER_AWAY = "统一身份认证暂时不可用，请稍后再试 / the provider does not answer, try again later"
UNKNOWN_THERE = "统一身份认证的账号没有对应的本系统账号 / no account here has this name at the provider"


async def show_login(request: web.Request) -> web.Response:
    if USER in request:
        return see_other(local_path(request.query.get("next", "/")))
    return _form(request, following=request.query.get("next", "/"))


async def do_login(request: web.Request) -> web.Response:
    await require_form_token(request, request.cookies.get(FORM_COOKIE, ""))
    form = await request.post()
    name, password, following = (str(form.get(field, "")) for field in ("name", "password", "next"))
    try:
        done = await try_login(request, name[:60].strip(), password[:200])
    except Problem as problem:
        response = _form(request, following=following, name=name[:60], message=problem.detail, status=problem.status)
        response.headers.update(problem.headers)
        return response
    return _let_in(request, done, following)


async def show_code(request: web.Request) -> web.Response:
    if HALF_COOKIE not in request.cookies:
        return see_other("/login")
    return _form(request, "login_code.html", following=request.query.get("next", "/"))


async def do_code(request: web.Request) -> web.Response:
    await require_form_token(request, request.cookies.get(FORM_COOKIE, ""))
    form = await request.post()
    following = str(form.get("next", ""))
    try:
        done = await try_code(request, request.cookies.get(HALF_COOKIE, ""), str(form.get("code", ""))[:40])
    except Problem as problem:
        response = _form(request, "login_code.html", following=following, message=problem.detail, status=problem.status)
        response.headers.update(problem.headers)
        return response
    return _let_in(request, done, following)


async def go_to_provider(request: web.Request) -> web.Response:
    """Send the browser to the provider; what it must come back with stays in a cookie of its own."""
    started = oidc.start(local_path(request.query.get("next", "/")))
    try:
        response = see_other(await oidc.sent_to(_provider(request), started))
    except (Refused, Unavailable) as error:
        return _refused(request, started.following, error)
    _keep(request, response, PROVIDER_COOKIE, str(started))
    return response


async def come_back(request: web.Request) -> web.Response:
    """The provider sent the browser back with a code: find out who it is, and let in whom we know."""
    provider, here = _provider(request), context(request)
    try:
        started = oidc.Started.parse(request.cookies.get(PROVIDER_COOKIE, ""))
    except ValueError:
        return _form(request, following="/", message="登录没有从这里开始，请重试 / start again here", status=400)
    try:
        name = await oidc.named(provider, started, request.query, here.now())
    except (Refused, Unavailable) as error:
        return _refused(request, started.following, error)
    done = await log_in_by_provider(here.database, here.rules, name, client_of(request), now=here.now())
    if done is None:
        response = _form(request, following=started.following, message=UNKNOWN_THERE, status=403)
    else:
        response = _let_in(request, done, started.following)
    response.del_cookie(PROVIDER_COOKIE)
    return response


def _refused(request: web.Request, following: str, error: Refused | Unavailable) -> web.Response:
    """Say it in the reader's words; the reason is for whoever set the provider up."""
    log.warning("a login by the provider failed", extra={"facts": {"reason": error}})
    away = isinstance(error, Unavailable)
    message, status = (PROVIDER_AWAY, 503) if away else (NOT_LET_IN, 403)
    response = _form(request, following=following, message=message, status=status)
    response.del_cookie(PROVIDER_COOKIE)
    return response


async def do_logout(request: web.Request) -> web.Response:
    await log_out(context(request).database, request[TOKEN])
    response = see_other("/login")
    response.del_cookie(SESSION_COOKIE)
    return response


def _let_in(request: web.Request, done: Login, following: str) -> web.Response:
    """The session's cookie, or that of the half open one and the page that asks for the code."""
    place = local_path(following)
    if done.opened.half_open:
        response = see_other(str(request.rel_url.with_path("/login/code").with_query(next=place)))
        _keep(request, response, HALF_COOKIE, done.opened.token)
        return response
    response = see_other("/account" if done.user.pending else place)
    set_session_cookie(request, response, done.opened.token, done.opened.expires_at)
    for cookie in (FORM_COOKIE, HALF_COOKIE):
        response.del_cookie(cookie)
    return response


def _provider(request: web.Request) -> oidc.Provider:
    """The provider of the settings; a ``Problem`` 404 where there is none."""
    settings = context(request).settings
    if not settings.oidc_issuer:
        raise Problem(404, "no provider is set up: see HUIYIN_OIDC_ISSUER")
    back = f"{settings.public_url.rstrip('/')}/login/provider/back"
    return oidc.Provider(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, settings.oidc_claim, back
    )


def _form(
    request: web.Request,
    template: str = "login.html",
    *,
    following: str,
    name: str = "",
    message: str = "",
    status: int = 200,
) -> web.Response:
    token = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    response = render(
        request,
        template,
        status=status,
        following=local_path(following),
        name=name,
        message=half(message, request.get(LANGUAGE, "zh")),
        form_token=token,
        provider=bool(context(request).settings.oidc_issuer),
    )
    _keep(request, response, FORM_COOKIE, token, 3600)
    return response


def _keep(request: web.Request, response: web.Response, cookie: str, value: str, lasts: int = 600) -> None:
    response.set_cookie(cookie, value, httponly=True, samesite="Lax", max_age=lasts, secure=is_https(request))


ENDPOINTS = (
    Endpoint("GET", "/login", PUBLIC, show_login),
    Endpoint("POST", "/login", PUBLIC, do_login),
    Endpoint("GET", "/login/code", PUBLIC, show_code),
    Endpoint("POST", "/login/code", PUBLIC, do_code),
    Endpoint("GET", "/login/provider", PUBLIC, go_to_provider),
    Endpoint("GET", "/login/provider/back", PUBLIC, come_back),
    Endpoint("POST", "/logout", "session.end", do_logout),
)
