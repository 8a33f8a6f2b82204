"""Where records begin again behind damage in a spool: overwritten blocks, lost octets, a flipped length."""

import numpy as np

# A record's head: its length, that of its packet (0: RTCP), milliseconds since the start.
HEAD = 8
# Records that follow each other: in the order of arrival, but for two sockets that are read one after the other.
EARLIER_MS, LATER_MS = 60_000, 24 * 3600 * 1000
# As far as a record that began within damage may reach.
REACH = 65_535 + HEAD


def next_record(data: bytes) -> int | None:
    """The first place behind the start of ``data`` where a record of RTP or RTCP version 2 begins that another follows,
    or with which the data end; ``None`` when there is none."""
    octets = np.frombuffer(data, np.uint8).astype(np.int64)
    if len(octets) <= HEAD + 1:
        return None
    length = octets[:-HEAD] << 8 | octets[1 : len(octets) - HEAD + 1]
    packet = octets[2 : len(octets) - HEAD + 2] << 8 | octets[3 : len(octets) - HEAD + 3]
    versioned = octets[HEAD:] >> 6 == 2
    for place in np.flatnonzero(versioned & (length > HEAD) & ((packet == 0) | (packet == length - HEAD))).tolist():
        behind = place + int(length[place])
        begins = place and (packet[place] or _is_rtcp(data, place))
        if begins and (behind == len(data) or _follows(data[place : place + HEAD], data[behind : behind + HEAD])):
            return int(place)
    return None


def is_control(data: bytes, place: int, length: int) -> bool:
    """Whether what says to be RTCP is: its first octets tell, or a head behind it.  Taken for it where neither is there
    to be seen; whatever came to an RTCP port is kept as RTCP."""
    behind = place + length
    unseen = behind + HEAD > len(data)
    return unseen or _is_rtcp(data, place) or _is_head(data[behind : behind + HEAD])


def _is_rtcp(data: bytes, place: int) -> bool:
    """RFC 5761 §4."""
    first = data[place + HEAD : place + HEAD + 2]
    return len(first) == 2 and first[0] >> 6 == 2 and 192 <= first[1] <= 223


def _follows(head: bytes, following: bytes) -> bool:
    """Whether one head can come after another."""
    later = int.from_bytes(following[4:], "big") - int.from_bytes(head[4:], "big")
    return _is_head(following) and -EARLIER_MS <= later <= LATER_MS


def _is_head(head: bytes) -> bool:
    length, packet = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:4], "big")
    return len(head) == HEAD and length > HEAD and packet in (0, length - HEAD)
