"""What one request of a recording session says, read once: offer, metadata, work order (RFC 7866, section 6)."""

from collections.abc import Iterable
from dataclasses import dataclass

from telephony.sip.message import Request, readable
from telephony.sip.multipart import Part, read_parts
from telephony.sip.sdp import Description, parse_sdp
from telephony.siprec.metadata import MEDIA_TYPES, Metadata, parse_metadata

_XML = frozenset(("application/xml", "text/xml"))
_MAX_WORK_ORDER = 64


@dataclass(frozen=True)
class SessionRequest:
    """``offer`` and ``metadata`` are None where absent; ``raw_metadata`` is kept even when it cannot be read."""

    offer: Description | None
    raw_offer: bytes
    metadata: Metadata | None
    raw_metadata: bytes
    work_order: str


def read_request(request: Request, work_order_header: str) -> SessionRequest:
    """Raises ``ValueError`` when the body is no body or its SDP no SDP; broken metadata is never an error."""
    parts = read_parts(request.get("Content-Type", "application/sdp"), request.body)
    raw_offer = _first(part.content for part in parts if part.media_type == "application/sdp")
    raw_metadata = _first(part.content for part in parts if _is_metadata(part))
    metadata = _metadata(raw_metadata)
    told = request.get(work_order_header) or (metadata.extension(work_order_header) if metadata else "")
    return SessionRequest(
        parse_sdp(raw_offer) if raw_offer else None, raw_offer, metadata, raw_metadata, _work_order(told)
    )


def _is_metadata(part: Part) -> bool:
    return part.media_type in MEDIA_TYPES or part.disposition == "recording-session" or part.media_type in _XML


def _first(contents: Iterable[bytes]) -> bytes:
    return next(iter(contents), b"")


def _metadata(raw: bytes) -> Metadata | None:
    if not raw:
        return None
    try:
        return parse_metadata(raw)
    except ValueError:
        return None


def _work_order(text: str) -> str:
    return "".join(char for char in readable(text) if char.isprintable()).strip()[:_MAX_WORK_ORDER]
