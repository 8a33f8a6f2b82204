"""Login and logout, for machines and for the pages' script."""

from datetime import datetime, timedelta

from aiohttp import web

from api.access.secret import form_token
from api.access.signin import Locked, Login, finish, log_in, log_out
from api.client import client_of, is_https
from api.context import TOKEN, context
from api.endpoint import Endpoint, answer, read_body
from api.middleware import SESSION_COOKIE
from api.models import Done
from api.models_access import LoginAnswer, LoginRequest
from api.permissions import PUBLIC
from api.problems import Problem

WRONG = "用户名或密码不正确 / wrong name or password"
WRONG_CODE = "验证码不正确，或已经用过 / the code is wrong or was used already"
CODE_NEEDED = "请提供第二验证的验证码 / the code of the second factor is needed"


async def try_login(request: web.Request, name: str, password: str) -> Login:
    """Name and password, within the limits on guessing; a ``Problem`` 401 or 429 otherwise."""
    here = context(request)
    done = await log_in(here.database, here.checks, here.rules, name, password, client_of(request), now=here.now())
    return _entered(done, WRONG)


async def try_code(request: web.Request, half_token: str, code: str) -> Login:
    """The second factor, within the same limits; a ``Problem`` 401 or 429 otherwise."""
    here = context(request)
    done = await finish(here.database, here.rules, here.secrets, half_token, code, client_of(request), now=here.now())
    return _entered(done, WRONG_CODE)


def _entered(done: Login | Locked | None, wrong: str) -> Login:
    if isinstance(done, Locked):
        seconds = int(done.wait / timedelta(seconds=1)) + 1
        raise Problem(429, f"请在 {seconds} 秒后再试 / try again in {seconds} s", {"Retry-After": str(seconds)})
    if done is None:
        raise Problem(401, wrong)
    return done


def set_session_cookie(request: web.Request, response: web.Response, token: str, expires_at: datetime) -> None:
    """HttpOnly, SameSite=Lax, and Secure wherever the browser came by https (also before a proxy of ours)."""
    lasts = int((expires_at - context(request).now()).total_seconds())
    response.set_cookie(SESSION_COOKIE, token, max_age=lasts, httponly=True, samesite="Lax", secure=is_https(request))


async def post_login(request: web.Request) -> web.Response:
    asked = await read_body(request, LoginRequest)
    done = await try_login(request, asked.name, asked.password)
    if done.opened.half_open:
        if not asked.code:
            raise Problem(401, CODE_NEEDED)
        done = await try_code(request, done.opened.token, asked.code)
    return answer(
        LoginAnswer(
            name=done.user.name,
            role=done.user.role,
            token=done.opened.token,
            form_token=form_token(done.opened.token),
            expires_at=done.opened.expires_at,
            pending=done.user.pending,
        )
    )


async def post_logout(request: web.Request) -> web.Response:
    await log_out(context(request).database, request[TOKEN])
    response = answer(Done())
    response.del_cookie(SESSION_COOKIE)
    return response


ENDPOINTS = (
    Endpoint(
        "POST", "/api/v1/login", PUBLIC, post_login, "登录，取得令牌 / log in", takes=LoginRequest, answers=LoginAnswer
    ),
    Endpoint("POST", "/api/v1/logout", "session.end", post_logout, "退出 / log out", answers=Done),
)
