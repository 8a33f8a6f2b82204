"""What the page before has done, said once on the page that a form leads to."""

import base64
import binascii
import json
from dataclasses import dataclass

from aiohttp import web

from api.language import english, translator

COOKIE = "huiyin_notice"
KINDS = ("good", "warn", "bad")
# Long enough for the redirect, on a slow line.
LASTS = 60
_LONGEST = 2000


@dataclass(frozen=True)
class Notice:
    """A sentence in the reader's language; ``kind``: good, warn or bad."""

    kind: str
    text: str


def leave(response: web.Response, phrase: str, kind: str = "good", **places: str | int) -> None:
    """Say ``phrase`` (of the catalogue) on the next page.  Places hold no names and telephone numbers."""
    said = json.dumps([kind, phrase, places], ensure_ascii=False).encode()
    value = base64.urlsafe_b64encode(said).decode()
    response.set_cookie(COOKIE, value, max_age=LASTS, httponly=True, samesite="Lax")


def take(request: web.Request, language: str) -> Notice | None:
    """What was left; a cookie that we did not write says nothing."""
    value = request.cookies.get(COOKIE, "")
    if not value or len(value) > _LONGEST:
        return None
    try:
        kind, phrase, places = json.loads(base64.urlsafe_b64decode(value))
        if kind not in KINDS or phrase not in english():
            return None
        return Notice(kind, translator(language)(phrase, **places))
    except (binascii.Error, ValueError, TypeError, LookupError, AttributeError):
        return None
