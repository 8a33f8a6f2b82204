"""The streams of one process: who follows what, the round that looks for news, and the limits.

A stream keeps no connection to the database: each round borrows one, for everybody.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from api.access.signin import Rules, holders
from api.access.user import User
from api.events.topics import Asked, Seen, Topic, look_at
from api.problems import Problem
from api.scope import sees_everything
from core.clock import Clock
from core.database import Database
from core.errors import NotFound

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """Seconds: between two looks; between two signs of life, since proxies take a silent connection for dead after
    half a minute; until a stream ends and its client connects again, to whichever process; and after which a client
    that takes nothing is gone."""

    look: float = 2.0
    heartbeat: float = 15.0
    life: float = 600.0
    write: float = 20.0


@dataclass(frozen=True)
class Watch:
    """One topic, as people of one team see it (``None``: of all teams)."""

    topic: Topic
    subject: UUID | None
    team: str | None


def watch(topic: Topic, user: User, subject: UUID | None) -> Watch:
    """What ``user`` follows: those who see the same share one look."""
    return Watch(topic, subject, None if sees_everything(user) else user.team)


@dataclass(eq=False)
class Stream:
    """One client that follows.  ``seen`` is the newest state; ``ended`` says why it is over."""

    watch: Watch
    user: User
    token: str
    seen: Seen
    ended: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, seen: Seen) -> None:
        """There is a new state."""
        if seen != self.seen:
            self.seen = seen
            self._news.set()

    def end(self, why: str) -> None:
        """It is over."""
        self.ended = why
        self._news.set()

    async def news(self, seconds: float) -> None:
        """Wait for either, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        self._news.clear()


class Streams:
    """All streams of this process.  ``most`` and ``most_each`` limit them, together and for each account."""

    def __init__(
        self, database: Database, rules: Callable[[], Rules], clock: Clock, *, most: int, most_each: int
    ) -> None:
        self._database, self._rules, self._clock = database, rules, clock
        self._most, self._most_each = most, most_each
        self.pace = Pace()
        self._open: set[Stream] = set()
        self._rounds: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def open(self, topic: Topic, user: User, token: str, subject: UUID | None) -> Stream:
        """Follow a topic; ``NotFound`` for a subject that is not there, ``Problem`` 429 or 503 beyond the limits."""
        self._require_room(user)
        async with self._database.read() as session:
            seen = await look_at(session, topic, Asked(user, subject, self._clock()))
        self._require_room(user)
        stream = Stream(watch(topic, user, subject), user, token, seen)
        self._open.add(stream)
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._keep_looking(), name="events")
        return stream

    def leave(self, stream: Stream) -> None:
        """A client is gone."""
        self._open.discard(stream)

    async def close(self, _app: web.Application) -> None:
        """End all streams: a restart waits for nobody who only listens."""
        self._closing = True
        for stream in self._open:
            stream.end("closing")
        if self._rounds is not None:
            self._rounds.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._rounds

    def _require_room(self, user: User) -> None:
        wait = {"Retry-After": "30"}
        if self._closing or len(self._open) >= self._most:
            raise Problem(503, "实时更新的连接已满，请稍后再试 / no room for another live connection, try later", wait)
        if sum(stream.user.name == user.name for stream in self._open) >= self._most_each:
            raise Problem(429, "这个账号打开的实时页面太多 / too many live pages of this account", wait)

    async def _keep_looking(self) -> None:
        while self._open:
            await asyncio.sleep(self.pace.look)
            try:
                await self._look()
            except (SQLAlchemyError, OSError) as error:
                log.warning("no news: the database is away", extra={"facts": {"error": type(error).__name__}})
                for stream in self._open:
                    stream.end("database away")

    async def _look(self) -> None:
        """One round: end the streams whose login is over, and tell the others what is new."""
        async with self._database.read() as session:
            known = await holders(session, {stream.token for stream in self._open}, self._clock(), self._rules())
            for stream in self._open:
                if known.get(stream.token) != stream.user:
                    stream.end("login over")
            for each in {stream.watch for stream in self._open if not stream.ended}:
                await self._tell(session, each)

    async def _tell(self, session: AsyncSession, watched: Watch) -> None:
        streams = [stream for stream in self._open if stream.watch == watched]
        if not streams:
            return
        try:
            asked = Asked(streams[0].user, watched.subject, self._clock())
            seen = await look_at(session, watched.topic, asked)
        except NotFound:
            for stream in streams:
                stream.end("gone")
        else:
            for stream in streams:
                stream.tell(seen)


STREAMS = web.AppKey("STREAMS", Streams)
