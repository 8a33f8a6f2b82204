"""A SIPREC gateway in small: places one real call with two sound files (RFC 7866 session recording client).

Used by ``huiyin call``, by the demo and by tests.  The agent is stream label 1, the citizen label 2.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from core.clock import utc_now
from core.errors import Refused, Unavailable
from core.settings import Address
from telephony.rtp.codecs import find
from telephony.rtp.sender import Sender, SenderReport, run_together
from telephony.sip.message import Headers, Request, Response
from telephony.sip.multipart import Part, join_parts
from telephony.sip.sdp import Media, parse_sdp
from telephony.sip.transaction import GIVE_UP, T1, T2
from telephony.sip.transport import Link

Progress = Callable[[str], None]
_LABELS = ("1", "2")
_NAMESPACE = "urn:ietf:params:xml:ns:recording:1"


@dataclass(frozen=True)
class CallReport:
    """What was sent: packets that left the sockets, and each party's report (agent, citizen)."""

    call_id: str
    packets: int
    seconds: float
    agent: SenderReport
    citizen: SenderReport


async def place_call(
    target: Address,
    agent: Path,
    citizen: Path,
    *,
    work_order: str = "",
    work_order_header: str = "X-Work-Order",
    agent_number: str,
    citizen_number: str,
    agent_name: str = "坐席",
    citizen_name: str = "市民",
    transport: str = "udp",
    codec: str = "PCMA",
    speed: float = 1.0,
    loss: float = 0.0,
    reorder: float = 0.0,
    duplicates: float = 0.0,
    seed: int = 0,
    with_metadata: bool = True,
    patience: float = GIVE_UP,
    call_id: str = "",
    on_progress: Progress | None = None,
) -> CallReport:
    """Place a call, send both files (8 kHz mono) to their ends, hang up.

    ``patience`` is how many seconds an answer to each request is waited for.  ``Refused`` names the status when the
    server does not take the call or answers what cannot be recorded; ``Unavailable`` when nobody answers.
    """
    tell = on_progress or (lambda _: None)
    if find(codec) is None:
        raise Refused("no such codec", found=codec, expected="PCMA or PCMU")
    link = await Link.open(target, transport)
    try:
        client = _Client(link, target, work_order_header, work_order, call_id, patience)
        metadata = _metadata((agent_number, citizen_number), (agent_name, citizen_name)) if with_metadata else b""
        tell("邀请 INVITE")
        places = await client.invite(_offer(link.local.host, codec), metadata)
        tell(f"接通 answered, RTP → {places[0][1]}, {places[1][1]}")
        senders = [
            Sender(
                file, place, codec=codec, speed=speed, loss=loss, reorder=reorder, duplicates=duplicates, seed=seed + at
            )
            for at, (file, place) in enumerate(zip((agent, citizen), places, strict=True))
        ]
        try:
            reports = await run_together(senders)
        finally:
            await client.bye()
        packets = sum(report.packets for report in reports)
        tell(f"挂断 BYE, {packets} packets sent")
        return CallReport(client.call_id, packets, max(report.seconds for report in reports), *reports)
    finally:
        link.close()


class _Client:
    """One call's signalling as the client side; requests are repeated over UDP until answered (§17.1)."""

    def __init__(
        self, link: Link, target: Address, header: str, work_order: str, call_id: str, patience: float
    ) -> None:
        self._link, self._target, self._patience = link, target, patience
        self._extra: Headers = ((header, work_order),) if work_order else ()
        self.call_id = call_id or f"{secrets.token_hex(12)}@{link.local.host}"
        self._tag, self._remote_tag, self._number = secrets.token_hex(8), "", 0
        self._uri = self._first_uri = f"sip:recorder@{target}"

    async def invite(self, sdp: bytes, metadata: bytes) -> tuple[tuple[str, int], tuple[str, int]]:
        """INVITE and ACK; returns where the RTP of both labels goes."""
        content_type, body = _body(sdp, metadata)
        self._number += 1
        siprec = (("Require", "siprec"),) if metadata else ()
        headers = (*siprec, *self._extra, ("Content-Type", content_type))
        response, branch = await self._ask("INVITE", headers, body)
        if response.status >= 300:
            self._link.send(bytes(self._request("ACK", branch, (), b"", response.get("To"))))
            raise Refused(
                "the server refused the call",
                server=self._target,
                expected="200 OK",
                found=f"{response.status} {response.reason}",
                remedy=_remedy(response.status),
            )
        self._remote_tag = response.recipient.tag
        contacts = response.values("Contact")
        self._uri = contacts[0].partition("<")[2].partition(">")[0] if contacts else self._uri
        self._link.send(bytes(self._request("ACK", secrets.token_hex(8))))
        try:
            return _places(response)
        except ValueError as error:
            await self.bye()
            raise Refused("the server's answer cannot be used", server=self._target, found=error) from None

    async def bye(self) -> None:
        """Hang up; that the server has ended the call itself is no error."""
        self._number += 1
        await self._ask("BYE", (), b"")

    async def _ask(self, method: str, headers: Headers, body: bytes) -> tuple[Response, str]:
        branch = secrets.token_hex(8)
        request = bytes(self._request(method, branch, headers, body))
        loop = asyncio.get_running_loop()
        until, interval = loop.time() + self._patience, min(T1, self._patience)
        while loop.time() < until:
            self._link.send(request)
            response = await self._final(method, interval if self._link.transport == "UDP" else self._patience)
            if response is not None:
                return response, branch
            interval = min(2 * interval, T2)
        raise Unavailable("the SIP server does not answer", server=self._target, request=method)

    async def _final(self, method: str, seconds: float) -> Response | None:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await self._link.messages.get()
                    if message is None:
                        raise Unavailable("the SIP server closed the connection", server=self._target, request=method)
                    if isinstance(message, Request):
                        self._answer(message)
                    elif message.status >= 200 and (message.cseq.number, message.cseq.method) == (self._number, method):
                        return message
        except TimeoutError:
            return None

    def _answer(self, request: Request) -> None:
        """The server hangs up: agree."""
        names = ("Via", "From", "To", "Call-ID", "CSeq")
        copied = tuple((name, value) for name in names for value in request.all(name))
        self._link.send(bytes(Response(200, "OK", copied)))

    def _request(
        self, method: str, branch: str, headers: Headers = (), body: bytes = b"", recipient: str = ""
    ) -> Request:
        tag = f";tag={self._remote_tag}" if self._remote_tag else ""
        transport = self._link.transport
        contact = f"<sip:gateway@{self._link.local};transport={transport.lower()}>;+sip.src"
        common: Sequence[tuple[str, str]] = (
            ("Via", f"SIP/2.0/{transport} {self._link.local};branch=z9hG4bK{branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:gateway@{self._link.local.host}>;tag={self._tag}"),
            ("To", recipient or f"<{self._first_uri}>{tag}"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self._number} {method}"),
            ("Contact", contact),
        )
        return Request(method, self._uri, (*common, *headers), body)


def _body(sdp: bytes, metadata: bytes) -> tuple[str, bytes]:
    if not metadata:
        return "application/sdp", sdp
    parts = (
        Part("application/sdp", sdp, "session;handling=required"),
        Part("application/rs-metadata+xml", metadata, "recording-session"),
    )
    return join_parts(parts, f"huiyin{secrets.token_hex(8)}")


def _offer(host: str, codec: str) -> bytes:
    found = find(codec)
    assert found is not None
    family = "IP6" if ":" in host else "IP4"
    lines = ["v=0", f"o=gateway 1 1 IN {family} {host}", "s=-", f"c=IN {family} {host}", "t=0 0"]
    for place, label in enumerate(_LABELS):
        # The ports receive nothing: the recorder never sends.
        lines += [f"m=audio {40000 + 2 * place} RTP/AVP {found.payload_type}"]
        lines += [f"a=rtpmap:{found.payload_type} {codec}/8000", f"a=label:{label}", "a=ptime:20", "a=sendonly"]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _places(response: Response) -> tuple[tuple[str, int], tuple[str, int]]:
    description = parse_sdp(response.body)
    found = {media.label: media for media in description.media}
    return _place(found, _LABELS[0]), _place(found, _LABELS[1])


def _place(found: dict[str, Media], label: str) -> tuple[str, int]:
    media = found.get(label)
    if media is None or media.port == 0 or not media.connection:
        raise ValueError(f"stream {label} was not accepted")
    if media.direction != "recvonly":
        raise ValueError(f"stream {label} is {media.direction}, not recvonly")
    return media.connection, media.port


def _remedy(status: int) -> str:
    known = {
        503: "the recorder is stopping, out of RTP ports or cannot write its spool; see its log",
        488: "the recorder takes PCMA and PCMU",
        420: "the server knows no SIPREC; is it a recorder?",
    }
    return known.get(status, "see the server's log")


def _metadata(numbers: tuple[str, str], names: tuple[str, str]) -> bytes:
    """A complete RFC 7865 document: one session, two participants, each sending one stream."""
    session = UUID(bytes=secrets.token_bytes(16), version=4).hex
    now = utc_now().isoformat(timespec="seconds")
    people, streams, links = [], [], []
    for label, number, name in zip(_LABELS, numbers, names, strict=True):
        aor = quoteattr(f"sip:{number}@gateway.invalid")
        people.append(
            f'<participant participant_id="p{label}-{session}"><nameID aor={aor}>'
            f'<name xml:lang="zh">{escape(name)}</name></nameID></participant>'
        )
        streams.append(f'<stream stream_id="s{label}-{session}" session_id="{session}"><label>{label}</label></stream>')
        other = _LABELS[1] if label == _LABELS[0] else _LABELS[0]
        links.append(
            f'<participantsessionassoc participant_id="p{label}-{session}" session_id="{session}">'
            f"<associate-time>{now}</associate-time></participantsessionassoc>"
            f'<participantstreamassoc participant_id="p{label}-{session}"><send>s{label}-{session}</send>'
            f"<recv>s{other}-{session}</recv></participantstreamassoc>"
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<recording xmlns="{_NAMESPACE}"><datamode>complete</datamode>'
        f'<session session_id="{session}"><start-time>{now}</start-time></session>'
        f"{''.join(people)}{''.join(streams)}{''.join(links)}</recording>\n"
    ).encode()
