"""What one request of a recording session says, read once (RFC 7866, section 6)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from telephony.sip.message import Request, readable
from telephony.sip.multipart import Part, read_parts
from telephony.sip.sdp import Description, parse_sdp
from telephony.siprec.callers import Callers, Group, read_callers, read_group
from telephony.siprec.metadata import MEDIA_TYPES, parse_metadata
from telephony.siprec.snapshot import Metadata

METADATA_UNREADABLE, METADATA_FORBIDDEN = "metadata unreadable", "metadata has a DTD"
BODY_DAMAGED, SDP_DAMAGED, SEVERAL_OFFERS = "message body damaged", "SDP damaged", "several SDP parts"
_SDP = "application/sdp"
_XML = frozenset(("application/xml", "text/xml"))
_MAX_WORK_ORDER = 64


class UnknownEncoding(ValueError):
    """The only description is in a Content-Encoding that we cannot undo (415)."""


@dataclass(frozen=True)
class SessionRequest:
    """``offer`` (the answer to ours, in an ACK) and ``metadata`` are None where absent.

    ``raw`` holds every part as received, with a suffix for its file name: nothing that a gateway sent is lost.
    """

    method: str
    offer: Description | None
    metadata: Metadata | None
    raw: tuple[tuple[str, bytes], ...]
    work_order: str
    callers: Callers
    group: Group
    flags: tuple[str, ...]


def read_request(request: Request, work_order_header: str) -> SessionRequest:
    """Raises ``ValueError`` when a description is there and not one of its lines can be used, ``UnknownEncoding`` when
    it cannot be decoded; broken metadata is never an error."""
    parts = read_parts(request.get("Content-Type"), request.body, encoding=request.get("Content-Encoding"))
    offer, flags = _offer([part for part in parts if part.media_type == _SDP])
    metadata, more = _metadata(sorted((part for part in parts if _is_metadata(part)), key=_preference))
    raw = tuple((_suffix(part), part.content) for part in parts)
    flags += more
    if any(part.damaged for part in parts):
        flags = (*flags, BODY_DAMAGED)
        # Where a part was encoded, the whole may hold keys that nobody can black out.
        if all(part.content in request.body for part in parts):
            raw = (*raw, ("body", request.body))
    told = request.get(work_order_header) or (metadata.extension(work_order_header) if metadata else "")
    return SessionRequest(
        request.method,
        offer,
        metadata,
        raw,
        _work_order(told),
        read_callers(request),
        read_group(request, metadata),
        flags,
    )


def _offer(parts: Sequence[Part]) -> tuple[Description | None, tuple[str, ...]]:
    """The description with the most lines that we can take; the first of equals."""
    readable_parts = [part.content for part in parts if not part.encoding]
    if parts and not readable_parts:
        raise UnknownEncoding("the description is in an unknown encoding")
    found = [offer for content in readable_parts if (offer := _description(content)) is not None]
    if not found:
        if parts:
            raise ValueError("the description cannot be read")
        return None, ()
    offer = max(found, key=lambda one: sum(bool(media.recordable()) for media in one.media))
    damaged = any(media.refusal() == "unreadable" for media in offer.media)
    return offer, (*((SDP_DAMAGED,) if damaged else ()), *((SEVERAL_OFFERS,) if len(found) > 1 else ()))


def _description(content: bytes) -> Description | None:
    try:
        return parse_sdp(content)
    except ValueError:
        return None


def _is_metadata(part: Part) -> bool:
    named = part.media_type in MEDIA_TYPES or part.disposition == "recording-session" or part.media_type in _XML
    return named and part.media_type != _SDP


def _preference(part: Part) -> tuple[bool, bool]:
    return part.media_type not in MEDIA_TYPES, part.disposition != "recording-session"


def _metadata(parts: Iterable[Part]) -> tuple[Metadata | None, tuple[str, ...]]:
    flags: tuple[str, ...] = ()
    for part in parts:
        try:
            metadata = parse_metadata(part.content)
        except ValueError as error:
            flags = (METADATA_FORBIDDEN if "DTD" in str(error) else METADATA_UNREADABLE,)
            continue
        return metadata, metadata.flags
    return None, flags


def _suffix(part: Part) -> str:
    """``sdp``, ``xml``, or the subtype of whatever else a gateway sends (``gtd``)."""
    if part.media_type == _SDP:
        return "sdp"
    subtype = part.media_type.rpartition("/")[2]
    return "xml" if _is_metadata(part) else re.sub(r"[^a-z0-9]+", "-", subtype).strip("-")[:30] or "part"


def _work_order(text: str) -> str:
    return "".join(char for char in readable(text) if char.isprintable()).strip()[:_MAX_WORK_ORDER]
