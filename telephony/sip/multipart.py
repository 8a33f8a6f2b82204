"""MIME bodies of SIP requests (RFC 2046 §5.1, RFC 5621): a body as its parts, whatever their order."""

import re
from dataclasses import dataclass

from telephony.sip.header import parse_parameters
from telephony.sip.message import decode

_MAX_DEPTH = 4


@dataclass(frozen=True)
class Part:
    """One body part: its media type in lower case without parameters, and its content."""

    media_type: str
    content: bytes
    disposition: str = ""


def read_parts(content_type: str, body: bytes, *, depth: int = 0) -> tuple[Part, ...]:
    """The body's leaves, nested multiparts opened.

    ``ValueError`` when a multipart has no boundary, no part or is nested too deep.  Preamble and epilogue are passed
    over (§5.1.1); a missing closing boundary and lines that end in LF alone are tolerated.
    """
    if not body:
        return ()
    media_type, _, rest = content_type.partition(";")
    media_type = media_type.strip().lower()
    if not media_type.startswith("multipart/"):
        return (Part(media_type, body),)
    if depth >= _MAX_DEPTH:
        raise ValueError("multipart bodies are nested too deep")
    boundary = next((value for name, value in parse_parameters(rest) if name == "boundary"), None)
    boundary = (boundary or "").strip().strip('"')
    if not boundary:
        raise ValueError("a multipart body has no boundary")
    leaves: list[Part] = []
    for section in _sections(boundary, body):
        leaves += _read_section(section, depth)
    if not leaves:
        raise ValueError("a multipart body has no part")
    return tuple(leaves)


def _sections(boundary: str, body: bytes) -> list[bytes]:
    # The line break before a delimiter belongs to the delimiter, not to the content (§5.1.1).
    mark = re.escape(boundary.encode("utf-8", "surrogateescape"))
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + mark + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    found = list(delimiter.finditer(body))
    sections = []
    for place, one in enumerate(found):
        if one[1]:
            break
        end = found[place + 1].start() if place + 1 < len(found) else len(body)
        sections.append(re.sub(rb"\A\r?\n", b"", body[one.end() : end]))
    return sections


def _read_section(section: bytes, depth: int) -> tuple[Part, ...]:
    empty = re.match(rb"\r?\n", section)
    found = empty or re.search(rb"\r?\n\r?\n", section)
    if not found:
        raise ValueError("a body part has no empty line")
    head = b"" if empty else section[: found.start()]
    fields = _fields(decode(head))
    content = section[found.end() :]
    if fields.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise ValueError("a body part has an unknown transfer encoding")
    disposition = fields.get("content-disposition", "").partition(";")[0].strip().lower()
    leaves = read_parts(fields.get("content-type", "text/plain"), content, depth=depth + 1)
    return tuple(Part(leaf.media_type, leaf.content, leaf.disposition or disposition) for leaf in leaves)


def _fields(head: str) -> dict[str, str]:
    unfolded = re.sub(r"\r?\n[ \t]+", " ", head)
    pairs = (line.partition(":") for line in re.split(r"\r?\n", unfolded) if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def join_parts(parts: tuple[Part, ...], boundary: str) -> tuple[str, bytes]:
    """Content-Type and body of a ``multipart/mixed`` message."""
    lines = bytearray()
    for part in parts:
        lines += f"--{boundary}\r\nContent-Type: {part.media_type}\r\n".encode()
        if part.disposition:
            lines += f"Content-Disposition: {part.disposition}\r\n".encode()
        lines += b"\r\n" + part.content + b"\r\n"
    return f"multipart/mixed;boundary={boundary}", bytes(lines) + f"--{boundary}--\r\n".encode()
