"""RFC 4475 §3.1.2: invalid, answered or not."""

from tests.torture.vector import SDP, Vector, request

_START = b"sip:duty@example.com SIP/2.0"


def _response(name: str, status_line: bytes, *, extra: str = "", CSeq: str = "8 OPTIONS") -> bytes:
    return request(name=name, extra=extra, CSeq=CSeq).replace(b"OPTIONS " + _START, status_line)


def _start(name: str, line: bytes, version: bytes = b"SIP/2.0") -> bytes:
    data = request("INVITE", name=name, body=SDP)
    return data.replace(b"INVITE " + _START, line).replace(b"Via: SIP/2.0", b"Via: " + version)


INVALID = (
    Vector(
        "badinv01",
        "3.1.2.1",
        request(
            "INVITE",
            name="badinv01",
            body=SDP,
            Via="SIP/2.0/UDP 192.0.2.15;;,;,,",
            Contact='"Joe" <sip:joe@example.org>;;;;',
        ),
        400,
    ),
    Vector("clerr", "3.1.2.2", request("INVITE", name="clerr", body=SDP, Content_Length="9999"), 400),
    Vector("ncl", "3.1.2.3", request("INVITE", name="ncl", body=SDP, Content_Length="-999"), 400),
    Vector(
        "scalar02",
        "3.1.2.4",
        request(
            "REGISTER",
            name="scalar02",
            CSeq="36893488147419103232 REGISTER",
            Max_Forwards="300",
            Contact="<sip:duty@host129.example.com>;expires=280297596632815",
            extra="Expires: 10000000000000000000000000000000000000000000000000000000000",
        ),
        400,
    ),
    Vector(
        "scalarlg",
        "3.1.2.5",
        _response(
            "scalarlg",
            b"SIP/2.0 503 Service Unavailable",
            CSeq="9292394834772304023312 OPTIONS",
            extra='Retry-After: 949302838503028349304023988\nWarning: 1812 overture "In Progress"',
        ),
        None,
    ),
    Vector(
        "quotbal",
        "3.1.2.6",
        request("INVITE", name="quotbal", body=SDP, To='"Mr. J. User <sip:j.user@example.com>'),
        400,
    ),
    Vector("ltgtruri", "3.1.2.7", _start("ltgtruri", b"INVITE <sip:duty@example.com> SIP/2.0"), 400),
    Vector("lwsruri", "3.1.2.8", _start("lwsruri", b"INVITE sip:duty@example.com; lr SIP/2.0"), 400),
    # "An element that is liberal in what it accepts may ignore these extra SP characters."
    Vector("lwsstart", "3.1.2.9", _start("lwsstart", b"INVITE  sip:duty@example.com  SIP/2.0"), 200),
    Vector("trws", "3.1.2.10", _start("trws", b"INVITE sip:duty@example.com SIP/2.0  "), 200),
    # Headers in a Request-URI: "could choose to be liberal" and pass over them; we follow no Route.
    Vector(
        "escruri",
        "3.1.2.11",
        _start("escruri", b"INVITE sip:duty@example.com?Route=%3Csip:example.com%3E SIP/2.0"),
        200,
    ),
    # No recorder needs the Date of a request.
    Vector(
        "baddate",
        "3.1.2.12",
        request("INVITE", name="baddate", body=SDP, extra="Date: Fri, 01 Jan 2010 16:00:00 EST"),
        200,
    ),
    # No registrar looks into the Contact.
    Vector(
        "regbadct",
        "3.1.2.13",
        request("REGISTER", name="regbadct", Contact="sip:duty@example.com?Route=%3Csip:sip.example.com%3E"),
        405,
    ),
    Vector("badaspec", "3.1.2.14", request(name="badaspec", To='"Watcher, Thomas" < sip:t.watcher@example.org >'), 200),
    Vector("baddn", "3.1.2.15", request(name="baddn", From="Beller, Alex <sip:a.g.beller@example.com>;tag=43"), 200),
    Vector("badvers", "3.1.2.16", _start("badvers", b"INVITE sip:duty@example.com SIP/7.0", b"SIP/7.0"), 505),
    Vector("badvers, old Via", "3.1.2.16", _start("badvers2", b"INVITE sip:duty@example.com SIP/7.0"), 505),
    Vector("mismatch01", "3.1.2.17", request(name="mismatch01", CSeq="8 INVITE"), 400),
    Vector("mismatch02", "3.1.2.18", request("NEWMETHOD", name="mismatch02", CSeq="8 INVITE"), 400),
    Vector(
        "bigcode",
        "3.1.2.19",
        _response("bigcode", b"SIP/2.0 4294967301 better not break the receiver"),
        None,
    ),
)
