"""The sending side of ``benchmarks.capture``: a gateway that places SIPREC calls over UDP and streams G.711 in them.

It is cheap, so that it can share two cores with what is measured: one ``sendmmsg`` (through ctypes) for all packets
that are due within 2 ms, built by numpy.
"""

import ctypes
import re
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np

from core.settings import Address
from telephony.rtp.arena import SO_TIMESTAMPNS

PACKET_SECONDS, SAMPLES = 0.02, 160
# Streams begin at different moments, as people do: so many groups share the 20 ms.
PHASES = 10
SIZE = 12 + SAMPLES
# What sendmmsg takes at once.
_MOST = 1024
_REPEAT_AFTER, _REPEAT_AT_MOST = 0.5, 4.0
_RAMP_LIMIT = 30.0
_SETTLE = 3.0

_IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
_NAME = np.dtype([("family", "u2"), ("port", ">u2"), ("host", "V4"), ("_", "V8")])
_MMSGHDR = np.dtype(
    [(name, "u8") for name in ("name", "name_length", "parts", "part_count", "control", "control_length", "flags")]
    + [("sent", "u8")]
)
_RTP = np.dtype(
    [("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4"), ("_", "V160")]
)

_SDP = """v=0\r
o=gateway {number} 1 IN IP4 {host}\r
s=-\r
c=IN IP4 {host}\r
t=0 0\r
m=audio 40000 RTP/AVP 8\r
a=rtpmap:8 PCMA/8000\r
a=label:1\r
a=sendonly\r
m=audio 40002 RTP/AVP 8\r
a=rtpmap:8 PCMA/8000\r
a=label:2\r
a=sendonly\r
"""
_METADATA = """<?xml version="1.0" encoding="UTF-8"?>\r
<recording xmlns="urn:ietf:params:xml:ns:recording:1"><datamode>complete</datamode>\
<session session_id="s{number}"/>\
<participant participant_id="a{number}"><nameID aor="sip:8001@gateway.invalid"/></participant>\
<participant participant_id="b{number}"><nameID aor="sip:13800000{tail:03}@gateway.invalid"/></participant>\
<stream stream_id="x{number}" session_id="s{number}"><label>1</label></stream>\
<stream stream_id="y{number}" session_id="s{number}"><label>2</label></stream>\
<participantsessionassoc participant_id="a{number}" session_id="s{number}"/>\
<participantsessionassoc participant_id="b{number}" session_id="s{number}"/>\
<participantstreamassoc participant_id="a{number}"><send>x{number}</send><recv>y{number}</recv>\
</participantstreamassoc>\
<participantstreamassoc participant_id="b{number}"><send>y{number}</send><recv>x{number}</recv>\
</participantstreamassoc></recording>\r
"""


@dataclass(frozen=True)
class Sent:
    """What a gateway did.  ``packets`` by RTP port, ``setups`` in seconds from INVITE to 200 (kernel's arrival time);
    ``behind`` is the largest delay against its own clock while it streamed to all."""

    packets: Mapping[int, int]
    setups: tuple[float, ...]
    refused: int
    steady_packets: int
    steady_seconds: float
    behind: float


class Streams:
    """RTP to many ports.  Rows of one phase lie side by side, so that one call sends them."""

    def __init__(self, host: str, most: int) -> None:
        self._each = -(-most // PHASES)
        rows = self._each * PHASES
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self._socket.bind((host, 0))
        self._host = socket.inet_aton(host)
        self._counts = [0] * PHASES
        self.sent = np.zeros(rows, np.int64)
        self._packets = np.zeros(rows, _RTP)
        self._names = np.zeros(rows, _NAME)
        parts, self._messages = np.zeros(rows, _IOVEC), np.zeros(rows, _MMSGHDR)
        self._parts = parts
        row = np.arange(rows, dtype=np.uint64)
        self._packets["first"], self._packets["second"], self._packets["ssrc"] = 0x80, 8, row + np.uint64(1)
        parts["base"] = self._packets.ctypes.data + row * np.uint64(SIZE)
        parts["length"] = SIZE
        self._messages["name"] = self._names.ctypes.data + row * np.uint64(_NAME.itemsize)
        self._messages["name_length"] = _NAME.itemsize
        self._messages["parts"] = parts.ctypes.data + row * np.uint64(_IOVEC.itemsize)
        self._messages["part_count"] = 1
        self._send = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)

    def add(self, port: int) -> None:
        """Stream to one more port."""
        phase = self._counts.index(min(self._counts))
        row = phase * self._each + self._counts[phase]
        self._names[row] = (socket.AF_INET, port, self._host, b"")
        self._counts[phase] += 1

    def send(self, phase: int) -> int:
        """One packet to each stream of a phase; returns how many left."""
        first, count = phase * self._each, self._counts[phase]
        rows = self._packets[first : first + count]
        rows["sequence"] += 1
        rows["timestamp"] += SAMPLES
        done = 0
        while done < count:
            address = self._messages.ctypes.data + (first + done) * _MMSGHDR.itemsize
            sent = self._send(self._socket.fileno(), address, min(_MOST, count - done), 0)
            if sent <= 0:
                raise OSError(ctypes.get_errno(), "sendmmsg failed")
            done += sent
        self.sent[first : first + count] += 1
        return count

    def by_port(self) -> dict[int, int]:
        """How many packets each port was sent."""
        return {int(port): int(sent) for port, sent in zip(self._names["port"], self.sent, strict=True) if port}


@dataclass
class _Asking:
    data: bytes
    first_at: float
    again_at: float
    interval: float = _REPEAT_AFTER


@dataclass
class Signalling:
    """INVITEs and their answers on one UDP socket."""

    target: Address
    host: str
    setups: list[float] = field(default_factory=list)
    refused: int = 0
    placed: int = 0
    waiting: dict[str, _Asking] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if SO_TIMESTAMPNS is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((self.host, 0))
        self._socket.connect((self.target.host, self.target.port))
        self.local = Address(*self._socket.getsockname()[:2])

    def until_alive(self, seconds: float) -> None:
        """Ask with OPTIONS until it is answered; raises ``TimeoutError``."""
        over = time.monotonic() + seconds
        self._socket.settimeout(0.2)
        while time.monotonic() < over:
            try:
                self._socket.send(self._request("OPTIONS", 0, "", b"", ""))
                if self._socket.recv(65536).startswith(b"SIP/2.0 200"):
                    self._socket.setblocking(False)
                    return
            except (TimeoutError, ConnectionError):
                time.sleep(0.1)
        raise TimeoutError("the recorder does not answer OPTIONS")

    def place(self) -> None:
        """Send one more INVITE."""
        self.placed += 1
        number = self.placed
        boundary = "part"
        sdp, metadata = (text.format(number=number, tail=number % 1000, host=self.host) for text in (_SDP, _METADATA))
        body = (
            f"--{boundary}\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n"
            f"--{boundary}\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n"
            f"\r\n{metadata}\r\n--{boundary}--\r\n"
        )
        data = self._request(
            "INVITE",
            number,
            "",
            body.encode(),
            f"Require: siprec\r\nContent-Type: multipart/mixed;boundary={boundary}\r\n",
        )
        now = time.time()
        self.waiting[f"call-{number}"] = _Asking(data, now, now + _REPEAT_AFTER)
        self._socket.send(data)

    def answered(self) -> list[int]:
        """Read what came; returns the RTP ports of the calls that were answered."""
        ports: list[int] = []
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(65536, 128)
            except (BlockingIOError, ConnectionError):
                return ports
            call = data.partition(b"Call-ID: ")[2].partition(b"\r\n")[0].decode()
            asking = self.waiting.get(call)
            if not data.startswith(b"SIP/2.0 ") or data.startswith(b"SIP/2.0 1") or asking is None:
                continue
            del self.waiting[call]
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2]) if ancillary else (time.time(), 0)
            to = data.partition(b"To: ")[2].partition(b"\r\n")[0].decode()
            self._socket.send(self._request("ACK", int(call[5:]), to, b"", ""))
            if data.startswith(b"SIP/2.0 200"):
                self.setups.append(seconds + nanoseconds / 1e9 - asking.first_at)
                ports += [int(port) for port in re.findall(rb"m=audio (\d+)", data)]
            else:
                self.refused += 1

    def repeat(self) -> None:
        """Send again what was not answered (RFC 3261 §17.1.1.2)."""
        now = time.time()
        for asking in self.waiting.values():
            if now >= asking.again_at:
                asking.interval = min(2 * asking.interval, _REPEAT_AT_MOST)
                asking.again_at = now + asking.interval
                self._socket.send(asking.data)

    def _request(self, method: str, number: int, to: str, body: bytes, more: str) -> bytes:
        uri = f"sip:recorder@{self.target}"
        branch = f"z9hG4bK{number}{'a' if method == 'ACK' else 'i'}{self.local.port}"
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.local};branch={branch};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:gateway@{self.host}>;tag=g{number}\r\nTo: {to or f'<{uri}>'}\r\nCall-ID: call-{number}\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:gateway@{self.local}>;+sip.src\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def run(target: Address, calls: int, rate: float, seconds: float, pipe: Connection) -> None:
    """Place ``calls`` at ``rate`` a second, each streaming from its answer on, and stream to all for ``seconds``.

    Sends ``"steady"`` when all calls stream, and a ``Sent`` at the end.
    """
    signalling = Signalling(target, target.host)
    streams = Streams(target.host, 2 * calls)
    signalling.until_alive(30)
    # What starts beside the recorder has settled then.
    time.sleep(_SETTLE)
    tick, began = 0, time.perf_counter()
    step = PACKET_SECONDS / PHASES
    steady_at = steady_ended = behind = 0.0
    steady_packets, limit = 0, calls / rate + _RAMP_LIMIT
    while True:
        due = began + tick * step
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
        elapsed = due - began
        count = streams.send(tick % PHASES)
        tick += 1
        if steady_at:
            steady_packets += count
            behind = max(behind, now - due)
            if elapsed - steady_at >= seconds:
                steady_ended = time.perf_counter()
                break
            continue
        while signalling.placed < min(calls, elapsed * rate):
            signalling.place()
        for port in signalling.answered():
            streams.add(port)
        signalling.repeat()
        if signalling.placed == calls and (not signalling.waiting or elapsed > limit):
            steady_at = elapsed
            began_steady = time.perf_counter()
            pipe.send("steady")
    report = Sent(
        streams.by_port(),
        tuple(signalling.setups),
        signalling.refused + len(signalling.waiting),
        steady_packets,
        steady_ended - began_steady,
        behind,
    )
    pipe.send(report)
