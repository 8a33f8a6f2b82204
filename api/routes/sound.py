"""Sealed audio by ranges, through our process, after the ledger row is written."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from aiohttp import web

from api.context import context, signed_in
from api.etags import matches
from api.listening import LONGEST_PURPOSE, purpose_needed
from api.masking import mask_text
from api.problems import Problem
from api.ranges import Span, Unsatisfiable, parse_range, range_applies, still_matches
from api.scope import require_visible
from api.slow_clients import write
from archive.retrieve import SealedFile
from archive.wave import WaveView

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


@dataclass(frozen=True)
class _Shape:
    """One form of a sound: the sealed file as it is, or the same samples as WAV."""

    etag: str
    media_type: str
    size: int
    read: Callable[[int, int], bytes]


async def send_sound(request: web.Request, file: SealedFile, *, name: str = "") -> web.StreamResponse:
    """A verified file, or the part of it that is asked for; ``?form=wav`` decodes it on the way.  With a ``name``
    browsers save it."""
    shape = await asyncio.to_thread(_shape, file, wave=request.query.get("form") == "wav")
    headers = {"ETag": shape.etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-store"}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if not still_matches(_header(request, "If-Match"), shape.etag):
        raise Problem(412, "If-Match: 声音已不是那一份 / this is not the sound that was named", {"ETag": shape.etag})
    if matches(_header(request, "If-None-Match") or "", shape.etag):
        return web.Response(status=304, headers=headers)
    span = _span(request, shape)
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    response.content_type = shape.media_type
    if span:
        response.headers["Content-Range"] = span.content_range(shape.size)
    whole = span or Span(0, shape.size)
    response.content_length = whole.length
    await response.prepare(request)
    if request.method != "HEAD":
        await _send(request, response, shape.read, whole)
    await response.write_eof()
    return response


def _shape(file: SealedFile, *, wave: bool) -> _Shape:
    """What is no sound is sent as it is, whatever was asked for.  Blocking."""
    if wave:
        with suppress(ValueError):
            view = WaveView.of(file.path)
            return _Shape(f'"{file.sha256}-wav"', "audio/wav", view.size, view.read)
    return _Shape(f'"{file.sha256}"', file.media_type, file.size, partial(_read, file.path))


def _read(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as source:
        source.seek(start)
        return source.read(length)


def _header(request: web.Request, name: str) -> str | None:
    """A header's lines as one (RFC 9110, section 5.3); ``None`` where there is none."""
    return ", ".join(request.headers.getall(name, ())) or None


def _span(request: web.Request, shape: _Shape) -> Span | None:
    if request.method != "GET" or not range_applies(_header(request, "If-Range"), shape.etag):
        return None
    try:
        return parse_range(_header(request, "Range"), shape.size)
    except Unsatisfiable as error:
        raise Problem(416, str(error), {"Content-Range": f"bytes */{shape.size}"}) from None


async def send_bytes(request: web.Request, response: web.StreamResponse, path: Path, start: int, length: int) -> None:
    """Part of a file, piece by piece."""
    await _send(request, response, partial(_read, path), Span(start, start + length))


async def _send(
    request: web.Request, response: web.StreamResponse, read: Callable[[int, int], bytes], span: Span
) -> None:
    stall = context(request).settings.http_stall.total_seconds()
    at = span.start
    while at < span.stop:
        piece = await asyncio.to_thread(read, at, min(CHUNK, span.stop - at))
        if not piece:
            raise OSError("the file became shorter while it was read")
        await write(request, response, piece, stall)
        at += len(piece)
