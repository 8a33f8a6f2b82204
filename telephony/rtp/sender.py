"""Sending: paced RTP of sound files, as a gateway would fork it, with optional deterministic damage.

Packets leave on a drift-free schedule.  A speed above 1 shortens the wait between packets; their RTP timestamps stay
true (8,000 for each second of speech), so that a receiver that trusts them rebuilds the call at its own length.
"""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from core.errors import Refused
from telephony.rtp.codecs import SAMPLE_RATE, Codec, find
from telephony.rtp.packet import RtcpSenderReport, RtpPacket, goodbye, ntp_time, source_description

PACKET_MS = 20
PACKET_SAMPLES = SAMPLE_RATE * PACKET_MS // 1000
# After a stall the schedule is caught up with in bursts that leave other tasks some air.
_BURST = 50


@dataclass(frozen=True)
class SenderReport:
    """What a sender did.  ``packets`` left the socket (duplicates included); ``lost``, ``reordered`` and
    ``duplicated`` were damaged on purpose; ``unsent`` were refused by the operating system."""

    packets: int
    octets: int
    lost: int
    reordered: int
    duplicated: int
    unsent: int
    seconds: float


class Sender:
    """Sends one 8 kHz mono file (FLAC or WAV) to ``target`` as 20 ms packets; RTCP goes to the port above.

    ``loss``, ``reorder`` and ``duplicates`` are shares of packets (0..1), drawn from ``seed``.  ``lead_in`` and
    ``lead_out`` are seconds of sent silence around the file.  ``source`` is the local address; port 0: any.
    """

    def __init__(
        self,
        audio: Path,
        target: tuple[str, int],
        *,
        codec: str = "PCMA",
        payload_type: int | None = None,
        loss: float = 0.0,
        reorder: float = 0.0,
        duplicates: float = 0.0,
        speed: float = 1.0,
        seed: int = 0,
        lead_in: float = 0.0,
        lead_out: float = 0.0,
        source: tuple[str, int] | None = None,
    ) -> None:
        found = find(codec)
        if found is None:
            raise Refused("no such codec", found=codec, expected="PCMA or PCMU")
        if speed <= 0:
            raise Refused("the speed must be above 0", found=speed)
        self.target, self.speed, self.source = target, speed, source
        self.payload_type = payload_type if payload_type is not None else found.payload_type or 0
        self.payloads = _encode(audio, found, lead_in, lead_out)
        self.stopped = False
        random_numbers = random.Random(seed)
        self._ssrc, self._sequence = random_numbers.getrandbits(32), random_numbers.getrandbits(16)
        self._timestamp = random_numbers.getrandbits(32)
        self._random, self._loss, self._reorder, self._duplicates = random_numbers, loss, reorder, duplicates
        self._packets = self._octets = self._lost = self._reordered = self._duplicated = self._unsent = 0

    @property
    def duration(self) -> float:
        """Seconds of sound, with lead-in and lead-out, at speed 1."""
        return len(self.payloads) * PACKET_MS / 1000

    def stop(self) -> None:
        """End early: the packet on its way is the last, the BYE is still sent."""
        self.stopped = True

    async def run(self) -> SenderReport:
        """Send everything, paced; returns when the last packet has left."""
        return (await run_together([self]))[0]

    def datagrams(self) -> Iterator[list[bytes]]:
        """For each 20 ms of sound what is sent then: usually one packet, none when lost, two when doubled."""
        held: list[bytes] = []
        for index in range(len(self.payloads)):
            due = [self._packet(index)]
            lose, swap, double = (self._random.random() for _ in range(3))
            if lose < self._loss:
                due, self._lost = [], self._lost + 1
            elif double < self._duplicates:
                due, self._duplicated = due * 2, self._duplicated + 1
            if due and not held and swap < self._reorder:
                # Held back until another packet has overtaken it.
                held, due, self._reordered = due, [], self._reordered + 1
            elif due:
                due, held = due + held, []
            yield due
        yield held

    def _packet(self, index: int) -> bytes:
        return bytes(
            RtpPacket(
                self.payload_type,
                self._sequence + index & 0xFFFF,
                self._timestamp + index * PACKET_SAMPLES & 0xFFFF_FFFF,
                self._ssrc,
                self.payloads[index],
                marker=index == 0,
            )
        )

    def control(self, index: int, *, last: bool) -> bytes:
        """The RTCP compound at packet ``index``: SR and SDES, and a BYE when it is the last."""
        timestamp = self._timestamp + index * PACKET_SAMPLES & 0xFFFF_FFFF
        report = RtcpSenderReport(self._ssrc, ntp_time(time.time()), timestamp, self._packets, self._octets)
        compound = bytes(report) + source_description(self._ssrc, f"{self._ssrc:08x}@sender.invalid")
        return compound + (goodbye(self._ssrc) if last else b"")

    def send(self, sock: socket.socket, datagrams: Sequence[bytes]) -> None:
        """Hand datagrams to the operating system; what it refuses is counted, as the network would lose it."""
        for datagram in datagrams:
            try:
                sock.sendto(datagram, self.target)
            except (BlockingIOError, ConnectionRefusedError):
                self._unsent += 1
            else:
                self._packets += 1
                self._octets += len(datagram) - 12

    def report(self, seconds: float) -> SenderReport:
        """What was done so far."""
        return SenderReport(
            self._packets, self._octets, self._lost, self._reordered, self._duplicated, self._unsent, seconds
        )


async def run_together(senders: Sequence[Sender]) -> tuple[SenderReport, ...]:
    """Send several streams from one clock, so that parties that speak at the same time stay together.

    The speed is the first sender's.
    """
    if not senders:
        return ()
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        streams = [_Outgoing(sender, stack) for sender in senders]
        started, step, tick = loop.time(), PACKET_MS / 1000 / senders[0].speed, 0
        while streams_left := [stream for stream in streams if stream.seconds is None]:
            for stream in streams_left:
                stream.send_due(tick, loop.time() - started)
            tick += 1
            delay = started + tick * step - loop.time()
            if delay > 0 or tick % _BURST == 0:
                await asyncio.sleep(max(delay, 0))
        return tuple(stream.sender.report(stream.seconds or 0.0) for stream in streams)


class _Outgoing:
    """A sender with its sockets, while it runs."""

    def __init__(self, sender: Sender, stack: contextlib.ExitStack) -> None:
        self.sender, self.seconds = sender, None
        self._plan = sender.datagrams()
        self._rtp = stack.enter_context(_socket(sender.target, sender.source, 0))
        self._rtcp = stack.enter_context(_socket(sender.target, sender.source, 1))
        self._send_control(0, last=False)

    seconds: float | None

    def send_due(self, tick: int, elapsed: float) -> None:
        due = None if self.sender.stopped else next(self._plan, None)
        if due is None:
            self._send_control(tick, last=True)
            self.seconds = elapsed
        else:
            self.sender.send(self._rtp, due)

    def _send_control(self, index: int, *, last: bool) -> None:
        host, port = self.sender.target
        # A receiver without an RTCP port is a receiver all the same.
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            self._rtcp.sendto(self.sender.control(index, last=last), (host, port + 1))


def _socket(target: tuple[str, int], source: tuple[str, int] | None, above: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    if source:
        sock.bind((source[0], source[1] + above if source[1] else 0))
    return sock


def _encode(audio: Path, codec: Codec, lead_in: float, lead_out: float) -> list[bytes]:
    """The file's sound as payloads, padded to whole packets."""
    try:
        samples, rate = soundfile.read(audio, dtype="int16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise Refused("cannot read a sound file", file=audio, found=error) from error
    if samples.ndim != 1 or rate != SAMPLE_RATE:
        raise Refused("a sound file to send must be 8000 Hz mono", file=audio, found=f"{rate} Hz {samples.shape}")
    before, after = round(lead_in * SAMPLE_RATE), round(lead_out * SAMPLE_RATE)
    after += -(before + len(samples) + after) % PACKET_SAMPLES
    return codec.payloads(np.pad(samples, (before, after)), PACKET_MS)
