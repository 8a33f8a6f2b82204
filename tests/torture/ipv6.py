"""RFC 5118 §4: IPv6 addresses in SIP."""

from tests.torture.vector import SDP, Vector, request

_SDP6 = SDP.replace(b"IP4 192.0.2.3", b"IP6 2001:db8::9:1").replace(b"IP4 192.0.2.4", b"IP6 2001:db8::20")
_BOTH = _SDP6.replace(b"m=video", b"c=IN IP4 192.0.2.4\r\nm=video")


def _via(host: str, branch: str, rest: str = "") -> str:
    return f"SIP/2.0/UDP {host};branch=z9hG4bKv6{branch}{rest}"


IPV6 = (
    Vector(
        "reference in the Request-URI",
        "4.1",
        request(name="a", uri="sip:[2001:db8::10]", Via=_via("[2001:db8::9:1]", "a")),
        200,
    ),
    Vector(
        "address without brackets",
        "4.2",
        request(name="b", uri="sip:2001:db8::10", Via=_via("[2001:db8::9:1]", "b")),
        400,
    ),
    Vector("port within the brackets", "4.3", request(name="c", uri="sip:[2001:db8::10:5070]"), 200),
    Vector("port behind the brackets", "4.4", request(name="d", uri="sip:[2001:db8::10]:5070"), 200),
    Vector(
        "received with brackets",
        "4.5",
        request(name="e", Via=_via("[2001:db8::9:1]", "e", ";received=[2001:db8::9:255]")),
        200,
    ),
    Vector(
        "received without brackets",
        "4.5",
        request(name="f", Via=_via("[2001:db8::9:1]", "f", ";received=2001:db8::9:255")),
        200,
    ),
    Vector("address in the SDP", "4.6", request("INVITE", name="g", body=_SDP6, Via=_via("[2001:db8::20]", "g")), 200),
    Vector(
        "addresses of both kinds in headers",
        "4.7",
        request(
            "INVITE",
            name="h",
            body=_SDP6,
            Via=_via("[2001:db8::9:1]:6050", "h"),
            extra="Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKold;received=[2001:db8::9:255]",
            Contact="<sip:caller@[2001:db8::9:1]>",
        ),
        200,
    ),
    Vector("addresses of both kinds in the SDP", "4.8", request("INVITE", name="i", body=_BOTH), 200),
    Vector(
        "mapped addresses",
        "4.9",
        request(
            "INVITE",
            name="j",
            body=SDP.replace(b"IP4 192.0.2.4", b"IP6 ::ffff:192.0.2.10"),
            Via=_via("[::ffff:192.0.2.10]:19823", "j"),
            Contact='"T. de Kok" <sip:tdk@[::ffff:192.0.2.2]>',
        ),
        200,
    ),
    # What the grammar of RFC 3261 let pass is read.
    Vector("three colons", "4.10", request(name="k", uri="sip:duty@[2001:db8:::192.0.2.1]"), 200),
)
