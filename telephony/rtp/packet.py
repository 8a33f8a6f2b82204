"""RTP and RTCP packets as values (RFC 3550).  Anything that is not such a packet raises ``ValueError``."""

import struct
from dataclasses import dataclass

VERSION = 2
SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, BYE = 200, 201, 202, 203
CNAME = 1
# Seconds from 1900 (NTP) to 1970 (Unix), RFC 3550 §4.
NTP_EPOCH = 2_208_988_800

_RTP = struct.Struct(">BBHII")
_RTCP = struct.Struct(">BBH")
_SENDER_INFO = struct.Struct(">IQIII")
_REPORT_BLOCK = struct.Struct(">IIIIII")


@dataclass(frozen=True)
class RtpPacket:
    """One RTP data packet (RFC 3550 §5.1), its padding already removed.

    ``extension`` is the profile's 16 bits and the extension's octets (a multiple of four).
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None

    @classmethod
    def parse(cls, data: bytes) -> "RtpPacket":
        """Raises ``ValueError`` for anything but RTP version 2."""
        if len(data) < _RTP.size:
            raise ValueError("RTP header is cut short")
        first, second, sequence, timestamp, ssrc = _RTP.unpack_from(data)
        if first >> 6 != VERSION:
            raise ValueError("not RTP version 2")
        start = _RTP.size + 4 * (first & 0x0F)
        if len(data) < start:
            raise ValueError("RTP contributing sources are cut short")
        csrcs = struct.unpack_from(f">{first & 0x0F}I", data, _RTP.size)
        extension, start = _parse_extension(data, start) if first & 0x10 else (None, start)
        end = len(data) - (_padding(data, start) if first & 0x20 else 0)
        return cls(second & 0x7F, sequence, timestamp, ssrc, data[start:end], bool(second & 0x80), csrcs, extension)

    def __bytes__(self) -> bytes:
        first = VERSION << 6 | (0x10 if self.extension else 0) | len(self.csrcs)
        second = self.payload_type | (0x80 if self.marker else 0)
        parts = [_RTP.pack(first, second, self.sequence, self.timestamp, self.ssrc)]
        parts.append(struct.pack(f">{len(self.csrcs)}I", *self.csrcs))
        if self.extension:
            profile, content = self.extension
            parts.append(struct.pack(">HH", profile, len(content) // 4) + content)
        return b"".join((*parts, self.payload))


def _parse_extension(data: bytes, start: int) -> tuple[tuple[int, bytes], int]:
    if len(data) < start + 4:
        raise ValueError("RTP header extension is cut short")
    profile, words = struct.unpack_from(">HH", data, start)
    end = start + 4 + 4 * words
    if len(data) < end:
        raise ValueError("RTP header extension is cut short")
    return (profile, data[start + 4 : end]), end


def _padding(data: bytes, start: int) -> int:
    count = data[-1] if len(data) > start else 0
    if not 0 < count <= len(data) - start:
        raise ValueError("RTP padding is longer than the payload")
    return count


@dataclass(frozen=True)
class RtcpPacket:
    """One packet of an RTCP compound: its type, the header's 5-bit count and what follows the header."""

    packet_type: int
    count: int
    body: bytes

    def __bytes__(self) -> bytes:
        return _RTCP.pack(VERSION << 6 | self.count, self.packet_type, len(self.body) // 4) + self.body


def parse_compound(data: bytes) -> tuple[RtcpPacket, ...]:
    """Cut an RTCP compound into its packets (RFC 3550 §6.1); raises ``ValueError`` when the lengths do not add up."""
    packets: list[RtcpPacket] = []
    position = 0
    while position < len(data):
        if len(data) - position < _RTCP.size:
            raise ValueError("RTCP header is cut short")
        first, packet_type, words = _RTCP.unpack_from(data, position)
        if first >> 6 != VERSION or not 192 <= packet_type <= 223:
            raise ValueError("not RTCP version 2")
        start, position = position + _RTCP.size, position + _RTCP.size + 4 * words
        if position > len(data):
            raise ValueError("RTCP packet is cut short")
        end = position - (_padding(data[:position], start) if first & 0x20 else 0)
        packets.append(RtcpPacket(packet_type, first & 0x1F, data[start:end]))
    if not packets:
        raise ValueError("RTCP compound is empty")
    return tuple(packets)


@dataclass(frozen=True)
class RtcpSenderReport:
    """The sender's part of an SR (RFC 3550 §6.4.1).  ``ntp`` is the 64-bit NTP time of ``timestamp``."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int

    @classmethod
    def parse(cls, packet: RtcpPacket) -> "RtcpSenderReport":
        """Raises ``ValueError`` unless ``packet`` is a whole SR."""
        if packet.packet_type != SENDER_REPORT or len(packet.body) < _SENDER_INFO.size:
            raise ValueError("not an RTCP sender report")
        return cls(*_SENDER_INFO.unpack_from(packet.body))

    @property
    def unix_seconds(self) -> float:
        """The wall-clock time of the report."""
        return self.ntp / 2**32 - NTP_EPOCH

    def __bytes__(self) -> bytes:
        body = _SENDER_INFO.pack(self.ssrc, self.ntp, self.timestamp, self.packets, self.octets)
        return bytes(RtcpPacket(SENDER_REPORT, 0, body))


@dataclass(frozen=True)
class ReportBlock:
    """How one source was received (RFC 3550 §6.4.1).

    ``fraction`` is the loss since the last report in 256ths, ``lost`` that of the whole session, below zero where
    duplicates outnumber it; ``highest`` is the extended sequence number, ``jitter`` in units of the RTP timestamp,
    ``last_report`` the middle 32 bits of the last SR's NTP time, ``delay`` since then in 1/65,536 seconds.
    """

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_report: int = 0
    delay: int = 0

    @classmethod
    def parse(cls, data: bytes) -> "ReportBlock":
        """Raises ``ValueError`` unless ``data`` begins with a whole block."""
        if len(data) < _REPORT_BLOCK.size:
            raise ValueError("RTCP report block is cut short")
        ssrc, losses, *others = _REPORT_BLOCK.unpack_from(data)
        return cls(ssrc, losses >> 24, (losses & 0xFF_FFFF ^ 0x80_0000) - 0x80_0000, *others)

    def __bytes__(self) -> bytes:
        lost = max(-0x80_0000, min(self.lost, 0x7F_FFFF)) & 0xFF_FFFF
        losses = self.fraction << 24 | lost
        return _REPORT_BLOCK.pack(self.ssrc, losses, self.highest, self.jitter, self.last_report, self.delay)


@dataclass(frozen=True)
class RtcpReceiverReport:
    """An RR (RFC 3550 §6.4.2): who reports, and on which sources (31 at most)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    @classmethod
    def parse(cls, packet: RtcpPacket) -> "RtcpReceiverReport":
        """Raises ``ValueError`` unless ``packet`` is a whole RR."""
        if packet.packet_type != RECEIVER_REPORT or len(packet.body) < 4 + _REPORT_BLOCK.size * packet.count:
            raise ValueError("not an RTCP receiver report")
        places = range(4, 4 + _REPORT_BLOCK.size * packet.count, _REPORT_BLOCK.size)
        (ssrc,) = struct.unpack_from(">I", packet.body)
        return cls(ssrc, tuple(ReportBlock.parse(packet.body[place:]) for place in places))

    def __bytes__(self) -> bytes:
        body = struct.pack(">I", self.ssrc) + b"".join(map(bytes, self.blocks))
        return bytes(RtcpPacket(RECEIVER_REPORT, len(self.blocks), body))


def ntp_time(unix_seconds: float) -> int:
    """The 64-bit NTP timestamp of a Unix time."""
    return round((unix_seconds + NTP_EPOCH) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF


def source_description(ssrc: int, cname: str) -> bytes:
    """An SDES packet with the one item that every compound needs (RFC 3550 §6.5.1).  ``cname``: ≤ 255 octets."""
    name = cname.encode()
    item = struct.pack(">IBB", ssrc, CNAME, len(name)) + name
    # The list of items ends with at least one null octet, on a 32-bit boundary.
    return bytes(RtcpPacket(SOURCE_DESCRIPTION, 1, item + bytes(4 - len(item) % 4)))


def goodbye(ssrc: int) -> bytes:
    """A BYE packet (RFC 3550 §6.6)."""
    return bytes(RtcpPacket(BYE, 1, struct.pack(">I", ssrc)))


def read_cnames(packet: RtcpPacket) -> dict[int, str]:
    """The canonical names in an SDES packet, by source (RFC 3550 §6.5); ``ValueError`` when it is none or broken."""
    if packet.packet_type != SOURCE_DESCRIPTION:
        raise ValueError("not an RTCP source description")
    names: dict[int, str] = {}
    body, position = packet.body, 0
    for _ in range(packet.count):
        if position + 4 > len(body):
            raise ValueError("RTCP source description is cut short")
        (ssrc,) = struct.unpack_from(">I", body, position)
        position += 4
        while position < len(body) and body[position]:
            start = position + 2
            if start > len(body) or start + body[position + 1] > len(body):
                raise ValueError("RTCP source description is cut short")
            item, position = body[position], start + body[position + 1]
            if item == CNAME:
                names[ssrc] = body[start:position].decode("utf-8", "replace")
        # Past the null octet that ends the list, to a 32-bit boundary.
        position += 4 - position % 4
    return names


def read_goodbye(packet: RtcpPacket) -> tuple[int, ...]:
    """The sources that leave with a BYE packet (RFC 3550 §6.6); ``ValueError`` when it is none or broken."""
    if packet.packet_type != BYE or len(packet.body) < 4 * packet.count:
        raise ValueError("not an RTCP goodbye")
    sources: tuple[int, ...] = struct.unpack_from(f">{packet.count}I", packet.body)
    return sources
