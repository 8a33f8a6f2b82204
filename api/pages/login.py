"""The login page."""

import secrets

from aiohttp import web

from api.auth import logout
from api.context import TOKEN, USER, context
from api.endpoint import Endpoint
from api.middleware import SESSION_COOKIE, require_form_token
from api.pages.rendering import local_path, render, see_other
from api.permissions import PUBLIC
from api.problems import Problem
from api.routes.session import set_session_cookie, try_login

# Before login there is no session to derive a form token from: a random cookie stands in.
FORM_COOKIE = "huiyin_form"


async def show_login(request: web.Request) -> web.Response:
    if USER in request:
        return see_other(local_path(request.query.get("next", "/")))
    return _form(request, following=request.query.get("next", "/"))


async def do_login(request: web.Request) -> web.Response:
    await require_form_token(request, request.cookies.get(FORM_COOKIE, ""))
    form = await request.post()
    name, password, following = (str(form.get(field, "")) for field in ("name", "password", "next"))
    try:
        opened = await try_login(request, name[:60].strip(), password[:200])
    except Problem as problem:
        response = _form(request, following=following, name=name[:60], message=problem.detail, status=problem.status)
        response.headers.update(problem.headers)
        return response
    response = see_other(local_path(following))
    set_session_cookie(request, response, opened.token, opened.expires_at)
    response.del_cookie(FORM_COOKIE)
    return response


async def do_logout(request: web.Request) -> web.Response:
    await logout(context(request).database, request[TOKEN])
    response = see_other("/login")
    response.del_cookie(SESSION_COOKIE)
    return response


def _form(
    request: web.Request, *, following: str, name: str = "", message: str = "", status: int = 200
) -> web.Response:
    token = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    response = render(
        request,
        "login.html",
        status=status,
        following=local_path(following),
        name=name,
        message=message,
        form_token=token,
    )
    response.set_cookie(FORM_COOKIE, token, httponly=True, samesite="Lax", max_age=3600)
    return response


ENDPOINTS = (
    Endpoint("GET", "/login", PUBLIC, show_login),
    Endpoint("POST", "/login", PUBLIC, do_login),
    Endpoint("POST", "/logout", "session.end", do_logout),
)
