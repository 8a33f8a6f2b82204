"""The text of an event stream (WHATWG HTML, section 9.2, “Server-sent events”).  Sans-IO."""

import re
from dataclasses import dataclass

MEDIA_TYPE = "text/event-stream"
# Nothing that a browser sees: it keeps proxies from taking the connection for dead.
HEARTBEAT = b":\n\n"
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Event:
    """One event.  ``id`` is what a client that lost its connection sends back; ``ValueError`` where one of ``name``
    and ``id`` would begin another field."""

    name: str
    data: str
    id: str

    def __post_init__(self) -> None:
        if any(_LINE_END.search(text) or "\0" in text for text in (self.name, self.id)):
            raise ValueError("a field of an event is one line")
        if not self.data:
            raise ValueError("an event without data is dropped by browsers")

    def __bytes__(self) -> bytes:
        fields = [f"id: {self.id}", f"event: {self.name}", *(f"data: {line}" for line in _LINE_END.split(self.data))]
        return "\n".join([*fields, "", ""]).encode()


def retry_after(milliseconds: int) -> bytes:
    """How long a client waits before it connects again."""
    return f"retry: {milliseconds}\n\n".encode()
