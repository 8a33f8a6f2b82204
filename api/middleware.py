"""What happens around every request: time and error id outside, then login, permission and form token inside."""

import logging
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from api.auth import form_token, same, user_of
from api.context import CONTEXT, LANGUAGE, TOKEN, USER, context
from api.language import COOKIE as LANGUAGE_COOKIE
from api.language import LANGUAGES
from api.permissions import PUBLIC, allows
from api.problems import Problem, problem_of, report

log = logging.getLogger(__name__)

SESSION_COOKIE = "huiyin_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")

PERMISSION_OF = web.AppKey("PERMISSION_OF", dict[tuple[str, str], str])
ErrorPage = Callable[[web.Request, Problem], web.StreamResponse]

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
        seconds = time.perf_counter() - begun
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


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, and let through only what the route's permission and the form token allow."""
    token, by_cookie = _token(request)
    request[TOKEN] = token
    user = await user_of(context(request).database, token, context(request).now()) if token else None
    if user:
        request[USER] = user
    permission = request.app[PERMISSION_OF].get((request.method, route_of(request)))
    if permission is None:
        return await handler(request)  # no such route or method: the router's own answer
    if not allows(permission, user.role if user else None):
        if user is None:
            raise Problem(401, "login is needed", {"WWW-Authenticate": "Bearer"})
        raise Problem(403, f"the role {user.role} may not do this ({permission})")
    if request.method not in SAFE_METHODS and by_cookie and permission != PUBLIC:
        await require_form_token(request, form_token(token))
    return await handler(request)


@web.middleware
async def choose_language(request: web.Request, handler: Handler) -> web.StreamResponse:
    """``?lang=en`` shows this page, and from now on every page, in English."""
    asked = request.query.get("lang", "")
    chosen = asked if asked in LANGUAGES else request.cookies.get(LANGUAGE_COOKIE, "")
    request[LANGUAGE] = chosen if chosen in LANGUAGES else LANGUAGES[0]
    response = await handler(request)
    if asked in LANGUAGES and not response.prepared:
        response.set_cookie(LANGUAGE_COOKIE, asked, max_age=31_536_000, samesite="Lax", httponly=True)
    return response


def _token(request: web.Request) -> tuple[str, bool]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip(), False
    return request.cookies.get(SESSION_COOKIE, ""), True


async def require_form_token(request: web.Request, expected: str) -> None:
    """A page of another site can send our cookie but cannot know this token."""
    given = request.headers.get("X-CSRF-Token", "")
    if not given and request.content_type in FORM_TYPES:
        field = (await request.post()).get("csrf", "")
        given = field if isinstance(field, str) else ""
    if not expected or not same(given, expected):
        raise Problem(403, "the form token is missing or out of date: reload the page and try again")
