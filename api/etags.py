"""Entity tags of JSON answers (RFC 9110, section 8.8.3): who has the newest already is told so in 304."""

import hashlib

from aiohttp import web
from aiohttp.typedefs import Handler

from api.endpoint import JSON


def matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110, section 13.1.2: weak comparison with each tag of the list, or with any (``*``)."""
    given = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return if_none_match.strip() == "*" or etag in given


@web.middleware
async def tag_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The tag is the hash of what would be sent, so that it is found after whatever the handler checks and records."""
    response = await handler(request)
    if not _tagged(request, response):
        return response
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    if matches(request.headers.get("If-None-Match", ""), etag):
        return web.Response(status=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return response


def _tagged(request: web.Request, response: web.StreamResponse) -> bool:
    """A GET or HEAD of the API that is answered with JSON, as a whole."""
    return (
        request.method in ("GET", "HEAD")
        and request.path.startswith("/api/")
        and response.status == 200
        and isinstance(response, web.Response)
        and isinstance(response.body, bytes)
        and response.content_type == JSON
        and "ETag" not in response.headers
    )
