"""The parts of a multipart form, read by our own rules.

aiohttp would decode each field by the charset that the part itself names, and some of Python's codecs take time that
grows with the square of the text (punycode): here all text is UTF-8.
"""

import asyncio
from tempfile import SpooledTemporaryFile
from typing import Any, cast

from aiohttp import BodyPartReader, web
from aiohttp.web_request import FileField
from multidict import MultiDict, MultiDictProxy

from api.problems import Problem

UTF_8 = ("utf-8", "utf8", "us-ascii")
MOST_PARTS = 1000
# Octets of one field that is no file; of a file that are kept in memory.
LARGEST_FIELD, IN_MEMORY = 1 << 20, 1 << 20
_PIECE = 256 * 1024


async def read_parts(request: web.Request) -> MultiDictProxy[Any]:
    """Fields and files; what `web.Request.post` answers from now on.  ``ValueError`` for a malformed body."""
    found: MultiDict[Any] = MultiDict()
    reader, room = await request.multipart(), request.client_max_size
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise ValueError("a part is no field")
        if len(found) >= MOST_PARTS:
            raise Problem(413, f"expected at most {MOST_PARTS} fields")
        read = _file(part, room) if part.filename else _field(part, min(room, LARGEST_FIELD))
        value, size = await read
        found.add(part.name, value)
        room -= size
    request._post = MultiDictProxy(found)
    return request._post


async def _field(part: BodyPartReader, most: int) -> tuple[Any, int]:
    if part.get_charset("utf-8").lower() not in UTF_8:
        raise Problem(415, "expected every field in UTF-8")
    content = bytearray()
    while piece := await part.read_chunk(_PIECE):
        content += piece
        _require_at_most(len(content), most)
    return content.decode(), len(content)


async def _file(part: BodyPartReader, most: int) -> tuple[Any, int]:
    # Whoever handles the request reads it; it goes with the last reference to it.
    kept, size = SpooledTemporaryFile(IN_MEMORY), 0  # noqa: SIM115
    while piece := await part.read_chunk(_PIECE):
        size += len(piece)
        _require_at_most(size, most)
        await asyncio.to_thread(kept.write, piece)
    kept.seek(0)
    kind = part.headers.get("Content-Type", "application/octet-stream")
    return FileField(part.name or "", part.filename or "", cast(Any, kept), kind, part.headers), size


def _require_at_most(size: int, most: int) -> None:
    if size > most:
        raise Problem(413, f"expected at most {most // 1024} KiB")
