"""A SIPREC gateway in small: places one real call with two sound files (RFC 7866 session recording client).

Used by ``huiyin call``, by the demo and by tests.  The agent is stream label 1, the citizen label 2.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.clock import utc_now
from core.errors import Refused
from core.settings import Address
from telephony.rtp.packetize import offered_type, sendable
from telephony.rtp.sender import Sender, SenderReport, run_together
from telephony.rtp.srtp import SUITES, Protection
from telephony.sip.client import Client, Login
from telephony.sip.crypto import Crypto
from telephony.sip.message import Headers, Response
from telephony.sip.multipart import Part, join_parts
from telephony.sip.sdp import Description, Media, family, parse_sdp
from telephony.sip.tls import client_context
from telephony.sip.transaction import GIVE_UP
from telephony.sip.transport import Link
from telephony.siprec.document import LABELS, document

Progress = Callable[[str], None]
# Where a party's RTP goes, and what protects it.
_Place = tuple[tuple[str, int], Protection | None]


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
    ca: Path | None = None,
    login: Login | None = None,
    codec: str = "PCMA",
    srtp: str = "",
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
    """Place a call, send both files (8 or 16 kHz mono) to their ends, hang up.

    ``transport`` is udp, tcp or tls; with tls ``ca`` is a PEM file of authorities, by default the system's.
    ``login`` answers a challenge.  ``srtp`` names a suite by which the sound is protected (RFC 4568).
    ``patience`` is how many seconds an answer to each request is waited for.
    ``Refused`` names the status when the server does not take the call or answers what cannot be recorded;
    ``Unavailable`` when nobody answers.
    """
    tell = on_progress or (lambda _: None)
    found = sendable(codec)
    if srtp and srtp not in SUITES:
        raise Refused("no such SRTP suite", found=srtp, expected=", ".join(SUITES))
    payload_type = offered_type(found)
    cryptos = [Crypto.fresh(srtp) if srtp else None for _ in LABELS]
    link = await Link.open(target, transport, client_context(ca) if transport.lower() == "tls" else None)
    try:
        client = Client(link, target, call_id=call_id, login=login, patience=patience)
        numbers, names = (agent_number, citizen_number), (agent_name, citizen_name)
        metadata = document(numbers, names, utc_now()) if with_metadata else b""
        tell("邀请 INVITE")
        extra: Headers = ((work_order_header, work_order),) if work_order else ()
        offer = _offer(link.local.host, found.rtpmap, payload_type, cryptos)
        answered = await _invite(client, offer, metadata, extra)
        try:
            places = [_place(answered.body, label, crypto) for label, crypto in zip(LABELS, cryptos, strict=True)]
        except ValueError as error:
            await client.bye()
            raise Refused("the server's answer cannot be used", server=target, found=error) from None
        tell(f"接通 answered, RTP → {', '.join(str(port) for (_, port), _ in places)}")
        senders = [
            Sender(
                file,
                place,
                codec=codec,
                payload_type=payload_type,
                speed=speed,
                loss=loss,
                reorder=reorder,
                duplicates=duplicates,
                seed=seed + at,
                protection=protection,
            )
            for at, (file, (place, protection)) in enumerate(zip((agent, citizen), places, strict=True))
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


async def _invite(client: Client, sdp: bytes, metadata: bytes, extra: Headers) -> Response:
    content_type, body = _body(sdp, metadata)
    siprec: Headers = (("Require", "siprec"),) if metadata else ()
    return await client.invite((*siprec, *extra, ("Content-Type", content_type)), body)


def _body(sdp: bytes, metadata: bytes) -> tuple[str, bytes]:
    if not metadata:
        return "application/sdp", sdp
    parts = (
        Part("application/sdp", sdp, "session;handling=required"),
        Part("application/rs-metadata+xml", metadata, "recording-session"),
    )
    return join_parts(parts, f"huiyin{secrets.token_hex(8)}")


def _offer(host: str, rtpmap: str, payload_type: int, cryptos: Sequence[Crypto | None]) -> bytes:
    # The ports receive nothing: the recorder never sends sound.
    media = (
        Media(
            "audio",
            40000 + 2 * place,
            "RTP/SAVP" if crypto else "RTP/AVP",
            (str(payload_type),),
            host,
            "sendonly",
            (("rtpmap", f"{payload_type} {rtpmap}"), ("label", label), ("ptime", "20")),
            (crypto,) if crypto else (),
        )
        for place, (label, crypto) in enumerate(zip(LABELS, cryptos, strict=True))
    )
    return bytes(Description(f"gateway 1 1 IN {family(host)} {host}", tuple(media), host))


def _place(answer: bytes, label: str, crypto: Crypto | None) -> _Place:
    media = next((one for one in parse_sdp(answer).media if one.label == label), None)
    if media is None or media.port == 0 or not media.connection:
        raise ValueError(f"stream {label} was not accepted")
    if media.direction != "recvonly":
        raise ValueError(f"stream {label} is {media.direction}, not recvonly")
    place = media.connection, media.port
    if crypto is None:
        return place, None
    if [(one.tag, one.suite, one.usable) for one in media.cryptos] != [(crypto.tag, crypto.suite, True)]:
        raise ValueError(f"stream {label} was answered without the key that was asked for")
    return place, Protection(crypto.suite, media.cryptos[0].keys, crypto.keys[0].material)
