"""A gateway in the hands of a test: it writes its own messages, sends a tone in each stream, hears what was kept."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from telephony.call import CallFacts
from telephony.rtp.assemble import assemble
from telephony.rtp.sender import Sender, run_together
from telephony.sip.message import Message, Request, Response
from telephony.sip.sdp import parse_sdp
from telephony.sip.transport import Link
from tests.recording import House, tone

# Far enough apart to be told from each other and from their harmonics.
TONES = (400, 700, 1000, 1300)
SECONDS = 0.4

SDP, METADATA = "application/sdp", "application/rs-metadata+xml"


@dataclass(frozen=True)
class Line:
    """One m-line of our answer."""

    taken: bool
    label: str
    direction: str


@dataclass(frozen=True)
class Kept:
    """What is left of a call: its facts, its directory, and which tones are heard in which channel."""

    facts: CallFacts
    directory: Path
    agent: set[int]
    citizen: set[int]

    @property
    def people(self) -> list[tuple[str, str, str]]:
        return [(party.role, party.number, party.name) for party in self.facts.parties]

    def raw(self, suffix: str) -> list[bytes]:
        """The parts as received, in order."""
        return [path.read_bytes() for path in sorted((self.directory / "signalling").glob(f"*.{suffix}"))]


class Gateway:
    """One dialog.  ``sender`` and ``contact`` are the headers' values, ``{here}`` in them our address."""

    def __init__(
        self,
        house: House,
        link: Link,
        *,
        sender: str = "<sip:sbc@gateway.invalid>",
        contact: str = "<sip:sbc@{here}>;+sip.src",
        call_id: str = "call@gateway.invalid",
    ) -> None:
        self.house, self.link, self.call_id = house, link, call_id
        self._sender, self._contact = sender, contact.format(here=link.local)
        self._to_tag, self._number = "", 0
        self.ports: list[int] = []
        self.answer: list[Line] = []

    async def ask(self, method: str, *headers: str, body: bytes = b"", ack: bytes = b"") -> Response:
        """A request and its final response; ``headers`` name the body's type, ``ack`` is the body of the ACK."""
        self._number += 1
        self.send(method, *headers, body=body)
        response = await self.hear()
        while isinstance(response, Request) or response.status < 200 or response.cseq.number != self._number:
            response = await self.hear()
        if response.status < 300:
            self._to_tag = self._to_tag or response.recipient.tag
            if method == "INVITE":
                self.send("ACK", *((f"Content-Type: {SDP}",) if ack else ()), body=ack)
        if response.body:
            media = parse_sdp(response.body).media
            self.ports = [one.port for one in media if one.port]
            self.answer = [Line(bool(one.port), one.label, one.direction) for one in media]
        return response

    def send(self, method: str, *headers: str, body: bytes = b"") -> None:
        tag = f";tag={self._to_tag}" if self._to_tag else ""
        branch = f"z9hG4bK{self.call_id}{self._number}{method}"
        lines: Iterable[str] = (
            f"{method} sip:recorder@huiyin.invalid SIP/2.0",
            f"Via: SIP/2.0/{self.link.transport} {self.link.local};rport;branch={branch}",
            f"From: {self._sender};tag=gateway",
            f"To: <sip:recorder@huiyin.invalid>{tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self._number} {method}",
            "Max-Forwards: 70",
            *((f"Contact: {self._contact}",) if method in ("INVITE", "UPDATE") else ()),
            *headers,
            f"Content-Length: {len(body)}",
        )
        self.link.send("\r\n".join((*lines, "", "")).encode() + body)

    async def hear(self) -> Message:
        message = await asyncio.wait_for(self.link.messages.get(), 60)
        assert message is not None
        return message

    async def speak(self, directory: Path, tones: Sequence[int] = TONES, *, ports: Sequence[int] = ()) -> None:
        """Send the first tone to the first answered port, the second to the second …, all at once."""
        targets = list(ports or self.ports)
        senders = [
            Sender(tone(directory / f"{hertz}.wav", hertz, SECONDS), ("127.0.0.1", port), speed=8, seed=hertz + port)
            for hertz, port in zip(tones, targets, strict=False)
        ]
        await run_together(senders)

    async def hang_up(self, *headers: str, body: bytes = b"") -> Kept:
        """BYE, and what was kept."""
        assert (await self.ask("BYE", *headers, body=body)).status == 200
        return await kept(self.house)


async def kept(house: House) -> Kept:
    """The next finished call, assembled."""
    facts, directory = await house.finished()
    assert CallFacts.load(directory) == facts
    target = directory.parent.parent / f"{facts.recording_id}.flac"
    await asyncio.to_thread(assemble, directory, facts, target)
    samples, rate = soundfile.read(target)
    agent, citizen = (_tones(channel, rate) for channel in samples.T)
    return Kept(facts, directory, agent, citizen)


def _tones(channel: np.ndarray, rate: int) -> set[int]:
    spectrum = np.abs(np.fft.rfft(channel)) / len(channel)
    hertz = np.fft.rfftfreq(len(channel), 1 / rate)
    return {one for one in TONES if spectrum[np.abs(hertz - one) < 20].max(initial=0.0) > 0.005}


def audio(port: int, label: str = "", direction: str = "sendonly", formats: str = "8 101") -> str:
    """One m-line of an offer, G.711 A-law with telephone events."""
    lines = [f"m=audio {port} RTP/AVP {formats}", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000"]
    lines += [f"a=label:{label}"] if label else []
    lines += [f"a={direction}"] if direction else []
    return "".join(f"{line}\r\n" for line in lines)


def offer(*media: str, connection: str = "127.0.0.1", version: int = 1) -> bytes:
    """A description with these m-lines."""
    head = f"v=0\r\no=- 7 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 {connection}\r\nt=0 0\r\n"
    return (head + "".join(media)).encode()


def parts(*sections: tuple[str, bytes], boundary: str = "part-of-a-call", end: str = "--\r\n") -> bytes:
    """A multipart body; each section is its headers and its content."""
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in sections)
    return body + f"--{boundary}{end}".encode()
