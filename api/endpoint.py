"""One route: where it is, which permission it needs, and what the OpenAPI document says about it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from api.context import USER
from api.permissions import PUBLIC
from api.plain_text import HALF, NUL
from api.problems import Problem

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = "application/json"
# Octets of a JSON body: ten thousand identifiers, or hours of corrected text; and what a login needs.
LARGEST, LARGEST_PUBLIC = 4 << 20, 64 * 1024
_BODY = web.RequestKey("BODY", bytes)
MULTIPART = "multipart/form-data"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@dataclass(frozen=True)
class Endpoint:
    """``query``, ``takes`` and ``answers`` are models; ``media`` names what is answered where no model does.

    ``again`` is the status of the same answer where nothing new was done (0: there is no such case)."""

    method: str
    path: str
    permission: str
    handler: Handler
    summary: str = ""
    query: type[BaseModel] | None = None
    takes: type[BaseModel] | None = None
    takes_media: str = JSON
    answers: type[BaseModel] | None = None
    media: str = JSON
    status: int = 200
    again: int = 0
    # Looks something up by POST: nothing is created or decided, and the same again is answered anew.
    reads: bool = False
    # The handler reads the body itself, piece by piece, and limits what it takes.
    streams: bool = False

    @property
    def takes_key(self) -> bool:
        """Whether the same under the same ``Idempotency-Key`` is done once.  Files that are uploaded have keys of their
        own: the call's identifier, an order's number."""
        writes = self.method == "POST" and self.permission != PUBLIC and self.path.startswith("/api/")
        return writes and not self.reads and self.takes_media == JSON


def read_query(request: web.Request, model: type[M]) -> M:
    """The query string as a model; a ``Problem`` 400 names the first parameter that is wrong."""
    return parse_query({name: value for name, value in request.query.items() if name != "lang"}, model)


def parse_query(values: Mapping[str, str], model: type[M]) -> M:
    """As ``read_query``; empty values count as absent."""
    try:
        return model.model_validate({name: value for name, value in values.items() if value != ""})
    except ValidationError as error:
        raise Problem(400, _first(error)) from None


async def body_of(request: web.Request) -> bytes:
    """The octets of a JSON body, as often as they are asked for; a ``Problem`` 413 for more than one may hold, less for
    who has not logged in."""
    if _BODY in request:
        return request[_BODY]
    most = LARGEST if USER in request else LARGEST_PUBLIC
    taken = bytearray()
    if (request.content_length or 0) <= most:
        async for piece in request.content.iter_any():
            taken += piece
            if len(taken) > most:
                break
    if (request.content_length or 0) > most or len(taken) > most:
        raise Problem(413, f"expected a body of at most {most // 1024} KiB")
    request[_BODY] = bytes(taken)
    return request[_BODY]


async def read_body(request: web.Request, model: type[M]) -> M:
    """The JSON body as a model; a ``Problem`` 415 or 422 says what is wrong."""
    if request.content_type != JSON:
        raise Problem(415, "expected application/json")
    content = await body_of(request)
    if b"\\u0000" in content and _has_nul(content):
        raise Problem(422, NUL)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        # The parser's own words for half a pair name a place, not the fault.
        halved = first["type"] == "json_invalid" and "hex escape" in first["msg"]
        raise Problem(422, HALF if halved else _first(error)) from None


def answer(model: BaseModel, status: int = 200) -> web.Response:
    """A model as a JSON answer."""
    return web.Response(status=status, text=model.model_dump_json(by_alias=True), content_type=JSON)


def _has_nul(content: bytes) -> bool:
    """Whether any text of a JSON document holds U+0000, which PostgreSQL cannot keep; False for what is no JSON."""
    try:
        waiting = [json.loads(content)]
    except (ValueError, RecursionError):
        return False
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "\x00" in value:
            return True
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
