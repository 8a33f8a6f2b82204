"""The judge of the timeline: two parties who speak short marks at known moments, and where the file has them.

A ``Voice`` is a sender with a clock of its own and a way to us that loses, doubles, delays and reorders.  ``record``
writes what arrives into real spools, ``errors`` finds every mark in the assembled file by correlation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile
from numpy.typing import NDArray

from telephony.call import CLOSED, CallFacts, Pause, Stream
from telephony.rtp.assemble import Assembly
from telephony.rtp.codecs import Codec, find
from telephony.rtp.packet import RtcpSenderReport, RtpPacket, ntp_time, source_description
from telephony.rtp.spool import SpoolHeader, SpoolWriter

BEGAN = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
Floats = NDArray[np.float64]
Span = tuple[float, float]
# A mark is a chirp of a quarter second, one of four that look nothing like each other.
MARK_S, EVERY_S = 0.25, 4.0
SWEEPS = ((500.0, 1500.0), (2600.0, 1700.0), (1500.0, 500.0), (1700.0, 2600.0))
# A mark must be at least so much like what was said: loss may take a part of it.
LIKENESS = 0.45
# How far from its place a mark is looked for.
REACH_S = 1.8


@dataclass(frozen=True)
class Voice:
    """One party.  Times in seconds since the call began; ``delay_ms`` is the shortest way from mouth to us."""

    label: str
    role: str
    seed: int = 1
    codec: str = "PCMA"
    payload_type: int = 8
    packet_ms: int = 20
    # From a moment on another codec: (moment, rtpmap, payload type).
    switches: tuple[tuple[float, str, int], ...] = ()
    ppm: float = 0.0
    delay_ms: float = 5.0
    # From a moment on so many milliseconds more of it.
    routes: tuple[tuple[float, float], ...] = ()
    jitter_ms: float = 0.0
    overtaking: bool = False
    loss: float = 0.0
    duplicates: float = 0.0
    first_sequence: int = 100
    first_timestamp: int = 5000
    joins: float = 0.0
    leaves: float = 1e9
    silent: bool = False
    # Only what is around marks is sent; comfort noise packets tell where speech ended.
    suppressed: bool = False
    comfort_noise: bool = False
    marker_bits: bool = True
    # Nothing is sent: the clock runs on in ``holds``, and stands in ``stood``.
    holds: tuple[Span, ...] = ()
    stood: tuple[Span, ...] = ()
    # The network, or a sender that catches up, keeps everything back and lets it go in one burst.
    stalls: tuple[Span, ...] = ()
    new_sources: tuple[float, ...] = ()
    new_numbering: tuple[float, ...] = ()
    # From a moment on so many timestamp ticks more (or fewer).
    jumps: tuple[tuple[float, int], ...] = ()
    lost_spans: tuple[Span, ...] = ()
    # Sender reports: their clock is off by so many seconds, or ``lying``; none without ``cname``.
    cname: str = ""
    ntp_offset: float = 0.0
    lying: str = ""
    marks_every: float = EVERY_S
    mark_offset: float = 1.0

    def marks(self, seconds: float) -> list[float]:
        """When it speaks."""
        first = self.mark_offset
        count = int((min(seconds, self.leaves) - first - 2 * MARK_S) / self.marks_every) + 1
        return [first + self.marks_every * number for number in range(max(0, count))]

    def audible(self, at: float) -> bool:
        """Whether a mark at this moment was sent and had a chance to arrive."""
        away = (*self.holds, *self.stood, *self.lost_spans)
        return (
            not self.silent
            and self.joins + 0.1 < at < self.leaves - MARK_S - 0.1
            and not any(start - MARK_S - 0.1 < at < end + 0.1 for start, end in away)
        )


def mark(kind: int, at: Floats) -> Floats:
    """The chirp at times since its start (seconds); nothing outside."""
    low, high = SWEEPS[kind % len(SWEEPS)]
    phase = 2 * np.pi * (low * at + (high - low) * at**2 / (2 * MARK_S))
    inside = (at >= 0) & (at < MARK_S)
    sound: Floats = np.where(inside, 9000 * np.sin(phase) * np.sin(np.pi * np.clip(at / MARK_S, 0, 1)) ** 0.5, 0.0)
    return sound


def spoken(voice: Voice, seconds: float, at: Floats) -> Floats:
    """What the party says at these moments: marks, and a whisper of noise."""
    sound = np.random.default_rng(voice.seed).normal(0, 4, len(at))
    kinds = 0 if voice.role == "agent" else 2
    for number, said in enumerate(voice.marks(seconds)):
        first, last = np.searchsorted(at, (said - 0.001, said + MARK_S))
        sound[first:last] += mark(number % 2 + kinds, at[first:last] - said)
    return sound


@dataclass(frozen=True)
class _Plan:
    """A packet before it has a payload: when its first sample is spoken, by true time and by the sender's clock."""

    said: float
    clock: float
    rtpmap: str
    payload_type: int
    sequence: int
    marker: bool
    noise: bool
    lose: bool


@dataclass(frozen=True)
class _Sent:
    sent: float
    packet: bytes
    lose: bool


def _packets(voice: Voice, seconds: float) -> Iterator[_Sent]:
    """What leaves the sender: each packet once its last sample is spoken."""
    plans = list(_plans(voice, seconds))
    for rtpmap, alike in groupby(plans, key=lambda plan: plan.rtpmap):
        run, codec = list(alike), _codec(rtpmap)
        spoken_plans = [plan for plan in run if not plan.noise]
        moments = [plan.clock + np.arange(codec.file_rate * voice.packet_ms // 1000) / codec.file_rate
                   for plan in spoken_plans]  # fmt: skip
        sound = spoken(voice, seconds, np.concatenate(moments or [np.zeros(0)]) / (1 + voice.ppm * 1e-6))
        payloads = iter(codec.payloads(np.clip(sound, -32000, 32000).astype(np.int16), voice.packet_ms))
        for plan in run:
            payload = b"\x40" if plan.noise else next(payloads)
            packet = _header(voice, codec, plan, payload)
            yield _Sent(plan.said + voice.packet_ms / 1000, packet, plan.lose)


def _codec(rtpmap: str) -> Codec:
    codec = find(rtpmap)
    assert codec, rtpmap
    return codec


def _plans(voice: Voice, seconds: float) -> Iterator[_Plan]:
    """Which packets there are; ``at`` counts on the sender's clock."""
    numbers, sequence, talking = np.random.default_rng(voice.seed), voice.first_sequence, False
    marks, step = np.array(voice.marks(seconds)), voice.packet_ms / 1000
    faster, first = 1 + voice.ppm * 1e-6, round(voice.joins / step)
    for index in range(first, round(min(seconds, voice.leaves) / step)):
        at = index * step
        said = at / faster
        rtpmap, payload_type = voice.codec, voice.payload_type
        for moment, other, number in voice.switches:
            rtpmap, payload_type = (other, number) if said >= moment else (rtpmap, payload_type)
        quiet = voice.suppressed and not ((marks - 0.3 < said) & (said < marks + MARK_S + 0.3)).any()
        away = _in((*voice.holds, *voice.stood), said)
        if quiet or away:
            if quiet and talking and voice.comfort_noise and not away:
                yield _Plan(said, at, rtpmap, 13, sequence, False, True, False)
                sequence += 1
            talking = False
            continue
        lose = bool(numbers.random() < voice.loss) or _in(voice.lost_spans, said)
        yield _Plan(said, at, rtpmap, payload_type, sequence, voice.marker_bits and not talking, False, lose)
        sequence, talking = sequence + 1, True


def _header(voice: Voice, codec: Codec, plan: _Plan, payload: bytes) -> bytes:
    """The packet as it is on the wire."""
    source = sum(plan.said >= moment for moment in voice.new_sources)
    renumbered = sum(plan.said >= moment for moment in voice.new_numbering)
    ticks = timestamp_of(voice, codec, plan.said, plan.clock) + 0x1234_5678 * source
    number = plan.sequence + 20_011 * source + 30_011 * renumbered
    ssrc = voice.seed * 1000 + source
    return bytes(RtpPacket(plan.payload_type, number & 0xFFFF, ticks & 0xFFFF_FFFF, ssrc, payload, plan.marker))


def timestamp_of(voice: Voice, codec: Codec, said: float, clock: float) -> int:
    """The RTP time of a moment: the sender's clock less what it stood, and its jumps."""
    stood = sum(min(said, end) - start for start, end in voice.stood if said > start)
    jumped = sum(ticks for moment, ticks in voice.jumps if said >= moment)
    return voice.first_timestamp + round((clock - stood * (1 + voice.ppm * 1e-6)) * codec.clock_rate) + jumped


def _in(spans: Sequence[Span], moment: float) -> bool:
    return any(start <= moment < end for start, end in spans)


def arrivals(voice: Voice, seconds: float) -> list[tuple[float, bytes, bool]]:
    """What reaches us and when (seconds), in that order; the flag tells RTCP."""
    if voice.silent:
        return []
    numbers, found, newest = np.random.default_rng(voice.seed + 77), list[tuple[float, bytes, bool]](), 0.0
    next_report = voice.joins + 0.7
    for sent in _packets(voice, seconds):
        if voice.cname and sent.sent >= next_report:
            found.append((_arrival(voice, sent.sent, 0.0), _report(voice, sent.packet, sent.sent), True))
            next_report = sent.sent + 5.0
        arrival = _arrival(voice, sent.sent, float(numbers.random()) * voice.jitter_ms)
        if not voice.overtaking:
            arrival = newest = max(newest, arrival)
        if not sent.lose:
            found.append((arrival, sent.packet, False))
        if numbers.random() < voice.duplicates:
            found.append((arrival + float(numbers.random()) * 0.05, sent.packet, False))
    return sorted(found, key=lambda each: each[0])


def _arrival(voice: Voice, sent: float, jitter_ms: float) -> float:
    leaves = max([sent, *(end for start, end in voice.stalls if start <= sent < end)])
    route = sum(more for moment, more in voice.routes if sent >= moment)
    return leaves + (voice.delay_ms + route + jitter_ms) / 1000


def _report(voice: Voice, packet: bytes, sent: float) -> bytes:
    """An SR of this moment, for the source of ``packet``."""
    header = RtpPacket.parse(packet)
    codec = find(voice.codec)
    assert codec
    ticks = timestamp_of(voice, codec, sent, sent * (1 + voice.ppm * 1e-6))
    ntp = {
        "": ntp_time(BEGAN.timestamp() + voice.ntp_offset + sent),
        "zero": 0,
        "1900": round(sent * 2**32),
        "jumps": ntp_time(BEGAN.timestamp() + (int(sent) * 7919) % 3600),
        "stuck": ntp_time(BEGAN.timestamp()),
    }[voice.lying]
    report = RtcpSenderReport(header.ssrc, ntp, ticks & 0xFFFF_FFFF, 1, 1)
    return bytes(report) + source_description(header.ssrc, voice.cname)


def record(
    directory: Path, voices: Sequence[Voice], seconds: float, *, pauses: Sequence[Span] = (), dropped: bool = True
) -> CallFacts:
    """Spools and facts of the call; what arrives within ``pauses`` is not spooled when ``dropped``."""
    directory.mkdir(exist_ok=True)
    streams = []
    for index, voice in enumerate(voices):
        # The spools begin at different moments, as ports are opened one after another.
        opened = -0.011 * (index + 1)
        header = SpoolHeader("127.0.0.1", 20000 + 2 * index, BEGAN + timedelta(seconds=opened))
        writer = SpoolWriter(directory / f"{voice.label}.rtpdump", header)
        for arrival, packet, rtcp in arrivals(voice, seconds):
            if not (dropped and _in(pauses, arrival)):
                writer.append(packet, int((arrival - opened) * 1000), rtcp=rtcp)
            if len(writer.pending) > 65536:
                writer.flush()
        assert writer.close()
        agreed = {str(number): rtpmap for _, rtpmap, number in voice.switches}
        agreed[str(voice.payload_type)] = voice.codec
        streams.append(Stream(voice.label, index, voice.role, f"{voice.label}.rtpdump", 20000 + 2 * index, agreed))
    spans = tuple(
        Pause(BEGAN + timedelta(seconds=start), BEGAN + timedelta(seconds=end), "gateway") for start, end in pauses
    )
    ended = BEGAN + timedelta(seconds=seconds)
    return CallFacts(UUID(int=1), "said@example.invalid", BEGAN, CLOSED, ended, streams=tuple(streams), pauses=spans)


def errors(
    target: Path, assembly: Assembly, voices: Sequence[Voice], seconds: float, *, unheard: Sequence[Span] = ()
) -> list[tuple[str, float, float]]:
    """For each mark that was said and sent: who, when (seconds), and found minus said in milliseconds.

    A mark that is nowhere near its place counts as infinitely far.
    """
    found = []
    with soundfile.SoundFile(target) as file:
        began = (assembly.started_at - BEGAN).total_seconds()
        for voice in voices:
            for number, said in enumerate(voice.marks(seconds)):
                if not voice.audible(said) or any(a - MARK_S - 0.2 < said < b + 0.2 for a, b in unheard):
                    continue
                kind = number % 2 + (0 if voice.role == "agent" else 2)
                error = _displacement(file, said - began, kind, 0 if voice.role == "agent" else 1)
                found.append((voice.label, said, error))
    return found


def _displacement(file: soundfile.SoundFile, at: float, kind: int, channel: int) -> float:
    rate = file.samplerate
    shape = mark(kind, np.arange(round(MARK_S * rate)) / rate)
    first = max(0, round((at - REACH_S) * rate))
    last = min(file.frames, round((at + REACH_S + MARK_S) * rate))
    if last - first < len(shape):
        return float("inf")
    file.seek(first)
    sound = file.read(last - first, dtype="int16", always_2d=True)[:, channel].astype(np.float64)
    likeness = _correlate(sound, shape)
    best = int(np.argmax(likeness))
    if likeness[best] < LIKENESS:
        return float("inf")
    return float(((first + best) / rate - at) * 1000)


def _correlate(sound: Floats, shape: Floats) -> Floats:
    """Normalised: 1 where ``sound`` is ``shape``."""
    size = 1 << (len(sound) + len(shape) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(shape, size)), size)
    # The power of one mark, wherever it is: a place where half of it was lost scores less, not more.
    score: Floats = product[: len(sound) - len(shape) + 1] / float(shape @ shape)
    return score


def pair(**changes: object) -> tuple[Voice, Voice]:
    """An agent and a citizen with the same conditions, their marks two seconds apart."""
    agent = replace(Voice("a", "agent", 3), **changes)  # type: ignore[arg-type]
    citizen = replace(Voice("c", "citizen", 4, mark_offset=3.0, first_timestamp=77_000), **changes)  # type: ignore[arg-type]
    return agent, citizen
