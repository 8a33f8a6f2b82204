"""Upload of finished recordings.

The body is written to disk as it comes, in pieces; limits are counted on what has arrived, whatever its headers say.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.multipart import MultipartReader

from api.context import Context, context, signed_in
from api.endpoint import MULTIPART, Endpoint, answer
from api.intake.facts import FinishedCall
from api.intake.room import MEGABYTE, incoming, require_room
from api.intake.taking import Taken, Unusable, take_in
from api.models_uploads import UploadAnswer, UploadForm
from api.problems import Problem

T = TypeVar("T")
PIECE = 256 * 1024
# After so many octets it is asked again whether there is room.
LOOK = 16 * MEGABYTE
LARGEST_FACTS = 64 * 1024


@dataclass(frozen=True)
class _Delivery:
    """What one request brought."""

    call: FinishedCall
    file: Path


async def post_recording(request: web.Request) -> web.Response:
    """201, or 200 where this very file is here; 409 for another file, 422 for what is no sound or no facts."""
    here = context(request)
    if request.content_type != MULTIPART:
        raise Problem(415, "expected multipart/form-data with the parts metadata and file")
    most = here.settings.upload_max_mb * MEGABYTE
    if (request.content_length or 0) > most + PIECE:
        raise _too_large(here)
    with incoming(here.settings) as directory:
        delivery = await _receive(request, here, Path(directory), most)
        try:
            taken = await take_in(here.archive, here.settings, delivery.call, delivery.file, by=signed_in(request).name)
        except Unusable as error:
            raise Problem(422, str(error)) from None
    return answer(upload_answer(taken), status=201 if taken.new else 200)


async def _receive(request: web.Request, here: Context, directory: Path, most: int) -> _Delivery:
    """Both parts, in whichever order; a ``Problem`` for anything else."""
    call, file = None, None
    stall = here.settings.upload_stall.total_seconds()
    try:
        reader = await request.multipart()
        while (part := await _soon(reader.next(), stall)) is not None:
            name = "" if isinstance(part, MultipartReader) else part.name
            if name == "metadata" and call is None and isinstance(part, BodyPartReader):
                call = await _facts(part, stall)
            elif name == "file" and file is None and isinstance(part, BodyPartReader):
                file = directory / "file"
                await _write(here, part, file, most)
            else:
                raise Problem(422, "expected one part named metadata and one named file, and no other")
    except (ValueError, AssertionError, HttpProcessingError, web.RequestPayloadError):
        raise Problem(400, "the multipart body is malformed or was cut short") from None
    if call is None or file is None:
        raise Problem(422, f"the part named {'metadata' if call is None else 'file'} is missing")
    return _Delivery(call, file)


async def _soon(coming: Awaitable[T], seconds: float) -> T:
    """What comes next; a ``Problem`` 408 when nothing comes for that long."""
    try:
        async with asyncio.timeout(seconds):
            return await coming
    except TimeoutError:
        raise Problem(408, f"nothing arrived for {seconds:g} s", {"Connection": "close"}) from None


async def _facts(part: BodyPartReader, stall: float) -> FinishedCall:
    content = bytearray()
    while piece := await _soon(part.read_chunk(PIECE), stall):
        content += piece
        if len(content) > LARGEST_FACTS:
            raise Problem(413, "metadata: expected at most 64 KiB")
    try:
        return FinishedCall.read(bytes(content))
    except ValueError as error:
        raise Problem(422, f"metadata.{error}") from None


async def _write(here: Context, part: BodyPartReader, target: Path, most: int) -> None:
    """A ``Problem`` 413 as soon as there is more than ``most``."""
    size, stall = 0, here.settings.upload_stall.total_seconds()
    with target.open("wb") as file:
        while piece := await _soon(part.read_chunk(PIECE), stall):
            if size // LOOK != (size + len(piece)) // LOOK:
                require_room(here.settings)
            size += len(piece)
            if size > most:
                raise _too_large(here)
            await asyncio.to_thread(file.write, piece)


def _too_large(here: Context) -> Problem:
    return Problem(413, f"expected at most {here.settings.upload_max_mb} MB: see HUIYIN_UPLOAD_MAX_MB")


def upload_answer(taken: Taken) -> UploadAnswer:
    """What was taken in, as the API says it."""
    row = taken.recording
    return UploadAnswer(
        id=row.id,
        call_id=row.sip_call_id,
        sha256=taken.sha256,
        duration_ms=row.duration_ms,
        flags=row.flags,
        retain_until=row.retain_until,
        new=taken.new,
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/recordings",
        "recordings.upload",
        post_recording,
        "上传已录好的通话（同一编号同一文件可重复上传） / deliver a finished recording; again is harmless",
        takes=UploadForm,
        takes_media=MULTIPART,
        answers=UploadAnswer,
        status=201,
        again=200,
        streams=True,
    ),
)
