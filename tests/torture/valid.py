"""RFC 4475 §3.1.1: valid, however they look."""

from tests.torture.vector import SDP, Vector, message, request

SHORT_AND_TORTUOUS = Vector(
    "wsinv",
    "3.1.1.1",
    message(
        """
INVITE sip:duty@chair.example.com;unknownparam SIP/2.0
TO :
 sip:duty@chair.example.com ;   tag    = 1918181833n
from   : "D Caller \\\\\\""       <sip:dcaller@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.own@192.0.2.1
Content-Length   : LENGTH
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \\"\\"" <sip:dcaller@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
""",
        SDP,
    ),
    481,
)

_METHOD = "!interesting-Method0123456789_*+`.%indeed'~"
_USER = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
_BINARY = b"\x30\x82\x01\x52\x06\x09\x2a\x86\x48\x86\xf7\r\n\r\n\x00\xff\xfe--\x80\r\n"
_PARTS = (
    b"--7a9cbec02ceef655\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nHello\r\n"
    b"--7a9cbec02ceef655\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + _BINARY
    + b"\r\n--7a9cbec02ceef655--\r\n"
)
_LONG = "longvalue" * 30

VALID = (
    SHORT_AND_TORTUOUS,
    Vector(
        "intmeth",
        "3.1.1.2",
        request(
            _METHOD,
            uri=f"sip:{_USER}@example.com",
            Via="SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
            To='"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)@example.com>',
            From="token1~` token2'+_ token3*%!.- <sip:mundane@example.com>"
            ";fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
            CSeq=f"139122385 {_METHOD}",
            extra="extensionHeader-!.%*+_`'~: \ufeff大停電",
        ),
        501,
    ),
    Vector(
        "esc01",
        "3.1.1.3",
        request(
            "INVITE",
            name="esc01",
            body=SDP,
            uri="sip:sips%3Aduty%40example.com@example.net",
            To="sip:%75se%72@example.com",
            From="<sip:I%20have%20spaces@example.net>;tag=938",
            Contact="<sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
        ),
        200,
    ),
    Vector(
        "escnull",
        "3.1.1.4",
        request("REGISTER", name="escnull", From="sip:null-%00-null@example.com;tag=839923423", extra="m: <sip:%00>"),
        405,
    ),
    Vector(
        "escnull as a call",
        "3.1.1.4",
        request("INVITE", name="nulls", body=SDP, From="sip:null-%00-null@example.com;tag=839923424"),
        200,
    ),
    Vector("esc02", "3.1.1.5", request("RE%47IST%45R", name="esc02", To='"%Z%45" <sip:duty@example.com>'), 501),
    Vector("lwsdisp", "3.1.1.6", request(name="lwsdisp", From="caller<sip:caller@example.com>;tag=323"), 200),
    Vector(
        "longreq",
        "3.1.1.7",
        request(
            "INVITE",
            name="longreq",
            body=SDP,
            uri=f"sip:duty@{'verylonghost.' * 9}example.com",
            To=f'"I have a user name of {_LONG} proportion" <sip:duty@example.com:6000;unknownparam1={_LONG};'
            f"{_LONG}name={_LONG}>",
            From=f"sip:{_LONG}{_LONG}@example.com;tag=12{'982424' * 50};unknownheaderparam{_LONG}={_LONG}",
            Call_ID=f"longreq.one{_LONG}{_LONG}@host.example.com",
            extra="\n".join(
                [f"Unknown-{_LONG}-Header: unknown-{_LONG}-value; unknown-{_LONG}-parameter = {_LONG}"]
                + [f"Via: SIP/2.0/TCP sip{number}.example.com" for number in range(33)]
            ),
        ),
        200,
    ),
    Vector(
        "dblreq",
        "3.1.1.8",
        request("REGISTER", name="dblreq") + request("INVITE", name="second", body=SDP),
        405,
    ),
    Vector(
        "semiuri",
        "3.1.1.9",
        request(name="semiuri", uri="sip:duty;par=u%40example.net@example.com"),
        200,
    ),
    Vector(
        "transports",
        "3.1.1.10",
        request(
            name="kdjuw",
            extra="\n".join(
                f"Via: SIP/2.0/{transport} t{number}.example.com;branch=z9hG4bK{number}"
                for number, transport in enumerate(("SCTP", "TLS", "UNKNOWN", "TCP"))
            ),
        ),
        200,
    ),
    Vector(
        "mpart01",
        "3.1.1.11",
        request("MESSAGE", name="mpart01", body=_PARTS, Content_Type="multipart/mixed;boundary=7a9cbec02ceef655"),
        405,
    ),
    Vector(
        "mpart01 as a call",
        "3.1.1.11",
        request(
            "INVITE",
            name="mpart02",
            body=b"--7a9cbec02ceef655\r\nContent-Type: application/sdp\r\n\r\n" + SDP + b"\r\n" + _PARTS,
            Content_Type="multipart/mixed;boundary=7a9cbec02ceef655",
        ),
        200,
    ),
    Vector(
        "unreason",
        "3.1.1.12",
        request(name="unreason").replace(
            b"OPTIONS sip:duty@example.com SIP/2.0",
            "SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое".encode(),
        ),
        None,
    ),
    Vector(
        "noreason",
        "3.1.1.13",
        request(name="noreason").replace(b"OPTIONS sip:duty@example.com SIP/2.0", b"SIP/2.0 100 "),
        None,
    ),
)
