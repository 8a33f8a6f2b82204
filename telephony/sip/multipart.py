"""MIME bodies of SIP requests (RFC 2046 §5.1, RFC 5621): a body as its parts, whatever their order and state.

What is broken is read as far as it goes, and the reading says so: a call is worth more than its boundary lines.
"""

import binascii
import re
import zlib
from dataclasses import dataclass, replace

from telephony.sip.header import parse_parameters
from telephony.sip.message import decode

_MAX_DEPTH, _MAX_PARTS = 4, 100
_MAX_CONTENT = 1024 * 1024
_IDENTITY = ("", "identity")
_DELIMITER = re.compile(rb"(?:\A|\n)--([!-~][ -~]{0,69}?)(?:--)?[ \t]*\r?\n")
# The empty line after a part's header; where it is missing, the content betrays itself.
_HEAD_END = re.compile(rb"\r?\n\r?\n|\r?\n(?=v=0\s|<)")
# A description or a metadata document that stands in a body nobody can cut.
_SDP_INSIDE = re.compile(rb"^v=0[ \t]*\r?\n(?:[a-z]=[^\r\n]*(?:\r?\n|\Z))+", re.M)
_XML_START = re.compile(rb"<(?:\?xml\b|(?:[\w.-]{1,40}:)?recording(?:_metadata)?\b)", re.I)


@dataclass(frozen=True)
class Part:
    """One body part: its media type in lower case without parameters, and its content.

    ``encoding`` is the Content-Encoding that could not be undone; ``damaged`` says that the part had to be salvaged.
    """

    media_type: str
    content: bytes
    disposition: str = ""
    encoding: str = ""
    damaged: bool = False


def read_parts(content_type: str, body: bytes, *, encoding: str = "", depth: int = 0) -> tuple[Part, ...]:
    """The body's leaves, nested multiparts opened; never raises.

    Preamble and epilogue are passed over (§5.1.1), lines may end in LF alone.  A boundary that the header does not
    tell, or tells wrongly, is taken from the body; a part without a Content-Type is known by how it begins.
    """
    if not body:
        return ()
    body, encoding = _decoded(body, encoding)
    media_type, _, rest = content_type.partition(";")
    media_type = media_type.strip().lower()
    multipart = media_type.startswith("multipart/") or (depth == 0 and _DELIMITER.match(body))
    if encoding or not multipart:
        return (_sniffed(Part(media_type, body, encoding=encoding)),)
    told = next((value for name, value in parse_parameters(rest) if name == "boundary"), None)
    sections = _sections(_boundary(told), body) if depth < _MAX_DEPTH else []
    guessed = not sections
    if guessed and depth < _MAX_DEPTH and (found := _DELIMITER.search(body)):
        sections = _sections(found[1], body)
    leaves = [leaf for section in sections[:_MAX_PARTS] for leaf in _read_section(section, depth)]
    if not leaves:
        return _salvaged(body)
    return tuple(replace(leaf, damaged=leaf.damaged or guessed) for leaf in leaves)


def _boundary(told: str | None) -> bytes:
    return (told or "").strip().strip('"').encode("utf-8", "surrogateescape")


def _sections(boundary: bytes, body: bytes) -> list[bytes]:
    if not boundary:
        return []
    # The line break before a delimiter belongs to the delimiter, not to the content (§5.1.1).
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
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
    found = empty or _HEAD_END.search(section)
    if not found or (not empty and _kind_of(section)):
        # No header, not even the empty line after it: the content begins at once.
        return (_sniffed(Part("text/plain", section, damaged=True)),) if section.strip() else ()
    fields = _fields(b"" if empty else section[: found.start()])
    content = section[found.end() :]
    transfer = fields.get("content-transfer-encoding", "binary").lower()
    encoding = fields.get("content-encoding", "") if transfer in ("binary", "8bit", "7bit") else transfer
    disposition = fields.get("content-disposition", "").partition(";")[0].strip().lower()
    content_type = fields.get("content-type", fields.get("c", "text/plain"))
    leaves = read_parts(content_type, content, encoding=encoding, depth=depth + 1)
    return tuple(replace(leaf, disposition=leaf.disposition or disposition) for leaf in leaves)


def _fields(head: bytes) -> dict[str, str]:
    unfolded = re.sub(r"\r?\n[ \t]+", " ", decode(head))
    pairs = (line.partition(":") for line in re.split(r"\r?\n", unfolded) if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _decoded(body: bytes, encoding: str) -> tuple[bytes, str]:
    """The body without its Content-Encoding (RFC 9110 §8.4.1) or transfer encoding (RFC 2045 §6), or as it is with the
    encoding's name."""
    encoding = encoding.strip().lower()
    if encoding in _IDENTITY or _kind_of(body) or body.startswith(b"--"):
        # Some name an encoding that they do not use.
        return body, ""
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body), ""
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body), ""
        except binascii.Error:
            return body, encoding
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return body, encoding
    # 32: gzip or zlib, whichever its first bytes say.
    inflater = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(body, _MAX_CONTENT)
    except zlib.error:
        return body, encoding
    return (plain, "") if inflater.eof else (body, encoding)


def _kind_of(content: bytes) -> str:
    start = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.match(rb"v=0\s", start):
        return "application/sdp"
    return "application/xml" if start.startswith(b"<") else ""


def _sniffed(part: Part) -> Part:
    """A part whose type says nothing is what it looks like; a body without any type is a description."""
    telling = part.media_type not in ("", "text/plain", "application/octet-stream")
    kind = part.media_type if part.encoding or telling else _kind_of(part.content) or part.media_type
    return replace(part, media_type=kind or "application/sdp")


def _salvaged(body: bytes) -> tuple[Part, ...]:
    """Descriptions and documents found by their looks, or the whole as a part of no type."""
    found = [Part("application/sdp", one[0], damaged=True) for one in _SDP_INSIDE.finditer(body)]
    start, end = _XML_START.search(body), body.rfind(b">")
    if start and end > start.end():
        found.append(Part("application/xml", body[start.start() : end + 1], damaged=True))
    return tuple(found) or (Part("application/octet-stream", body, damaged=True),)


def join_parts(parts: tuple[Part, ...], boundary: str) -> tuple[str, bytes]:
    """Content-Type and body of a ``multipart/mixed`` message."""
    lines = bytearray()
    for part in parts:
        lines += f"--{boundary}\r\nContent-Type: {part.media_type}\r\n".encode()
        if part.disposition:
            lines += f"Content-Disposition: {part.disposition}\r\n".encode()
        lines += b"\r\n" + part.content + b"\r\n"
    return f"multipart/mixed;boundary={boundary}", bytes(lines) + f"--{boundary}--\r\n".encode()
