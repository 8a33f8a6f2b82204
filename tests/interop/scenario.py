"""SIPp scenarios, step by step; SIPp itself checks every answer against regular expressions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

_METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<datamode>complete</datamode>
<participant participant_id="p1"><nameID aor="sip:8001@pbx.invalid"><name>坐席甲</name></nameID></participant>
<participant participant_id="p2"><nameID aor="sip:13900000001@pbx.invalid"><name>{citizen}</name></nameID></participant>
<stream stream_id="s1"><label>1</label></stream>
<stream stream_id="s2"><label>2</label></stream>
<participantstreamassoc participant_id="p1"><send>s1</send><recv>s2</recv></participantstreamassoc>
<participantstreamassoc participant_id="p2"><send>s2</send><recv>s1</recv></participantstreamassoc>
</recording>"""
SDP, MULTIPART, RS_METADATA = "application/sdp", "multipart/mixed;boundary=part", "application/rs-metadata+xml"


def metadata(citizen: str = "市民乙") -> str:
    """RFC 7865, both parties and their streams."""
    return _METADATA.format(citizen=citizen)


def sdp(direction: str = "sendonly", version: int = 1, streams: int = 2) -> str:
    """An offer; the first stream's port is where SIPp plays from."""
    lines = ["v=0", f"o=sipp 1 {version} IN IP4 [local_ip]", "s=-", "c=IN IP4 [local_ip]", "t=0 0"]
    for number in range(streams):
        above = f"+{2 * number}" if number else ""
        lines += [f"m=audio [media_port{above}] RTP/AVP 8 101", "a=rtpmap:8 PCMA/8000"]
        lines += ["a=rtpmap:101 telephone-event/8000", f"a=label:{number + 1}", f"a={direction}"]
    return "\n".join(lines)


def session(offer: str) -> str:
    """Metadata before SDP, as one body."""
    disposition = "Content-Disposition: recording-session"
    return (
        f"--part\nContent-Type: {RS_METADATA}\n{disposition}\n\n{metadata()}\n"
        f"--part\nContent-Type: {SDP}\n\n{offer}\n--part--"
    )


@dataclass
class Scenario:
    """Collects steps; ``transport`` is what Via and Contact say where it is not SIPp's own."""

    name: str
    transport: str = "[transport]"
    steps: list[str] = field(default_factory=list)
    _number: int = 0
    _variables: int = 0

    def send(
        self,
        method: str,
        *headers: str,
        kind: str = "",
        body: str = "",
        of_dialog: bool = True,
        again: bool = False,
        branch: str = "[branch]",
    ) -> "Scenario":
        """A request; ``again`` keeps the CSeq number of the last one (ACK and CANCEL always do)."""
        self._number += 0 if again or method in ("ACK", "CANCEL") else 1
        lines = [
            f"{method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0",
            f"Via: SIP/2.0/{self.transport} [local_ip]:[local_port];branch={branch}",
            'From: "sipp" <sip:sipp@[local_ip]:[local_port]>;tag=[pid]SIPp[call_number]',
            f"To: <sip:[service]@[remote_ip]:[remote_port]>{'[peer_tag_param]' if of_dialog else ''}",
            "Call-ID: [call_id]",
            f"CSeq: {self._number} {method}",
            f"Contact: <sip:sipp@[local_ip]:[local_port];transport={self.transport}>;+sip.src",
            "Max-Forwards: 70",
            *headers,
            *((f"Content-Type: {kind}",) if body else ()),
            f"Content-Length: {'[len]' if body else 0}",
        ]
        retransmitted = "" if method == "ACK" else ' retrans="500"'
        self.steps.append(f"<send{retransmitted}><![CDATA[\n" + "\n".join((*lines, "", body)) + "\n]]></send>")
        return self

    def invite(self, *headers: str, body: str, kind: str = MULTIPART) -> "Scenario":
        """The first INVITE."""
        return self.send("INVITE", *headers, kind=kind, body=body, of_dialog=False)

    def ack(self, *, kind: str = "", body: str = "") -> "Scenario":
        """Of a 2xx."""
        return self.send("ACK", kind=kind, body=body)

    def expect(
        self, status: int, headers: Mapping[str, str] | None = None, body: tuple[str, ...] = (), *, auth: bool = False
    ) -> "Scenario":
        """A final response with these headers, and each pattern in its body."""
        checks = [f'<ereg regexp={quoteattr(pattern)} search_in="hdr" header="{name}:" check_it="true" '
                  f'assign_to="{self._next()}"/>' for name, pattern in (headers or {}).items()]  # fmt: skip
        checks += [f'<ereg regexp={quoteattr(pattern)} search_in="body" check_it="true" '
                   f'assign_to="{self._next()}"/>' for pattern in body]  # fmt: skip
        self.steps.append(f'<recv response="{status}"{" auth=" + quoteattr("true") if auth else ""}>')
        self.steps.append(f"<action>{''.join(checks)}</action></recv>" if checks else "</recv>")
        return self

    def answer(self, method: str) -> "Scenario":
        """Wait for a request of the recorder and agree."""
        copied = "\n".join(f"[last_{name}:]" for name in ("Via", "From", "To", "Call-ID", "CSeq"))
        self.steps.append(f'<recv request="{method}"/>')
        self.steps.append(f"<send><![CDATA[\nSIP/2.0 200 OK\n{copied}\nContent-Length: 0\n\n]]></send>")
        return self

    def play(self, file: str, milliseconds: int) -> "Scenario":
        """A-law of a file to the first stream's port, and as much time for it."""
        self.steps.append(f'<nop><action><exec rtp_stream="{file},1,8,PCMA/8000"/></action></nop>')
        return self.pause(milliseconds)

    def pause(self, milliseconds: int) -> "Scenario":
        """Nothing."""
        self.steps.append(f'<pause milliseconds="{milliseconds}"/>')
        return self

    def bye(self) -> "Scenario":
        """Hang up."""
        return self.send("BYE").expect(200)

    def write(self, directory: Path) -> Path:
        """The file that SIPp reads."""
        names = ",".join(str(number + 1) for number in range(self._variables))
        unused = f'<Reference variables="{names}"/>' if names else ""
        text = "\n".join(('<?xml version="1.0" encoding="UTF-8"?>', f'<scenario name="{self.name}">', *self.steps))
        path = directory / f"{self.name}.xml"
        path.write_text(f"{text}\n{unused}</scenario>\n", encoding="utf-8")
        return path

    def _next(self) -> int:
        self._variables += 1
        return self._variables


SIPREC = ("Require: siprec", "X-Work-Order: GD-SIPP-1")
RECORDS = {"Contact": r"\+sip\.srs", "Supported": "siprec"}


def whole_call(name: str = "call", transport: str = "[transport]", file: str = "tone.al") -> Scenario:
    """A recording session: metadata and SDP, RTP of the first stream from a file, BYE."""
    scenario = Scenario(name, transport).invite(*SIPREC, body=session(sdp()))
    scenario.expect(200, RECORDS, ("a=label:1", "a=label:2", "a=recvonly", r"m=audio [1-9][0-9]* RTP/AVP 8 101"))
    return scenario.ack().play(file, 1500).bye()
