"""Templates, and how moments, durations and sizes are written on pages."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from api.auth import form_token
from api.context import LANGUAGE, TOKEN, USER, context
from api.language import translator
from api.pages import labels
from api.permissions import allows
from api.problems import Problem

ROOT = Path(__file__).parent.parent
# The style sheet and script change only with the program: their time of change is their version.
VERSION = str(max(int(path.stat().st_mtime) for path in (ROOT / "static").iterdir()))


def set_up_templates(app: web.Application) -> None:
    """Everything is escaped; a name that a template misspells is an error."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        default_helpers=False,
    )
    environment.filters.update(clock=clock, size=size, marked=marked, segment=lambda text: quote(text, safe=""))
    environment.globals.update(labels=labels, version=VERSION)


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page, in the language of whoever asks."""
    user = request.get(USER)
    token = request.get(TOKEN, "")
    zone = context(request).settings.timezone

    def local(moment: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
        return moment.astimezone(zone).strftime(form) if moment else "—"

    def may(permission: str) -> bool:
        return allows(permission, user.role if user else None)

    language = request.get(LANGUAGE, "zh")
    everywhere = {
        "t": translator(language),
        "language": language,
        "switch": _switch(request, "en" if language == "zh" else "zh"),
        "user": user,
        "csrf": form_token(token) if user else "",
        "local": local,
        "may": may,
        "here": request.path,
        "organisation": context(request).settings.organisation,
    }
    return aiohttp_jinja2.render_template(template, request, {**everywhere, **values}, status=status)


def error_page(request: web.Request, problem: Problem) -> web.Response:
    """A problem as people read it; someone who is not logged in is sent to log in and comes back."""
    if problem.status == 401 and request.method in ("GET", "HEAD"):
        return see_other("/login?" + urlencode({"next": request.path_qs}))
    response = render(request, "error.html", status=problem.status, problem=problem)
    response.headers.update(problem.headers)
    return response


def see_other(location: str) -> web.Response:
    """Redirect after a form, by GET."""
    return web.Response(status=303, headers={"Location": location})


def local_path(text: str) -> str:
    """``text`` where it is a path of this site, else the start page: a login must not lead to another site."""
    plain = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if plain else "/"


def clock(milliseconds: int) -> str:
    """``75300`` → ``1:15``."""
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def size(number: int) -> str:
    """Bytes as people say them."""
    if number < 1024:
        return f"{number} B"
    return f"{number / 1024:.0f} KB" if number < 1024 * 1024 else f"{number / 1024 / 1024:.1f} MB"


def marked(text: str, marks: Sequence[tuple[int, int]]) -> Markup:
    """The text, escaped, with its found places in ``<mark>``."""
    parts: list[Markup] = []
    at = 0
    for start, end in marks:
        parts += [escape(text[at:start]), Markup("<mark>{}</mark>").format(text[start:end])]
        at = end
    return Markup().join([*parts, escape(text[at:])])


def _switch(request: web.Request, language: str) -> str:
    kept = [(name, value) for name, value in request.query.items() if name != "lang"]
    return "?" + urlencode([*kept, ("lang", language)])
