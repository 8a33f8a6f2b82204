"""Text that is text, in one place: fields of forms before any handler sees them, and what JSON says.

U+0000 is kept by no PostgreSQL, and half a surrogate pair by nothing that writes UTF-8: both would be an error deep
inside.  What is public takes small forms only, since every field of a form costs memory before it is looked at.
"""

from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from aiohttp.web_request import FileField

from api.context import USER
from api.form_parts import UTF_8, read_parts
from api.problems import Problem

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
# Octets of a form without files; of one that nobody has logged in for.
LARGEST, LARGEST_PUBLIC = 1 << 20, 64 * 1024
NUL = "the text holds U+0000, which is no character of any language: leave it out"
HALF = "the text holds half of a surrogate pair (U+D800 to U+DFFF), which is no character: leave it out"
# The patterns of the routes that read their body themselves, as it comes.
STREAMED = web.AppKey("STREAMED", set[str])
# `_charset_` that is none is a RuntimeError.
_NO_FORM = (
    UnicodeError,
    LookupError,
    ValueError,
    RuntimeError,
    AssertionError,
    HttpProcessingError,
    web.RequestPayloadError,
)


@web.middleware
async def require_text(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only forms through whose every field is text."""
    if request.content_type in (URLENCODED, MULTIPART) and request.can_read_body and not _is_streamed(request):
        await form_of(request)
    return await handler(request)


async def form_of(request: web.Request) -> Any:
    """The fields of a form; a ``Problem`` 400, 413, 415 or 422 for what is none, or is no text."""
    if request._post is not None:
        return request._post  # read and looked at before
    if (request.charset or "utf-8").lower() not in UTF_8:
        raise Problem(415, "expected a form in UTF-8")
    most = LARGEST if request.content_type == URLENCODED else request.client_max_size
    if USER not in request:
        most = min(most, LARGEST_PUBLIC)
        if request.content_length is None:
            raise Problem(413, "expected a form whose length is told beforehand")
    if (request.content_length or 0) > most:
        raise Problem(413, f"expected a form of at most {most // 1024} KiB")
    if request.content_type == URLENCODED and len(await request.read()) > most:
        raise Problem(413, f"expected a form of at most {most // 1024} KiB")
    try:
        fields = await (read_parts(request) if request.content_type == MULTIPART else request.post())
    except _NO_FORM:
        raise Problem(400, "the form is malformed, cut short, or not in UTF-8") from None
    for name, value in fields.items():
        for text in (name, value.filename if isinstance(value, FileField) else value):
            if isinstance(text, str) and (fault := no_text(text)):
                raise Problem(422, fault)
    return fields


def no_text(value: str) -> str:
    """What is wrong with a text, or nothing."""
    if "\x00" in value:
        return NUL
    return HALF if any("\ud800" <= each <= "\udfff" for each in value) else ""


def _is_streamed(request: web.Request) -> bool:
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in request.app[STREAMED]
