"""What happens around every request: time and error id outside, then login, permission and form token inside."""

import logging
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from api.access.attempts import network_of
from api.access.secret import form_token, same
from api.access.signin import user_of
from api.access.user import NEW_FACTOR, NEW_PASSWORD, User
from api.client import PROBES, address_of, is_https, names_us
from api.context import CONTEXT, TOKEN, USER, context
from api.permissions import PUBLIC
from api.plain_text import form_of
from api.problems import Problem, problem_of, report

log = logging.getLogger(__name__)

SESSION_COOKIE = "huiyin_session"
# What a page sends with what it asks for by itself.
BACKGROUND = "X-Huiyin-Background"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")

# What is open to somebody who has something to do first.
WHILE_PENDING = frozenset({"session.end", "start.see", "account.own"})
PENDING = {
    NEW_PASSWORD: "请先在“我的账户”修改密码 / change your password first, in My account",
    NEW_FACTOR: "请先在“我的账户”设置第二验证 / set up a second factor first, in My account",
}

OTHER_NAME = "本服务用的是另一个网址，见 HUIYIN_PUBLIC_URL / this service has another name: see HUIYIN_PUBLIC_URL"
NO_CHARACTER = "网址里有 U+0000，它不是文字，请去掉 / the address holds U+0000, which is no character: leave it out"
OLD_FORM = "表单已过时，请返回上一页、刷新后再试 / this form is out of date: go back, reload the page and try again"

PERMISSION_OF = web.AppKey("PERMISSION_OF", dict[tuple[str, str], str])
# When the answer began, for one that goes on after that.
_ANSWERED = web.RequestKey("ANSWERED", float)
ErrorPage = Callable[[web.Request, Problem], web.StreamResponse]

# Which program answers, and not which version of what.
SERVER = "huiyin"
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A handler that knows better has set its own header; everything private stays out of caches."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = SERVER
    if is_https(request):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    response.headers.setdefault("Cache-Control", "no-store")


def route_of(request: web.Request) -> str:
    """The pattern of the route, which holds no identifier; ``unknown`` for addresses that do not exist."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unknown"


def observing(error_page: ErrorPage) -> Middleware:
    """The outermost layer: every answer is timed and logged, every error becomes a problem with an id."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        try:
            response = await handler(request)
        except Exception as error:  # the server's outer loop: whatever happens gets an answer and an id
            problem = problem_of(error)
            report(problem, error, method=request.method, route=route_of(request))
            response = error_page(request, problem)
        seconds = request.get(_ANSWERED, time.perf_counter()) - begun
        request.app[CONTEXT].metrics.answered(request.method, route_of(request), response.status, seconds)
        facts = {
            "method": request.method,
            "route": route_of(request),
            "status": response.status,
            "ms": round(seconds * 1000, 1),
        }
        log.info("answered", extra={"facts": facts})
        return response

    return observe


def note_answered(request: web.Request) -> None:
    """The answer has begun: what is told after that is not the time that it took."""
    request[_ANSWERED] = time.perf_counter()


def _in_background(request: web.Request) -> bool:
    """Whether a page asks by itself, with perhaps nobody before it."""
    return request.path.startswith("/events/") or BACKGROUND in request.headers


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, and let through only what the route's permission and the form token allow."""
    if not names_us(request):
        raise Problem(421, OTHER_NAME)
    if "\x00" in request.path or "\x00" in request.query_string:
        raise Problem(400, NO_CHARACTER)
    if request.path.startswith("/static/"):
        return await handler(request)  # everybody's, and asked for often: nobody is looked up
    token, by_cookie = _token(request)
    request[TOKEN] = token
    here = context(request)
    if request.path not in PROBES:
        await here.in_force.look()
    used = not _in_background(request)
    user = await user_of(here.database, token, here.now(), here.rules, used=used) if token else None
    if user:
        request[USER] = user
    _limit(request, user)
    permission = request.app[PERMISSION_OF].get((request.method, route_of(request)))
    if permission is None:
        return await handler(request)  # no such route or method: the router's own answer
    _require(permission, user)
    if request.method not in SAFE_METHODS and by_cookie and permission != PUBLIC:
        await require_form_token(request, form_token(token))
    return await handler(request)


def _require(permission: str, user: User | None) -> None:
    if permission == PUBLIC:
        return
    if user is None:
        raise Problem(401, "请先登录 / login is needed", {"WWW-Authenticate": "Bearer"})
    if not user.may(permission):
        raise Problem(403, f"角色没有这项权限（{permission}） / the role {user.role} may not do this ({permission})")
    if user.pending and permission not in WHILE_PENDING:
        raise Problem(403, PENDING[user.pending], {"Location": "/account"})


def _limit(request: web.Request, user: User | None) -> None:
    """Each user has a share; who is not logged in shares that of the address."""
    if request.path in PROBES:
        return
    key = f"user {user.name}" if user else f"address {network_of(address_of(request))}"
    here = context(request)
    here.limit.per_minute = here.settings.requests_per_minute
    wait = here.limit.wait(key, time.monotonic())
    if wait > 0:
        seconds = int(wait) + 1
        raise Problem(429, f"请在 {seconds} 秒后再试 / try again in {seconds} s", {"Retry-After": str(seconds)})


def _token(request: web.Request) -> tuple[str, bool]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip(), False
    return request.cookies.get(SESSION_COOKIE, ""), True


async def require_form_token(request: web.Request, expected: str) -> None:
    """A page of another site can send our cookie but cannot know this token."""
    given = request.headers.get("X-CSRF-Token", "")
    if not given and request.content_type in FORM_TYPES:
        field = (await form_of(request)).get("csrf", "")
        given = field if isinstance(field, str) else ""
    if not expected or not same(given, expected):
        raise Problem(403, OLD_FORM)
