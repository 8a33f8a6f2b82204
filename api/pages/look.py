"""Language and colours, chosen once and kept by the browser: ``auto`` follows the machine."""

from aiohttp import web
from aiohttp.typedefs import Handler

from api.context import LANGUAGE
from api.endpoint import Endpoint
from api.language import COOKIE as LANGUAGE_COOKIE
from api.language import LANGUAGES
from api.pages.rendering import THEME, THEMES, local_path, see_other
from api.permissions import PUBLIC

THEME_COOKIE = "huiyin_theme"
_YEAR = 31_536_000


@web.middleware
async def choose_look(request: web.Request, handler: Handler) -> web.StreamResponse:
    """``?lang=en`` shows this page, and from now on every page, in English."""
    asked = request.query.get("lang", "")
    chosen = asked if asked in LANGUAGES else request.cookies.get(LANGUAGE_COOKIE, "")
    request[LANGUAGE] = chosen if chosen in LANGUAGES else LANGUAGES[0]
    theme = request.cookies.get(THEME_COOKIE, "")
    request[THEME] = theme if theme in THEMES else THEMES[0]
    response = await handler(request)
    if asked in LANGUAGES and not response.prepared:
        _keep(response, LANGUAGE_COOKIE, asked)
    return response


async def do_look(request: web.Request) -> web.Response:
    """Keep what the form chose, and go back to the page that it stood on."""
    form = await request.post()
    response = see_other(local_path(str(form.get("next", "/"))))
    for field, allowed, cookie in (("language", LANGUAGES, LANGUAGE_COOKIE), ("theme", THEMES, THEME_COOKIE)):
        value = str(form.get(field, ""))
        if value in allowed:
            _keep(response, cookie, value)
    return response


def _keep(response: web.StreamResponse, cookie: str, value: str) -> None:
    response.set_cookie(cookie, value, max_age=_YEAR, samesite="Lax", httponly=True)


# Whoever is not logged in chooses too; a stranger who sent this form would change colours, nothing else.
ENDPOINTS = (Endpoint("POST", "/look", PUBLIC, do_look),)
