"""RFC 4475 §3.2 to §3.4: what transactions, applications and peers of the older RFC make of them."""

from tests.torture.vector import SDP, Vector, message, request

LOOPED = request(name="badbranch", Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK")

SEMANTICS = (
    Vector("badbranch", "3.2.1", LOOPED, 200),
    Vector(
        "insuf",
        "3.3.1",
        request("INVITE", name="insuf", body=SDP, From="", To="", Call_ID=""),
        400,
    ),
    Vector("unkscm", "3.3.2", request(name="unkscm", uri="nobodyKnowsThisScheme:totallyopaquecontent"), 416),
    Vector("novelsc", "3.3.3", request(name="novelsc", uri="soap.beep://192.0.2.103:3002"), 416),
    Vector(
        "unksm2",
        "3.3.4",
        request(
            "REGISTER",
            name="unksm2",
            To="isbn:2983792873",
            From="<http://www.example.com>;tag=3234233",
            Contact="<name:John_Smith>",
        ),
        405,
    ),
    Vector(
        "unksm2 as a call",
        "3.3.4",
        request("INVITE", name="unksm3", body=SDP, To="isbn:2983792873", From="<http://www.example.com>;tag=3234233"),
        200,
    ),
    Vector(
        "bext01",
        "3.3.5",
        request(name="bext01", extra="Require: nothingSupportsThis, nothingSupportsThisEither\nProxy-Require: noProxy"),
        420,
    ),
    Vector(
        "invut",
        "3.3.6",
        request(
            "INVITE",
            name="invut",
            body=b'<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n',
            Content_Type="application/unknownformat",
        ),
        415,
    ),
    Vector(
        "regaut01",
        "3.3.7",
        request("REGISTER", name="regaut01", extra="Authorization: NoOneKnowsThisScheme opaque-data=here"),
        405,
    ),
    Vector(
        "multi01",
        "3.3.8",
        request(
            "INVITE",
            name="multi01",
            body=SDP,
            extra="CSeq: 59 INVITE\nCall-ID: multi01.98asdh@192.0.2.2\nTo: <sip:other@example.com>\n"
            "From: <sip:elsewhere@example.com>;tag=4\nMax-Forwards: 5",
        ),
        400,
    ),
    Vector("mcl01", "3.3.9", request(name="mcl01", body=b"There's no way to know", extra="l: 5"), 400),
    Vector(
        "bcast",
        "3.3.10",
        request(
            "INVITE",
            name="bcast",
            body=SDP,
            Via="SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
            extra="Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
        ).replace(b"INVITE sip:duty@example.com SIP/2.0", b"SIP/2.0 200 OK"),
        None,
    ),
    # Nothing is forwarded: the hops are used up and the message has arrived.
    Vector("zeromf", "3.3.11", request(name="zeromf", Max_Forwards="0"), 200),
    Vector(
        "cparam01",
        "3.3.12",
        request("REGISTER", name="cparam01", Contact="sip:+19725552222@gw1.example.net;unknownparam"),
        405,
    ),
    Vector(
        "cparam02",
        "3.3.13",
        request("REGISTER", name="cparam02", Contact="<sip:+19725552222@gw1.example.net;unknownparam>"),
        405,
    ),
    Vector(
        "regescrt",
        "3.3.14",
        request("REGISTER", name="regescrt", Contact="<sip:duty@example.com?Route=%3Csip:sip.example.com%3E>"),
        405,
    ),
    Vector(
        "sdp01",
        "3.3.15",
        request("INVITE", name="sdp01", body=SDP, extra="Accept: text/nobodyKnowsThis"),
        406,
    ),
    Vector(
        "inv2543",
        "3.4.1",
        message(
            """
INVITE sip:duty@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:duty@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.own@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp
Content-Length: LENGTH
""",
            SDP,
        ),
        200,
    ),
)
