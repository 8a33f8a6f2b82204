"""The spool of one stream: an rtpdump file, as rtptools' ``rtpdump -F dump`` writes and Wireshark reads it.

A text line ``#!rtpplay1.0 ADDRESS/PORT``, a binary header (start of recording as seconds and microseconds, source
address, port, padding) and then records: length with this header, length of the RTP packet (0: RTCP) and milliseconds
since the start, all big-endian, followed by the packet.
"""

import ipaddress
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.clock import require_utc
from telephony.rtp.resync import REACH, is_control, next_record

RECORD = struct.Struct(">HHI")
_HEADER = struct.Struct(">IIIHH")
_FIRST_LINE = re.compile(rb"#!rtpplay1\.0 ([^/\n]*)/(\d{1,5})\n")
_LONGEST_LINE = 256
# What a stream may hold back while its disk refuses writes: 4 MiB are 7 minutes of G.711.
PENDING_LIMIT = 4 << 20
BLOCK = 256 << 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SpoolHeader:
    """Where packets were received and when the recording began (UTC, to the microsecond)."""

    address: str
    port: int
    started_at: datetime

    def __bytes__(self) -> bytes:
        since = require_utc(self.started_at) - _EPOCH
        seconds = since // timedelta(seconds=1)
        line = f"#!rtpplay1.0 {self.address}/{self.port}\n".encode()
        return line + _HEADER.pack(seconds, since.microseconds, _ipv4(self.address), self.port, 0)

    @classmethod
    def parse(cls, data: bytes) -> tuple["SpoolHeader", int]:
        """The header and the offset of the first record; raises ``ValueError`` for anything else."""
        found = _FIRST_LINE.match(data[:_LONGEST_LINE])
        if not found or len(data) < found.end() + _HEADER.size:
            raise ValueError("not an rtpdump file")
        seconds, micros, _source, port, _padding = _HEADER.unpack_from(data, found.end())
        if micros >= 1_000_000:
            raise ValueError("rtpdump start time is out of range")
        started = _EPOCH + timedelta(seconds=seconds, microseconds=micros)
        return cls(found[1].decode("latin-1"), port, started), found.end() + _HEADER.size


def _ipv4(address: str) -> int:
    """The header's 32-bit source field; it has no room for IPv6, where readers expect 0."""
    try:
        return int(ipaddress.IPv4Address(address))
    except ValueError:
        return 0


class SpoolWriter:
    """Appends records.  What the disk refuses stays in ``pending``, byte for byte, until it takes it."""

    def __init__(self, file: Path, header: SpoolHeader) -> None:
        self.pending = bytearray(bytes(header))
        self.limit = PENDING_LIMIT
        self.file = file
        self.refused = 0
        self.error = ""
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def append(self, packet: bytes | bytearray | memoryview, offset_ms: int, *, rtcp: bool = False) -> None:
        """Add one packet of 1 to 65,527 octets."""
        size = len(packet)
        self.append_records(RECORD.pack(size + RECORD.size, 0 if rtcp else size, offset_ms) + packet, 1)

    def append_records(self, records: bytes | bytearray | memoryview, count: int) -> None:
        """Add records that are in their final form; they count as refused when too much is pending already."""
        if len(self.pending) > self.limit:
            self.refused += count
        else:
            self.pending += records

    def flush(self) -> bool:
        """Hand everything pending to the operating system; ``False`` (and ``error``) when it did not take it all."""
        while self.pending:
            try:
                written = os.write(self._file, self.pending)
            except OSError as error:
                self.error = error.strerror or str(error)
                return False
            del self.pending[:written]
        return True

    def close(self) -> bool:
        """Flush and close, without waiting for the disk.  ``False`` when the operating system did not take everything:
        then it stays open, to be closed another time."""
        complete = self.flush()
        if complete:
            os.close(self._file)
        return complete

    def abandon(self) -> None:
        """Close it, whatever is still pending."""
        os.close(self._file)


@dataclass(frozen=True)
class Block:
    """Consecutive records of a spool: ``data`` and, for each record, where its packet lies in ``data``.

    Records from ``settled`` on are a preview: they come again at the start of the next block.
    """

    data: bytes
    starts: list[int]
    sizes: list[int]
    rtcp: list[bool]
    offsets_ms: list[int]
    settled: int


class SpoolReader:
    """Reads a spool block by block, over damage to the next plausible record.  What is passed over is told by
    ``unread``.

    Raises ``ValueError`` when the file has no rtpdump header, ``OSError`` when it cannot be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with file.open("rb") as stream:
            self.header, self._first = SpoolHeader.parse(stream.read(_LONGEST_LINE + _HEADER.size))
        # Octets that are no whole record; whether some are at the end, and some between records.  Known once
        # ``blocks`` is exhausted.
        self.unread = 0
        self.cut_short = self.damaged = False

    def blocks(self, size: int = BLOCK, preview: int = 0) -> Iterator[Block]:
        """The records in the order of their arrival, about ``size`` octets at a time.

        Every block but the last shows its last ``preview`` records before their time.
        """
        with self._file.open("rb") as stream:
            stream.seek(self._first)
            data = stream.read(size)
            while data:
                following = stream.read(size)
                block, used, sound = _cut(data, preview if following else 0)
                if block.settled:
                    yield block
                data = data[used:]
                if not sound:
                    data = self._pass_over(data, final=not following)
                elif not following and data:
                    # The last record is cut off, or its length is wrong and swallowed others.
                    data = self._pass_over(data, final=True)
                data += following

    def _pass_over(self, data: bytes, *, final: bool) -> bytes:
        """What begins with the next record; without one, what a record that follows may need."""
        place = next_record(data)
        self.damaged |= place is not None
        self.cut_short |= place is None and final
        if place is None:
            place = len(data) if final else max(1, len(data) - REACH)
        self.unread += place
        return data[place:]


def _cut(data: bytes, preview: int) -> tuple[Block, int, bool]:
    """Split at record boundaries: the block, the octets that are settled, and whether what follows is a record."""
    starts: list[int] = []
    sizes: list[int] = []
    rtcp: list[bool] = []
    offsets_ms: list[int] = []
    position, end, head, unpack, sound = 0, len(data) - RECORD.size, RECORD.size, RECORD.unpack_from, True
    while position <= end:
        length, packet_size, offset_ms = unpack(data, position)
        size = length - head
        # No packet is empty: this is a tail of zeros, or garbage.
        if size <= 0 or (packet_size != size and (packet_size or not is_control(data, position, length))):
            sound = False
            break
        if position + length > len(data):
            break
        starts.append(position + head)
        sizes.append(size)
        rtcp.append(not packet_size)
        offsets_ms.append(offset_ms)
        position += length
    settled = len(starts)
    if sound and preview:
        settled = max(0, settled - preview)
        position = starts[settled] - head if starts else 0
    return Block(data, starts, sizes, rtcp, offsets_ms, settled), position, sound
