"""How the vectors are written."""

from dataclasses import dataclass

SDP = (
    b"v=0\r\no=duty 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n"
    b"m=audio 49217 RTP/AVP 0 8\r\na=rtpmap:8 PCMA/8000\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC/8000\r\n"
)


@dataclass(frozen=True)
class Vector:
    """One message and what it deserves."""

    name: str
    section: str
    data: bytes
    status: int | None

    def __str__(self) -> str:
        return f"{self.name}-{self.section}"


def message(text: str, body: bytes = b"") -> bytes:
    """Lines of text as a message; ``LENGTH`` stands for the body's length, and every line feed for CRLF."""
    head = text.strip("\n").replace("LENGTH", str(len(body))).replace("\n", "\r\n")
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def request(
    method: str = "OPTIONS",
    *,
    uri: str = "sip:duty@example.com",
    name: str = "x",
    body: bytes = b"",
    extra: str = "",
    **instead: str,
) -> bytes:
    """An ordinary request, with header lines replaced by name (``To``, ``From``, ``Via``, ``CSeq`` …) or left out
    where the replacement is empty."""
    lines = {
        "Via": f"SIP/2.0/UDP host.example.com;branch=z9hG4bK{name}",
        "From": f"<sip:caller@example.net>;tag={name}-tag",
        "To": "<sip:duty@example.com>",
        "Call_ID": f"{name}@host.example.com",
        "CSeq": f"8 {method}",
        "Max_Forwards": "70",
        "Contact": "<sip:caller@host.example.com>",
        "Content_Type": "application/sdp" if body else "",
        "Content_Length": "LENGTH",
        **instead,
    }
    named = [f"{key.replace('_', '-')}: {value}" for key, value in lines.items() if value]
    return message("\n".join((f"{method} {uri} SIP/2.0", *named, *([extra] if extra else ()))), body)
