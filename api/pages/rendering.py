"""Templates, and how moments, durations and sizes are written on pages."""

import secrets
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup, escape

from api.access.secret import form_token
from api.assets import asset, script
from api.context import LANGUAGE, TOKEN, USER, context
from api.language import CHINESE, half, translator, written
from api.middleware import PERMISSION_OF, SECURITY_HEADERS
from api.pages import labels, notes, notices
from api.pages.navigation import navigation
from api.permissions import allows
from api.problems import Problem

TEMPLATES = Path(__file__).parent.parent / "templates"
THEMES = ("auto", "light", "dark")
THEME = web.RequestKey("THEME", str)
_STYLE_NONCE = web.RequestKey("STYLE_NONCE", str)


def set_up_templates(app: web.Application) -> None:
    """What is in a template is the same for every application of a process."""
    app[aiohttp_jinja2.APP_KEY] = _environment()


@cache
def _environment() -> jinja2.Environment:
    """Everything is escaped; a name that a template misspells is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Templates change with the program: no look at the disk for each page, and none is thrown out for another.
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters.update(
        browser=labels.browser_word, clock=clock, size=size, marked=marked, segment=lambda text: quote(text, safe="")
    )
    environment.globals.update(labels=labels, notes=notes, asset=asset)
    return environment


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page, in the language of whoever asks; what the page before left to say is said once."""
    language = request.get(LANGUAGE, "zh")
    notice = notices.take(request, language)
    everywhere = {**_words(request, language), **_person(request), "notice": notice}
    response = aiohttp_jinja2.render_template(template, request, {**everywhere, **values}, status=status)
    if notices.COOKIE in request.cookies:
        response.del_cookie(notices.COOKIE)
    if nonce := request.get(_STYLE_NONCE):
        policy = SECURITY_HEADERS["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = policy.replace("style-src ", f"style-src 'nonce-{nonce}' ")
    return response


def _words(request: web.Request, language: str) -> dict[str, Any]:
    """How things are said and written."""
    zone = context(request).settings.timezone

    def local(moment: datetime | date | str | None, form: str = "minute") -> str:
        """A day alone (or its ISO text) is written as a day, whatever ``form`` says."""
        if not moment:
            return "—"
        if isinstance(moment, str):
            moment = date.fromisoformat(moment)
        if not isinstance(moment, datetime):
            return written(moment, "day", language)
        return written(moment.astimezone(zone), form, language)

    def style_nonce() -> str:
        """For a script that brings style sheets of its own: the page's policy then lets them in."""
        if _STYLE_NONCE not in request:
            request[_STYLE_NONCE] = secrets.token_urlsafe(16)
        return request[_STYLE_NONCE]

    def suggestions(identifier: str, dictionary: str) -> Markup:
        """What a dictionary offers in a field with ``list="…"``, in its own words; in English with what they mean."""
        here = context(request)
        words = here.in_force.words_on(dictionary, here.today())
        meant = [word.english if language == "en" and word.english else word.value for word in words]
        options = [
            Markup('<option value="{}" label="{}"></option>').format(word.value, label)
            for word, label in zip(words, meant, strict=True)
        ]
        return Markup('<datalist id="{}">{}</datalist>').format(identifier, Markup().join(options))

    return {
        "t": translator(language),
        "suggestions": suggestions,
        "half": partial(half, language=language),
        "language": language,
        "theme": request.get(THEME, THEMES[0]),
        "local": local,
        "script": partial(script, language=language),
        "style_nonce": style_nonce,
        "came_from": came_from(request),
        "organisation": context(request).settings.organisation,
    }


def _person(request: web.Request) -> dict[str, Any]:
    """Who asks, and what is offered to them."""
    user = request.get(USER)
    role = user.role if user else None
    permission_of = request.app[PERMISSION_OF]

    def may(permission: str) -> bool:
        return allows(permission, role)

    return {
        "user": user,
        "csrf": form_token(request.get(TOKEN, "")) if user else "",
        "may": may,
        "here": request.path,
        "has": lambda path: ("GET", path) in permission_of,
        "menu": navigation(permission_of, role, request.path) if user else (),
    }


def error_page(request: web.Request, problem: Problem) -> web.Response:
    """A problem as people read it; someone who is not logged in is sent to log in and comes back."""
    if problem.status == 401 and request.method in ("GET", "HEAD"):
        return see_other("/login?" + urlencode({"next": request.path_qs}))
    if problem.status == 403 and "Location" in problem.headers and request.method in ("GET", "HEAD"):
        return see_other(problem.headers["Location"])  # something has to be done there first
    language = request.get(LANGUAGE, "zh")
    # What the title says is not said twice.
    said = "" if half(problem.detail, "zh") == problem.phrase else half(problem.detail, language)
    plain = said != problem.detail or (language == "en") != bool(CHINESE.search(said))
    response = render(request, "error.html", status=problem.status, problem=problem, said=said, plain=plain)
    response.headers.update(problem.headers)
    return response


def see_other(location: str, notice: str = "", kind: str = "good", **places: str | int) -> web.Response:
    """Redirect after a form, by GET; ``notice`` is a phrase of the catalogue that the next page says once."""
    response = web.Response(status=303, headers={"Location": location})
    if notice:
        notices.leave(response, notice, kind, **places)
    return response


def came_from(request: web.Request) -> str:
    """The page to return to: this one, or the one whose form led here."""
    if request.method in ("GET", "HEAD"):
        return without_language(request)
    return local_path(urlsplit(request.headers.get("Referer", "/")).path)


def without_language(request: web.Request) -> str:
    """This address; a language in it would win over the one that is chosen now."""
    return str(request.rel_url.without_query_params("lang"))


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
