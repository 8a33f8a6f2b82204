"""Login and logout, for machines and for the pages' script."""

from datetime import datetime, timedelta

from aiohttp import web

from api.auth import Login, form_token, login, logout
from api.context import TOKEN, context
from api.endpoint import Endpoint, answer, read_body
from api.middleware import SESSION_COOKIE
from api.models import Done, LoginAnswer, LoginRequest
from api.permissions import PUBLIC
from api.problems import Problem

WRONG = "用户名或密码不正确 / wrong name or password"


async def try_login(request: web.Request, name: str, password: str) -> Login:
    """Log in, within the limits on guessing; a ``Problem`` 401 or 429 otherwise."""
    here = context(request)
    now, address = here.now(), request.remote or ""
    wait = here.guard.wait(name, address, now)
    if wait > timedelta(0):
        seconds = int(wait.total_seconds()) + 1
        raise Problem(429, f"请在 {seconds} 秒后再试 / try again in {seconds} s", {"Retry-After": str(seconds)})
    lasts = timedelta(hours=here.settings.session_hours)
    opened = await login(here.database, name, password, now=now, lasts=lasts)
    if opened is None:
        here.guard.failed(name, address, now)
        raise Problem(401, WRONG)
    here.guard.succeeded(name)
    return opened


def set_session_cookie(request: web.Request, response: web.Response, token: str, expires_at: datetime) -> None:
    """HttpOnly, SameSite=Lax, and Secure wherever the browser came by https (also before a proxy)."""
    secure = "https" in (request.scheme, request.headers.get("X-Forwarded-Proto", ""))
    lasts = int((expires_at - context(request).now()).total_seconds())
    response.set_cookie(SESSION_COOKIE, token, max_age=lasts, httponly=True, samesite="Lax", secure=secure)


async def post_login(request: web.Request) -> web.Response:
    asked = await read_body(request, LoginRequest)
    opened = await try_login(request, asked.name, asked.password)
    return answer(
        LoginAnswer(
            name=opened.user.name,
            role=opened.user.role,
            token=opened.token,
            form_token=form_token(opened.token),
            expires_at=opened.expires_at,
        )
    )


async def post_logout(request: web.Request) -> web.Response:
    await logout(context(request).database, request[TOKEN])
    response = answer(Done())
    response.del_cookie(SESSION_COOKIE)
    return response


ENDPOINTS = (
    Endpoint(
        "POST", "/api/v1/login", PUBLIC, post_login, "登录，取得令牌 / log in", takes=LoginRequest, answers=LoginAnswer
    ),
    Endpoint("POST", "/api/v1/logout", "session.end", post_logout, "退出 / log out", answers=Done),
)
