"""Sealed audio by ranges, through our process, after the ledger row is written."""

import asyncio
from pathlib import Path
from uuid import UUID

from aiohttp import web

from api.context import context, signed_in
from api.listening import LONGEST_PURPOSE, purpose_needed
from api.masking import mask_text
from api.problems import Problem
from api.ranges import Span, Unsatisfiable, parse_range, range_applies
from api.scope import require_visible
from archive.retrieve import SealedFile

CHUNK = 256 * 1024


async def get_audio(request: web.Request, recording_id: UUID) -> web.StreamResponse:
    """200, 206 or 304; a ``Problem`` 416 for a range outside the file.  No byte leaves before the ledger row, and for
    an auditor no row is written without a purpose (403)."""
    await require_visible(request, recording_id)
    here, user = context(request), signed_in(request)
    purpose = mask_text(request.query.get("purpose", "").strip()[:LONGEST_PURPOSE])
    if purpose_needed(user, purpose):
        raise Problem(403, "调阅录音前请写明用途 / say why before listening: ?purpose=…")
    file = await here.listenings.open(here.archive, recording_id, actor=user.name, purpose=purpose or "review")
    return await send_sound(request, file)


async def send_sound(request: web.Request, file: SealedFile) -> web.StreamResponse:
    """A verified file, or the part of it that is asked for."""
    etag = f'"{file.sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-store"}
    if request.headers.get("If-None-Match", "") == etag:
        return web.Response(status=304, headers=headers)
    span = _span(request, file, etag)
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    response.content_type = file.media_type
    if span:
        response.headers["Content-Range"] = span.content_range(file.size)
    whole = span or Span(0, file.size)
    response.content_length = whole.length
    await response.prepare(request)
    if request.method != "HEAD":
        await send_bytes(response, file.path, whole.start, whole.length)
    await response.write_eof()
    return response


def _span(request: web.Request, file: SealedFile, etag: str) -> Span | None:
    if not range_applies(request.headers.get("If-Range"), etag):
        return None
    try:
        return parse_range(request.headers.get("Range"), file.size)
    except Unsatisfiable as error:
        raise Problem(416, str(error), {"Content-Range": f"bytes */{file.size}"}) from None


async def send_bytes(response: web.StreamResponse, path: Path, start: int, length: int) -> None:
    """Part of a file, piece by piece."""
    with path.open("rb") as source:
        source.seek(start)
        left = length
        while left:
            piece = await asyncio.to_thread(source.read, min(CHUNK, left))
            if not piece:
                raise OSError("the file became shorter while it was read")
            await response.write(piece)
            left -= len(piece)
