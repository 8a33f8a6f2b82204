"""Reading headers by the block agrees with reading them one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.rtp.headers import read_headers
from telephony.rtp.packet import RtpPacket
from telephony.rtp.spool import Block
from tests.unit.test_rtp_packet import rtp_packets


def block_of(records: list[bytes], rtcp: list[bool]) -> Block:
    starts = [sum(map(len, records[:row])) for row in range(len(records))]
    return Block(b"".join(records), starts, list(map(len, records)), rtcp, [20 * row for row in starts], len(records))


def parsed(record: bytes) -> RtpPacket | None:
    try:
        return RtpPacket.parse(record)
    except ValueError:
        return None


wire = rtp_packets.map(bytes)
damaged = st.builds(lambda data, first: bytes([first]) + data[1:], wire, st.integers(0, 255))
cut = st.builds(lambda data, end: data[: end + 1], wire, st.integers(0, 80))


@given(st.lists(st.tuples(wire | damaged | cut | st.binary(min_size=1, max_size=60), st.booleans()), max_size=20))
def test_agrees_with_the_parser(records: list[tuple[bytes, bool]]) -> None:
    block = block_of([data for data, _ in records], [rtcp for _, rtcp in records])
    rows = read_headers(block)
    found = [
        (
            rows.sequences[row],
            rows.timestamps[row],
            rows.ssrcs[row],
            rows.payload_types[row],
            rows.data[rows.starts[row] : rows.starts[row] + rows.sizes[row]].tobytes(),
        )
        for row in range(len(rows.ssrcs))
    ]
    expected = [parsed(data) for data, rtcp in records if not rtcp]
    assert found == [(p.sequence, p.timestamp, p.ssrc, p.payload_type, p.payload) for p in expected if p]
    assert [control.data for control in rows.control] == [data for data, rtcp in records if rtcp]
    assert rows.invalid == expected.count(None)
    assert rows.settled == len(found)


@pytest.mark.parametrize("settled", [0, 1, 2, 4])
def test_counts_only_settled_records(settled: int) -> None:
    sound = bytes(RtpPacket(8, 1, 2, 3, b"payload"))
    block = block_of([sound, b"\x80\xc9\x00\x00", b"garbage", sound], [False, True, False, False])
    rows = read_headers(Block(block.data, block.starts, block.sizes, block.rtcp, block.offsets_ms, settled))
    assert (rows.settled, len(rows.control), rows.invalid) == {0: (0, 0, 0), 1: (1, 0, 0), 2: (1, 1, 0), 4: (2, 1, 1)}[
        settled
    ]
