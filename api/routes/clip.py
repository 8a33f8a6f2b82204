"""A clip of a recording for people to take along: cut out, levelled or mixed down on request, always a copy."""

import asyncio
from uuid import UUID

from aiohttp import web

from api.context import context, signed_in
from api.endpoint import read_query
from api.masking import mask_text
from api.models import ClipQuery
from api.problems import Problem
from api.scope import require_visible
from archive.clips import Clip
from archive.retrieve import SealedFile, open_audio


async def get_clip(request: web.Request, recording_id: UUID) -> web.Response:
    """The span as a WAV file.  The ledger row names it and its purpose, and is written before anything is read."""
    asked = read_query(request, ClipQuery)
    if asked.end is not None and asked.end <= asked.start:
        raise Problem(400, "end: must lie after start")
    span = f"{asked.start:g}-{'' if asked.end is None else f'{asked.end:g}'} s"
    await require_visible(request, recording_id)
    file = await open_audio(
        context(request).archive,
        recording_id,
        actor=signed_in(request).name,
        purpose=f"clip {span}: {mask_text(asked.purpose)}",
    )
    try:
        content = await asyncio.to_thread(_cut, file, asked)
    except ValueError as error:
        raise Problem(400, f"start, end: {error}") from None
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="{recording_id}-{asked.start:g}.wav"',
    }
    return web.Response(body=content, content_type="audio/wav", headers=headers)


def _cut(file: SealedFile, asked: ClipQuery) -> bytes:
    end_ms = None if asked.end is None else round(asked.end * 1000)
    clip = Clip.read(file.path, start_ms=round(asked.start * 1000), end_ms=end_ms)
    clip = clip.normalised() if asked.level else clip
    return (clip.mixed_down() if asked.mix else clip).to_bytes("WAV")
