"""SIP messages: tolerant bytes parser, printer and TCP framing (RFC 3261, sections 7 and 18.3).

Text is UTF-8 with ``surrogateescape``, so that bytes in any other encoding come out exactly as they went in;
``readable`` turns such text into what a person meant (Chinese gateways send GBK display names).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Self, TypeVar

from telephony.sip.header import Address, CSeq, Via, check_uri, split_outside

MAX_HEAD, MAX_BODY = 64 * 1024, 1024 * 1024

Headers = tuple[tuple[str, str], ...]

_COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition",
    "e": "content-encoding", "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported",
    "l": "content-length", "m": "contact", "n": "identity-info", "o": "event", "r": "refer-to", "s": "subject",
    "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}  # fmt: skip
_TOKEN = r"[A-Za-z0-9.!%*_+`'~-]+"  # noqa: S105 - a grammar rule
_METHOD = re.compile(_TOKEN)
_VERSION = re.compile(r"SIP/[0-9]{1,3}\.[0-9]{1,3}", re.I)
_STATUS_LINE = re.compile(r"SIP/2\.0[ \t]+([1-6][0-9]{2})(?:[ \t]+(.*))?", re.I | re.S)
_HEADER = re.compile(rf"({_TOKEN})[ \t]*:(.*)", re.S)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
# Looking behind keeps a long run of blanks from costing its square.
_FOLD = re.compile(r"(?:(?<![ \t])[ \t]+)?\r?\n[ \t]+")
# Of these a request has one (§7.3.1); the same line twice is forgiven.
_SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards")


def decode(data: bytes) -> str:
    """Bytes of the wire as text that gives back the same bytes."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that ``decode`` read."""
    return text.encode("utf-8", "surrogateescape")


def readable(text: str) -> str:
    """Text for people: what is not UTF-8 is read as GB 18030, and what is neither is marked, as is a NUL, which
    databases refuse."""
    data = encode(text)
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        decoded = data.decode("gb18030", "replace")
    return decoded.replace("\0", "\ufffd")


@lru_cache(256)
def canonical(name: str) -> str:
    """A header's name in lower case, compact forms written out (§7.3.3)."""
    lower = name.lower()
    return _COMPACT.get(lower, lower)


class _Headed:
    headers: Headers
    body: bytes

    @cached_property
    def _lines(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.headers:
            found.setdefault(canonical(name), []).append(value)
        return found

    def all(self, name: str) -> list[str]:
        """The header's lines, in order."""
        return list(self._lines.get(canonical(name), ()))

    def get(self, name: str, default: str = "") -> str:
        """The header's first line."""
        return next(iter(self.all(name)), default)

    def values(self, name: str) -> list[str]:
        """Values of a list header, whether they come in one line or in several (§7.3.1)."""
        return [value for line in self.all(name) for value in split_outside(line, ",") if value]

    @property
    def call_id(self) -> str:
        return self.get("Call-ID")

    @property
    def via(self) -> Via:
        """The topmost Via; ``ValueError`` when there is none."""
        values = self.values("Via")
        if not values:
            raise ValueError("no Via header")
        return Via.parse(values[0])

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self.get("CSeq"))

    @property
    def sender(self) -> Address:
        return Address.parse(self.get("From"))

    @property
    def recipient(self) -> Address:
        return Address.parse(self.get("To"))

    def _print(self, first: str) -> bytes:
        lines = [first, *(f"{name}: {value}" for name, value in self.headers if canonical(name) != "content-length")]
        head = encode("\r\n".join((*lines, f"Content-Length: {len(self.body)}", "", "")))
        return head + self.body


@dataclass(frozen=True)
class Request(_Headed):
    """A request; its printed form counts its body.

    ``defect`` says why a message that can be answered cannot be served (400); it is empty where nothing is wrong.
    """

    method: str
    uri: str
    headers: Headers
    body: bytes = b""
    version: str = "SIP/2.0"
    defect: str = ""

    def __bytes__(self) -> bytes:
        return self._print(f"{self.method} {self.uri} {self.version}")

    def with_top_via(self, via: Via) -> Self:
        """With another topmost Via."""
        rest = self.values("Via")[1:]
        others = tuple(pair for pair in self.headers if canonical(pair[0]) != "via")
        return replace(self, headers=(("Via", str(via)), *(("Via", value) for value in rest), *others))

    def require_complete(self) -> None:
        """``ValueError`` when the request is defect, or a header that every request needs (§8.1.1) is missing, doubled
        or unreadable."""
        if self.defect:
            raise ValueError(self.defect)
        if any(len(set(self.all(name))) > 1 for name in _SINGLE):
            raise ValueError("a header that stands for itself comes twice")
        check_uri(self.uri)
        for via in self.values("Via"):
            Via.parse(via)
        _ = self.via, self.sender, self.recipient
        if self.cseq.method != self.method:
            raise ValueError("the CSeq header names another method")
        if not self.call_id:
            raise ValueError("no Call-ID header")


@dataclass(frozen=True)
class Response(_Headed):
    """A response."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def __bytes__(self) -> bytes:
        return self._print(f"SIP/2.0 {self.status} {self.reason}")


Message = Request | Response
_AnyMessage = TypeVar("_AnyMessage", Request, Response)


def parse(data: bytes) -> Message:
    """Read one datagram; bytes after Content-Length are dropped (§18.3).

    ``ValueError`` says what is wrong with what cannot be answered; a request that can is returned with its defect.
    """
    found = _BLANK_LINE.search(data := data.lstrip(b"\r\n"))
    if not found:
        raise ValueError("no empty line after the headers")
    message = _parse_head(data[: found.start()])
    body = data[found.end() :]
    try:
        length = _content_length(message)
    except ValueError as error:
        return _defect(message, error, body)
    if length is not None and length > len(body):
        return _defect(message, ValueError("the body is shorter than Content-Length"), body)
    return _with_body(message, body if length is None else body[:length])


def _defect(message: Message, error: ValueError, body: bytes = b"") -> Request:
    """A request with its defect; a response has nobody to be told (§18.3)."""
    if isinstance(message, Response):
        raise error
    return replace(message, defect=message.defect or str(error), body=body)


def _with_body(message: Message, body: bytes) -> Message:
    return replace(message, body=body)


def _parse_head(head: bytes) -> Message:
    if len(head) > MAX_HEAD:
        raise ValueError("the headers are too long")
    lines = re.split(r"\r?\n", _FOLD.sub(" ", decode(head)))
    if any("\r" in line for line in lines):
        raise ValueError("a stray carriage return")
    found = [_HEADER.fullmatch(line) for line in lines[1:]]
    headers = tuple((one[1], one[2].strip(" \t")) for one in found if one)
    message = _parse_first(lines[0], headers)
    return message if all(found) else _defect(message, ValueError("a header line without a name"))


def _parse_first(line: str, headers: Headers) -> Message:
    if status := _STATUS_LINE.fullmatch(line):
        return Response(int(status[1]), (status[2] or "").strip(), headers)
    words = re.split(r"[ \t]+", line.rstrip(" \t"))
    if len(words) < 3 or not _METHOD.fullmatch(words[0]) or not _VERSION.fullmatch(words[-1]):
        raise ValueError("neither a request line nor a status line")
    request = Request(words[0], " ".join(words[1:-1]), headers, version=words[-1].upper())
    return request if len(words) == 3 else _defect(request, ValueError("the Request-URI holds blanks"))


def _content_length(message: Message) -> int | None:
    found = set(message.all("Content-Length"))
    if not found:
        return None
    if len(found) > 1:
        raise ValueError("several Content-Length headers")
    text = found.pop()
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("Content-Length is not a number")
    return int(text)


class StreamParser:
    """Cuts messages out of a byte stream by Content-Length, whatever the chunks (§18.3); empty lines between messages
    keep the connection alive (RFC 5626 §3.5.1) and are passed over.  After a ``ValueError`` the stream is lost; before
    it comes the request whose end cannot be found, with its defect, so that it can be answered."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Message | None = None
        self._searched = 0
        self._lost = ""

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._head is not None or bool(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Messages that this chunk completes."""
        self._buffer += chunk
        while True:
            message = self._next()
            if message is None:
                return
            yield message

    def _next(self) -> Message | None:
        if self._lost:
            raise ValueError(self._lost)
        if self._head is None and not self._read_head():
            return None
        assert self._head is not None
        try:
            length = _content_length(self._head) or 0
            if length > MAX_BODY:
                raise ValueError("the body is too long")
        except ValueError as error:
            self._lost = str(error)
            return _defect(self._head, error)
        if len(self._buffer) < length:
            return None
        message = _with_body(self._head, bytes(self._buffer[:length]))
        del self._buffer[:length]
        self._head = None
        return message

    def _read_head(self) -> bool:
        blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if blank:
            del self._buffer[:blank]
            self._searched = 0
        found = _BLANK_LINE.search(self._buffer, max(0, self._searched - 3))
        if not found:
            self._searched = len(self._buffer)
            if self._searched > MAX_HEAD:
                raise ValueError("the headers are too long")
            return False
        self._head = _parse_head(bytes(self._buffer[: found.start()]))
        del self._buffer[: found.end()]
        self._searched = 0
        return True
