"""What the server supports, what it refuses on sight, and how its responses look (RFC 3261 §8.2, RFC 7866 §6.1.1)."""

import re

from telephony.sip.application import RETRY, Reply
from telephony.sip.dialog import Flow
from telephony.sip.header import Address, split_outside
from telephony.sip.message import Headers, Request, Response

ALLOW = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "PRACK", "INFO")
ACCEPT = (
    "application/sdp",
    "application/rs-metadata+xml",
    "application/rs-metadata",
    "multipart/mixed",
    "application/dtmf-relay",
)
SUPPORTED = ("siprec", "timer")
# Info packages (RFC 6086) that we take; an INFO without one is of the old kind and always taken.
INFO_PACKAGES = ("infoDtmf",)
# What peers may require: 100rel and record-aware ask nothing of a server that answers at once and only listens
# (RFC 3262 binds provisional responses, of which we send none), nor do the last four of one who never calls.
_TOLERATED = frozenset((*SUPPORTED, "record-aware", "100rel", "histinfo", "from-change", "tdialog", "norefersub"))
_KNOWN_METHODS = frozenset(("REGISTER", "SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH"))
_SCHEMES = ("sip", "sips", "tel")
_ANSWER_TYPES = frozenset((*ACCEPT, "application/*", "multipart/*", "*/*"))
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    469: "Bad Info Package",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
}


def contact_header(contact: str, flow: Flow) -> tuple[str, str]:
    """Our Contact for a flow, ``contact`` being ``host:port``: a recording server says so there (RFC 7866 §6.1.2)."""
    return "Contact", f"<sip:huiyin@{contact};transport={flow.transport.lower()}>;+sip.srs"


def respond(request: Request, reply: Reply, *, tag: str, contact: str, flow: Flow) -> Response:
    """The response; ``tag`` goes into To unless that has one, ``contact`` is our ``host:port``."""
    makes_dialog = reply.status < 300 and request.method in ("INVITE", "UPDATE")
    headers = [*copied(request, tag, record_route=makes_dialog), *reply.headers]
    if makes_dialog:
        headers.append(contact_header(contact, flow))
    if makes_dialog or reply.status in (405, 501) or request.method == "OPTIONS":
        headers.append(("Allow", ", ".join(ALLOW)))
    if makes_dialog or reply.status in (406, 415) or request.method == "OPTIONS":
        headers += [("Accept", ", ".join(ACCEPT)), ("Supported", ", ".join(SUPPORTED))]
    if makes_dialog or reply.status == 469 or request.method == "OPTIONS":
        headers.append(("Recv-Info", ", ".join(INFO_PACKAGES)))
    if reply.body:
        headers.append(("Content-Type", reply.content_type))
    return Response(reply.status, REASONS[reply.status], (*headers, ("Server", "Huiyin")), reply.body)


def copied(request: Request, tag: str, *, record_route: bool) -> Headers:
    """What every response repeats of its request (§8.2.6.2)."""
    taken = [("Via", value) for value in request.values("Via")]
    taken += [(name, request.get(name)) for name in ("From", "To", "Call-ID", "CSeq") if request.all(name)]
    if tag and not _is_tagged(request.get("To")):
        taken = [(name, f"{value};tag={tag}" if name == "To" else value) for name, value in taken]
    if record_route:
        taken += [("Record-Route", value) for value in request.values("Record-Route")]
    return tuple(taken)


def _is_tagged(recipient: str) -> bool:
    try:
        return bool(Address.parse(recipient).tag)
    except ValueError:
        return re.search(r";\s*tag\s*=", recipient, re.I) is not None


def refuse_method(request: Request) -> Reply | None:
    """405 for methods of SIP that a recorder has no use for, 501 for others (§8.2.1)."""
    if request.method in ALLOW:
        return None
    return Reply(405 if request.method in _KNOWN_METHODS else 501)


def refuse_extension(request: Request) -> Reply | None:
    """420 for what the peer requires and we do not know (§8.2.2.3); whoever wants to end a call is let go."""
    unknown = [option for option in request.values("Require") if option.lower() not in _TOLERATED]
    if not unknown or request.method in ("ACK", "CANCEL", "BYE"):
        return None
    why = f"it requires what we do not know: {', '.join(unknown)[:80]}; let it name this in Supported at most"
    return Reply(420, (("Unsupported", ", ".join(unknown)),), why=why)


def refuse_address(request: Request) -> Reply | None:
    """416 for a Request-URI that no telephone has (§8.2.2.1)."""
    known = request.uri.partition(":")[0].lower() in _SCHEMES
    return None if known else Reply(416, why="its Request-URI is neither sip: nor sips: nor tel:")


def refuse_form(request: Request) -> Reply | None:
    """406 where the peer would read nothing that we answer with; one known type in Accept is enough."""
    named = [value.partition(";")[0].strip().lower() for value in request.values("Accept")]
    refused = named and not _ANSWER_TYPES.intersection(named)
    return Reply(406, why="its Accept lacks application/sdp") if refused else None


def refuse_package(request: Request) -> Reply | None:
    """469 for an INFO of a package that we did not name (RFC 6086 §4.2.2)."""
    package = split_outside(request.get("Info-Package"), ";")[0].lower() if request.method == "INFO" else ""
    return Reply(469) if package and package not in {name.lower() for name in INFO_PACKAGES} else None


def refuse_at_the_door(request: Request) -> Reply | None:
    """What is refused of a request outside any dialog, whoever sent it, in the order of §8.2."""
    reply = refuse_method(request)
    if request.method in ("INVITE", "OPTIONS"):
        reply = reply or refuse_address(request) or refuse_extension(request)
    return reply or (refuse_form(request) if request.method == "INVITE" else None)


def refuse_within(request: Request) -> Reply | None:
    """What is refused of a request within a dialog."""
    return refuse_method(request) or refuse_extension(request) or refuse_package(request)


def refuse_broken(request: Request) -> Response | None:
    """What is answered to a request whose topmost Via cannot be read: back where it came from.  §8.1.1 asks every
    request for a Via; without any there is no answer, and an ACK has none ever."""
    if request.method == "ACK" or not request.all("Via"):
        return None
    status = 400 if request.version == "SIP/2.0" else 505
    return Response(status, REASONS[status], copied(request, "", record_route=False))


def options(available: bool) -> Reply:
    """What gateways probe: 503 keeps their next call away."""
    return Reply(200) if available else Reply(503, RETRY)
