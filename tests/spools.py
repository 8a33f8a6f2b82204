"""Spool directories made by hand: packets with chosen arrival times, sequence numbers and timestamps."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from telephony.call import CLOSED, CallFacts, Stream
from telephony.rtp.codecs import PCMA
from telephony.rtp.packet import RtpPacket
from telephony.rtp.spool import SpoolHeader, SpoolWriter

STARTED = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
Samples = NDArray[np.int16]
# When it arrived (milliseconds since the spool began), and the packet.
Arrival = tuple[int, bytes]


def tone(milliseconds: int, level: int = 8000) -> Samples:
    """A sound in which every 20 ms differ, so that a misplaced packet shows."""
    time = np.arange(milliseconds * 8)
    sound = level * np.sin(time * (0.05 + 0.3 * time / 80_000))
    # What A-law would make of it, so that it comes back exactly.
    return PCMA.decode(PCMA.encode(sound.astype(np.int16)))


def packets(
    samples: Samples, *, at: int = 0, sequence: int = 100, timestamp: int = 5000, ssrc: int = 7, payload_type: int = 8
) -> Iterator[Arrival]:
    """20 ms PCMA packets that arrive in time, the first one at ``at``."""
    payloads = PCMA.encode(samples).reshape(-1, 160)
    for index, payload in enumerate(payloads):
        packet = RtpPacket(
            payload_type, sequence + index & 0xFFFF, timestamp + index * 160 & 0xFFFF_FFFF, ssrc, payload.tobytes()
        )
        yield at + 20 * index, bytes(packet)


def write_spool(file: Path, arrivals: Iterable[Arrival], *, started_at: datetime = STARTED) -> Path:
    """An rtpdump file of these packets."""
    writer = SpoolWriter(file, SpoolHeader("127.0.0.1", 20000, started_at))
    for offset_ms, packet in arrivals:
        writer.append(packet, offset_ms)
    assert writer.close()
    assert not writer.refused
    return file


def call(*roles: str, seconds: float = 1.0) -> CallFacts:
    """A finished call with one stream for each role, in files ``0.rtpdump``, ``1.rtpdump`` …"""
    facts = CallFacts(UUID(int=1), "call@example.invalid", STARTED, CLOSED, STARTED + timedelta(seconds=seconds))
    streams = tuple(
        Stream(str(index), index, role, f"{index}.rtpdump", 20000 + 2 * index, {"8": "PCMA/8000"})
        for index, role in enumerate(roles)
    )
    return replace(facts, streams=streams)
