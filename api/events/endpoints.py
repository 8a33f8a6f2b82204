"""``GET /events/…``: one stream of events for each topic, under the permission of the pages that follow it."""

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from aiohttp import web

from api.context import TOKEN, context, signed_in
from api.endpoint import Endpoint
from api.events.message import HEARTBEAT, MEDIA_TYPE, Event, retry_after
from api.events.streams import STREAMS, Stream
from api.events.topics import TOPICS, Asked, Topic, look_at
from api.middleware import note_answered
from api.routes.recordings import path_id
from api.slow_clients import write

RETRY_MILLISECONDS = 3000
CHANGED = "changed"
HEADERS = {
    "Content-Type": MEDIA_TYPE,
    "Cache-Control": "no-store",
    # nginx would hold events back until a buffer is full.
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True)
class Followed:
    """What a page follows, and which version it shows."""

    path: str
    version: str


async def followed(request: web.Request, topic: Topic, subject: UUID | None = None) -> Followed:
    """For a page that follows a topic.  Ask before the page's own queries: what changes in between is then told."""
    here = context(request)
    async with here.database.read() as session:
        seen = await look_at(session, topic, Asked(signed_in(request), subject, here.now()))
    return Followed(f"/events/{topic.path.format(id=subject)}", seen.version)


async def follow(topic: Topic, request: web.Request) -> web.StreamResponse:
    """Tell what changes, until the client leaves, its login ends, or its time is over."""
    subject = path_id(request) if "id" in request.match_info else None
    response = web.StreamResponse(headers=HEADERS)
    if request.method == "HEAD":
        # Another team's is not there for HEAD either.
        await followed(request, topic, subject)
        return response
    stream = await request.app[STREAMS].open(topic, signed_in(request), request[TOKEN], subject)
    try:
        await response.prepare(request)
        note_answered(request)
        await _tell(request, response, stream)
    finally:
        request.app[STREAMS].leave(stream)
    return response


async def _tell(request: web.Request, response: web.StreamResponse, stream: Stream) -> None:
    loop, pace = asyncio.get_running_loop(), request.app[STREAMS].pace
    # Not all at the same moment again, after a restart.
    until = loop.time() + pace.life * random.uniform(0.8, 1.2)
    known = request.headers.get("Last-Event-ID") or request.query.get("since", "")
    await write(request, response, retry_after(RETRY_MILLISECONDS), pace.write)
    while not stream.ended and loop.time() < until:
        seen = stream.seen
        if seen.version == known:
            await write(request, response, HEARTBEAT, pace.write)
        else:
            data = seen.state if stream.watch.topic.told else f'"{seen.version}"'
            await write(request, response, bytes(Event(CHANGED, data, seen.version)), pace.write)
            known = seen.version
        await stream.news(min(pace.heartbeat, max(0.0, until - loop.time())))


ENDPOINTS = tuple(
    Endpoint("GET", f"/events/{topic.path}", topic.permission, partial(follow, topic)) for topic in TOPICS
)
