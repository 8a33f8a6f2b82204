"""The RTP headers of a whole spool block at once, as columns (RFC 3550 §5.1)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.packet import VERSION
from telephony.rtp.spool import Block

Integers = NDArray[np.int64]

_HEADER = np.dtype([("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")])


@dataclass(frozen=True)
class Control:
    """An RTCP compound, the number of RTP rows of its block before it, and when it arrived (milliseconds)."""

    row: int
    arrival: int
    data: bytes


@dataclass(frozen=True)
class Rows:
    """RTP packets in the order of arrival: ``headers`` for all at once, lists (made when asked for) for one by one.

    ``arrivals`` are milliseconds since the start of the spool; payloads are ``data[start : start + size]``.  Rows from
    ``settled`` on are a preview of the next block.
    """

    headers: NDArray[Any]
    arrived: Integers
    starts: Integers
    sizes: Integers
    settled: int
    data: NDArray[np.uint8]
    # Settled RTCP compounds, and how many settled records are neither RTP nor RTCP.
    control: tuple[Control, ...]
    invalid: int

    @cached_property
    def sequences(self) -> list[int]:
        return _list(self.headers["sequence"])

    @cached_property
    def timestamps(self) -> list[int]:
        return _list(self.headers["timestamp"])

    @cached_property
    def ssrcs(self) -> list[int]:
        return _list(self.headers["ssrc"])

    @cached_property
    def payload_types(self) -> list[int]:
        return _list(self.headers["second"] & 0x7F)

    @cached_property
    def markers(self) -> list[bool]:
        return _list(self.headers["second"] > 0x7F)

    @cached_property
    def arrivals(self) -> list[int]:
        return _list(self.arrived)

    def payload(self, row: int) -> bytes:
        """The octets of one row."""
        start = int(self.starts[row])
        return self.data[start : start + int(self.sizes[row])].tobytes()


def _list(column: NDArray[Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    return values


def read_headers(block: Block) -> Rows:
    """Keeps what ``RtpPacket.parse`` would accept, and counts the rest."""
    data = np.frombuffer(block.data, np.uint8)
    starts, sizes = np.array(block.starts, np.int64), np.array(block.sizes, np.int64)
    is_control = np.array(block.rtcp, bool)
    rtp = np.flatnonzero(~is_control & (sizes >= _HEADER.itemsize))
    header = data[starts[rtp, None] + np.arange(_HEADER.itemsize)].view(_HEADER)[:, 0]
    payloads, lengths = _payloads(data, starts[rtp], sizes[rtp], header["first"])
    sound = (header["first"] >> 6 == VERSION) & (lengths >= 0)
    kept = rtp[sound]
    arrivals = np.array(block.offsets_ms, np.int64)
    control = tuple(
        Control(
            int(np.searchsorted(kept, record)),
            int(arrivals[record]),
            data[starts[record] : starts[record] + sizes[record]].tobytes(),
        )
        for record in np.flatnonzero(is_control[: block.settled])
    )
    settled = int(np.searchsorted(kept, block.settled))
    invalid = block.settled - len(control) - settled
    return Rows(header[sound], arrivals[kept], payloads[sound], lengths[sound], settled, data, control, invalid)


def _payloads(
    data: NDArray[np.uint8], starts: Integers, sizes: Integers, first: NDArray[np.uint8]
) -> tuple[Integers, Integers]:
    """Where payloads begin and how long they are; a negative length marks a packet that contradicts itself."""
    head = _HEADER.itemsize + 4 * (first & 0x0F).astype(np.int64)
    extended = np.flatnonzero((first & 0x10 != 0) & (sizes >= head + 4))
    at = starts[extended] + head[extended]
    words = data[at + 2].astype(np.int64) << 8 | data[at + 3]
    # An extension that does not fit makes the length negative, below.
    head[(first & 0x10 != 0)] += 4
    head[extended] += 4 * words
    lengths = sizes - head
    padded = np.flatnonzero((first & 0x20 != 0) & (lengths >= 0))
    padding = data[starts[padded] + sizes[padded] - 1].astype(np.int64)
    lengths[padded] -= np.where(padding == 0, sizes[padded] + 1, padding)
    return starts + head, lengths
