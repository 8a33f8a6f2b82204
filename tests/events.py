"""A reader of event streams, by the letter of WHATWG HTML section 9.2.6; shares no code with what writes them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import ClientResponse

# How long a busy machine may take; nothing is measured.
PATIENCE = 240.0


@dataclass
class Message:
    """One dispatched event."""

    name: str
    data: str
    last_id: str


@dataclass
class Reader:
    """Fed with lines; ``retry`` in milliseconds, as last told."""

    last_id: str = ""
    retry: int | None = None
    comments: int = 0
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def line(self, text: str) -> Message | None:
        """The event that an empty line dispatches."""
        if not text:
            return self._dispatch()
        if text.startswith(":"):
            self.comments += 1
            return None
        name, _, value = text.partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatch(self) -> Message | None:
        name, data = self._name or "message", "\n".join(self._data)
        self._name, self._data = "", []
        return Message(name, data, self.last_id) if data else None


@dataclass
class Follower:
    """One open stream."""

    answer: ClientResponse
    reader: Reader = field(default_factory=Reader)

    async def _lines(self) -> AsyncIterator[str]:
        while line := await self.answer.content.readline():
            yield line.decode().removesuffix("\n")

    async def event(self) -> Message:
        """The next one; ``EOFError`` when the stream ends instead."""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines():
                if found := self.reader.line(line):
                    return found
        raise EOFError("the stream ended")

    async def until_it_ends(self) -> list[Message]:
        """What still comes, up to the end."""
        async with asyncio.timeout(PATIENCE):
            found = [self.reader.line(line) async for line in self._lines()]
        return [each for each in found if each]
