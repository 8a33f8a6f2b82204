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

from core.errors import Refused
from telephony.rtp.packet import RtcpSenderReport, RtpPacket, goodbye, ntp_time, source_description
from telephony.rtp.packetize import Key, Part, Planned, packetize, read_sound
from telephony.rtp.srtp import Protection

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
    """Sends one mono file (FLAC or WAV, 8 or 16 kHz) to ``target``; RTCP goes to the port above.

    ``packet_ms`` (10 to 60) is the sound in a packet.  ``then`` changes the codec on the way, ``keys`` are pressed.
    ``loss``, ``reorder`` and ``duplicates`` are shares of packets (0..1), drawn from ``seed``.  ``lead_in`` and
    ``lead_out`` are seconds of sent silence around the file.  ``source`` is the local address; port 0: any.
    ``protection`` makes it SRTP.
    """

    def __init__(
        self,
        audio: Path,
        target: tuple[str, int],
        *,
        codec: str = "PCMA",
        payload_type: int | None = None,
        packet_ms: int = 20,
        then: Sequence[Part] = (),
        keys: Sequence[Key] = (),
        loss: float = 0.0,
        reorder: float = 0.0,
        duplicates: float = 0.0,
        speed: float = 1.0,
        seed: int = 0,
        lead_in: float = 0.0,
        lead_out: float = 0.0,
        source: tuple[str, int] | None = None,
        protection: Protection | None = None,
    ) -> None:
        if packet_ms not in range(10, 61, 10):
            raise Refused("packets hold whole tens of milliseconds", found=f"{packet_ms} ms", expected="10 to 60 ms")
        if speed <= 0:
            raise Refused("the speed must be above 0", found=speed)
        self.target, self.speed, self.source, self._protection = target, speed, source, protection
        self.packet_ms, parts = packet_ms, (Part(0, codec, payload_type), *then)
        self.packets = packetize(*read_sound(audio, lead_in, lead_out), parts, packet_ms, keys)
        self.stopped = False
        random_numbers = random.Random(seed)
        self._ssrc, self._sequence = random_numbers.getrandbits(32), random_numbers.getrandbits(16)
        self._timestamp = random_numbers.getrandbits(32)
        self._random, self._loss, self._reorder, self._duplicates = random_numbers, loss, reorder, duplicates
        self._packets = self._octets = self._lost = self._reordered = self._duplicated = self._unsent = 0

    @property
    def duration(self) -> float:
        """Seconds of sound, with lead-in and lead-out, at speed 1."""
        return (self.packets[-1].at_ms + self.packet_ms) / 1000 if self.packets else 0.0

    def stop(self) -> None:
        """End early: the packet on its way is the last, the BYE is still sent."""
        self.stopped = True

    async def run(self) -> SenderReport:
        """Send everything, paced; returns when the last packet has left."""
        return (await run_together([self]))[0]

    def datagrams(self) -> Iterator[list[bytes]]:
        """For each packet what is sent then: usually itself, nothing when lost, twice when doubled; at last what was
        held back."""
        held: list[bytes] = []
        for index, packet in enumerate(self.packets):
            due = [self._packet(index, packet)]
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

    def _packet(self, index: int, packet: Planned) -> bytes:
        sequence, timestamp = self._sequence + index & 0xFFFF, self._timestamp + packet.timestamp & 0xFFFF_FFFF
        plain = bytes(
            RtpPacket(packet.payload_type, sequence, timestamp, self._ssrc, packet.payload, marker=packet.marker)
        )
        return self._protection.protect(plain) if self._protection else plain

    def due_ms(self, index: int) -> int:
        """When packet ``index`` leaves, in milliseconds at speed 1: once all of it was said; at last, the end."""
        return self.packets[index].at_ms + self.packet_ms if index < len(self.packets) else round(self.duration * 1000)

    def control(self, milliseconds: int, *, last: bool) -> bytes:
        """The RTCP compound when so much was said: SR and SDES, and a BYE when it is the last."""
        said = [packet for packet in self.packets if packet.at_ms <= milliseconds]
        timestamp = said[-1].timestamp_at(milliseconds) if said else 0
        timestamp = self._timestamp + timestamp & 0xFFFF_FFFF
        report = RtcpSenderReport(self._ssrc, ntp_time(time.time()), timestamp, self._packets, self._octets)
        compound = bytes(report) + source_description(self._ssrc, f"{self._ssrc:08x}@sender.invalid")
        compound += goodbye(self._ssrc) if last else b""
        return self._protection.protect_rtcp(compound) if self._protection else compound

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
        started, milliseconds, burst = loop.time(), 0, 0
        while left := [stream for stream in streams if stream.seconds is None]:
            milliseconds = min(stream.due_ms for stream in left)
            delay = started + milliseconds / 1000 / senders[0].speed - loop.time()
            burst = 0 if delay > 0 else burst + 1
            if delay > 0 or burst % _BURST == 0:
                await asyncio.sleep(max(delay, 0))
            for stream in left:
                stream.send_due(milliseconds, loop.time() - started)
        return tuple(stream.sender.report(stream.seconds or 0.0) for stream in streams)


class _Outgoing:
    """A sender with its sockets, while it runs."""

    seconds: float | None

    def __init__(self, sender: Sender, stack: contextlib.ExitStack) -> None:
        self.sender, self.seconds, self._index = sender, None, 0
        self._plan = sender.datagrams()
        self._rtp = stack.enter_context(_socket(sender.target, sender.source, 0))
        self._rtcp = stack.enter_context(_socket(sender.target, sender.source, 1))
        self._send_control(0, last=False)

    @property
    def due_ms(self) -> int:
        """When there is something to do next, at speed 1."""
        return self.sender.due_ms(self._index)

    def send_due(self, milliseconds: int, elapsed: float) -> None:
        """Everything that leaves until then."""
        while self.seconds is None and self.due_ms <= milliseconds:
            due = None if self.sender.stopped else next(self._plan, None)
            if due is None:
                self._send_control(self.due_ms, last=True)
                self.seconds = elapsed
            else:
                self.sender.send(self._rtp, due)
                self._index += 1

    def _send_control(self, milliseconds: int, *, last: bool) -> None:
        host, port = self.sender.target
        # A receiver without an RTCP port is a receiver all the same.
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            self._rtcp.sendto(self.sender.control(milliseconds, last=last), (host, port + 1))


def _socket(target: tuple[str, int], source: tuple[str, int] | None, above: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    if source:
        sock.bind((source[0], source[1] + above if source[1] else 0))
    return sock
