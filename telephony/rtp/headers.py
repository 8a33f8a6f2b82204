"""The RTP headers of a whole spool block at once, as columns (RFC 3550 §5.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telephony.rtp.packet import VERSION
from telephony.rtp.spool import Block

Integers = NDArray[np.int64]

_HEADER = np.dtype([("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")])


@dataclass(frozen=True)
class Rows:
    """RTP packets in the order of arrival.  Lists are for reading one by one, arrays for all at once.

    ``arrivals`` are milliseconds since the start of the spool; payloads are ``data[start : start + size]``.  Rows from
    ``settled`` on are a preview of the next block.
    """

    sequences: list[int]
    timestamps: list[int]
    ssrcs: list[int]
    payload_types: list[int]
    arrivals: list[int]
    starts: Integers
    sizes: Integers
    settled: int
    data: NDArray[np.uint8]
    # Settled records that are RTCP, and those that are neither RTP nor RTCP.
    rtcp: int
    invalid: int


def read_headers(block: Block) -> Rows:
    """Keeps what ``RtpPacket.parse`` would accept, and counts the rest."""
    data = np.frombuffer(block.data, np.uint8)
    starts, sizes = np.array(block.starts, np.int64), np.array(block.sizes, np.int64)
    rtp = np.flatnonzero(~np.array(block.rtcp, bool) & (sizes >= _HEADER.itemsize))
    header = data[starts[rtp, None] + np.arange(_HEADER.itemsize)].view(_HEADER)[:, 0]
    payloads, lengths = _payloads(data, starts[rtp], sizes[rtp], header["first"])
    sound = (header["first"] >> 6 == VERSION) & (lengths >= 0)
    kept, header = rtp[sound], header[sound]
    rtcp = sum(block.rtcp[: block.settled])
    settled = int(np.searchsorted(kept, block.settled))
    return Rows(
        header["sequence"].tolist(),
        header["timestamp"].tolist(),
        header["ssrc"].tolist(),
        (header["second"] & 0x7F).tolist(),
        np.array(block.offsets_ms, np.int64)[kept].tolist(),
        payloads[sound],
        lengths[sound],
        settled,
        data,
        rtcp,
        block.settled - rtcp - settled,
    )


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
