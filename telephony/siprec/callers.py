"""What the headers of a request tell about the call, for gateways whose metadata tells less or does not exist.

A source is believed only as far as the better ones are silent: the order is the tables' below.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from telephony.call import AGENT, CITIZEN
from telephony.sip.header import Address, Parameters, parse_parameters, user_of
from telephony.sip.message import Request, readable
from telephony.siprec.snapshot import Metadata, Participant

# The conversation's own name, best source first.  Named headers beat what the metadata calls a group …
_CALL_ID_HEADERS = (
    "X-UCID", "X-Avaya-UCID", "X-Genesys-CallUUID", "X-Global-Call-ID", "X-GCID", "X-VCall-ID", "X-AC-Call-ID",
    "Cisco-Gucid", "X-Cisco-Call-ID", "Cisco-Guid", "X-Original-Call-ID",
)  # fmt: skip
# … and any other header that looks like a call-id is better than an id which the metadata gives a single session.
_LIKE_CALL_ID = re.compile(r"X-(?:[\w]+-)*Call-?(?:UU|GU)?ID", re.I)
_EXTENSION_IDS = ("ucid", "gcid", "exttrackingid", "externaltrackingid", "globalcallid", "callid", "call-id")
# Who speaks, best source first.
_PARTY_HEADERS = (re.compile("X-Cisco-.+", re.I), "P-Asserted-Identity", "Remote-Party-ID", "From")
_NUMBER_ELEMENTS = (
    "callingpartynumber", "callingnumber", "calling-number", "callingparty", "from", "fromhdr",
    "calledpartynumber", "callednumber", "called-number", "calledparty", "to", "tohdr",
)  # fmt: skip
_UCID = re.compile(r"FA08([0-9A-F]{4})([0-9A-F]{4})([0-9A-F]{8})", re.I)
_PHONE = re.compile(r"\+?[0-9]{3,20}")
_MAX_GROUP = 120


@dataclass(frozen=True, order=True)
class Group:
    """The name of a conversation; the lower ``rank``, the better the source."""

    rank: int = 9
    name: str = ""


@dataclass(frozen=True)
class Callers:
    """The people that headers name, best source first.

    ``tie`` is equal for all dialogs of one recording (empty: the dialog stands alone), ``speaker`` the id of the
    person whose voice alone this dialog brings.
    """

    people: Metadata = field(default_factory=Metadata)
    tie: str = ""
    speaker: str = ""


def read_callers(request: Request) -> Callers:
    """Never raises: a header that cannot be read tells nothing."""
    found: dict[str, Participant] = {}
    for address in _addresses(request):
        number = user_of(address.uri)
        if _PHONE.fullmatch(number):
            found.setdefault(number, _person(number, address))
    return _built_in_bridge(request) or Callers(Metadata(tuple(found.values())))


def read_group(request: Request, metadata: Metadata | None) -> Group:
    """The best name for the conversation that this request has."""
    for rank, name in enumerate(_group_names(request, metadata or Metadata())):
        if text := "".join(char for char in readable(name) if char.isprintable()).strip()[:_MAX_GROUP]:
            return Group(rank, text)
    return Group()


def numbers_in(metadata: Metadata) -> tuple[str, ...]:
    """Phone numbers in vendors' extension elements, calling before called."""
    texts = (metadata.extension(name) for name in _NUMBER_ELEMENTS)
    numbers = (_number(text) for text in texts if text)
    return tuple(dict.fromkeys(number for number in numbers if number))


def _number(text: str) -> str:
    # What is no address is a bare number, or an address without a scheme.
    with suppress(ValueError):
        text = Address.parse(text).uri
    number = user_of(text)
    return number if _PHONE.fullmatch(number) else ""


def _group_names(request: Request, metadata: Metadata) -> Iterator[str]:
    yield next((value for name in _CALL_ID_HEADERS if (value := request.get(name))), "")
    yield _ucid(request.get("User-to-User")) or _ucid(metadata.extension("ucid"))
    yield metadata.group
    yield metadata.extension(*_EXTENSION_IDS)
    yield next((value for name, value in request.headers if _LIKE_CALL_ID.fullmatch(name)), "")
    yield _built_in_tie(request)
    yield request.get("Session-ID").partition(";")[0]
    yield metadata.session


def _ucid(text: str) -> str:
    """Avaya's universal call id in a User-to-User header (RFC 7433): node, number and time, as its reports print it."""
    found = _UCID.search(text)
    return f"{int(found[1], 16):05}{int(found[2], 16):05}{int(found[3], 16):010}" if found else ""


def _addresses(request: Request) -> Iterator[Address]:
    for wanted in _PARTY_HEADERS:
        for name in dict.fromkeys(name for name, _ in request.headers):
            if wanted.fullmatch(name) if isinstance(wanted, re.Pattern) else name.lower() in _forms(wanted):
                for value in request.values(name):
                    try:
                        yield Address.parse(value)
                    except ValueError:
                        continue


def _forms(name: str) -> tuple[str, ...]:
    return ("from", "f") if name == "From" else (name.lower(),)


def _person(number: str, address: Address, side: str = "header", role: str = "") -> Participant:
    name = readable(address.display)[:_MAX_GROUP]
    return Participant(f"{side}:{readable(number)}", readable(address.uri), readable(number), name, role=role)


# Cisco's built-in bridge forks each side of a phone into a dialog of its own and says which in From's URI.


def _built_in_bridge(request: Request) -> Callers | None:
    address, told = _bridge_parameters(request)
    sides = [side for side in ("x-nearend", "x-farend") if side in told]
    if address is None or not sides:
        return None
    near = _person(user_of(address.uri), address, "near", AGENT)
    far_address = told.get("x-farendaddr") or ""
    far = _person(far_address, Address(f"sip:{far_address}"), "far", CITIZEN) if far_address else None
    people = Metadata((near, *((far,) if far else ())))
    speaker = near.id if sides[0] == "x-nearend" else far.id if far else ""
    return Callers(people, _built_in_tie(request), speaker)


def _built_in_tie(request: Request) -> str:
    _, told = _bridge_parameters(request)
    names = ("x-nearendclusterid", "x-nearenddevice", "x-refci")
    return " ".join(text for name in names if (text := told.get(name) or "")) if told.get("x-refci") else ""


def _bridge_parameters(request: Request) -> tuple[Address | None, dict[str, str | None]]:
    try:
        address = request.sender
    except ValueError:
        return None, {}
    uri, _, within = address.uri.partition(";")
    parameters: Parameters = (*parse_parameters(within), *address.parameters)
    return Address(uri, address.display), dict(parameters)
