"""RTP and RTCP packets: round trips, and nothing but ValueError for everything else."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.rtp.packet import (
    ReportBlock,
    RtcpPacket,
    RtcpReceiverReport,
    RtcpSenderReport,
    RtpPacket,
    goodbye,
    ntp_time,
    parse_compound,
    read_cnames,
    read_goodbye,
    source_description,
)

words = st.integers(0, 0xFFFF_FFFF)
rtp_packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=words,
    ssrc=words,
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(words, max_size=15).map(tuple),
    extension=st.none()
    | st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40).map(lambda b: b + bytes(-len(b) % 4))),
)


@given(rtp_packets)
def test_rtp_round_trip(packet: RtpPacket) -> None:
    assert RtpPacket.parse(bytes(packet)) == packet


@given(rtp_packets, st.integers(1, 255))
def test_rtp_padding_is_removed(packet: RtpPacket, padding: int) -> None:
    data = bytearray(bytes(packet) + bytes(padding - 1) + bytes([padding]))
    data[0] |= 0x20
    assert RtpPacket.parse(bytes(data)) == packet


@given(
    st.binary(max_size=80)
    | rtp_packets.map(bytes).flatmap(lambda data: st.integers(0, len(data)).map(lambda n: data[:n]))
)
def test_only_value_error_for_anything_else(data: bytes) -> None:
    with suppress(ValueError):
        RtpPacket.parse(data)
    with suppress(ValueError):
        for packet in parse_compound(data):
            for read in (RtcpSenderReport.parse, RtcpReceiverReport.parse, read_cnames, read_goodbye):
                with suppress(ValueError):
                    read(packet)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x08\x00\x01", "header is cut short"),
        (b"\x40\x08" + bytes(10), "version"),
        (b"\x82\x08" + bytes(14), "contributing"),
        (b"\x90\x08" + bytes(10) + b"\xbe\xde\x00\x02" + bytes(4), "extension"),
        (b"\xa0\x08" + bytes(10) + b"\x05", "padding"),
        (b"\xa0\x08" + bytes(10), "padding"),
    ],
)
def test_says_what_is_wrong_with_rtp(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RtpPacket.parse(data)


@given(
    st.lists(
        st.builds(RtcpPacket, st.integers(192, 223), st.integers(0, 31), st.binary(max_size=8).map(lambda b: b * 4)),
        min_size=1,
    )
)
def test_rtcp_round_trip(compound: list[RtcpPacket]) -> None:
    assert parse_compound(b"".join(map(bytes, compound))) == tuple(compound)


def test_the_compound_that_a_sender_ends_with() -> None:
    report = RtcpSenderReport(ssrc=9, ntp=ntp_time(1_772_415_000.25), timestamp=160, packets=2, octets=320)
    compound = parse_compound(bytes(report) + source_description(9, "abc@sender.invalid") + goodbye(9))
    assert [packet.packet_type for packet in compound] == [200, 202, 203]
    assert RtcpSenderReport.parse(compound[0]) == report
    assert RtcpSenderReport.parse(compound[0]).unix_seconds == pytest.approx(1_772_415_000.25)
    assert compound[2].body == struct.pack(">I", 9)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\xc8\x00\x09" + bytes(8), b"\x80\x08\x00\x00"])
def test_refuses_what_is_no_compound(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_compound(data)


blocks = st.builds(
    ReportBlock, words, st.integers(0, 255), st.integers(-0x80_0000, 0x7F_FFFF), words, words, words, words
)


@given(words, st.lists(blocks, max_size=31).map(tuple))
def test_receiver_report_round_trip(ssrc: int, told: tuple[ReportBlock, ...]) -> None:
    report = RtcpReceiverReport(ssrc, told)
    (packet,) = parse_compound(bytes(report))
    assert RtcpReceiverReport.parse(packet) == report


def test_loss_beyond_24_bits_stays_at_the_end_of_the_scale() -> None:
    for lost, shown in ((1 << 30, 0x7F_FFFF), (-(1 << 30), -0x80_0000)):
        assert ReportBlock.parse(bytes(ReportBlock(1, 0, lost, 0, 0))).lost == shown


@given(words, st.text(max_size=60))
def test_canonical_names(ssrc: int, name: str) -> None:
    (packet,) = parse_compound(source_description(ssrc, name))
    assert read_cnames(packet) == {ssrc: name}


def test_canonical_names_of_several_sources_beside_other_items() -> None:
    chunks = (
        struct.pack(">IBB", 5, 2, 3) + b"Ann" + struct.pack(">BB", 1, 2) + b"a@" + b"\0",
        struct.pack(">IBB", 6, 1, 1) + b"b" + b"\0",
        struct.pack(">II", 7, 0),
    )
    body = b"".join(chunk + bytes(-len(chunk) % 4) for chunk in chunks)
    assert read_cnames(RtcpPacket(202, 3, body)) == {5: "a@", 6: "b"}


def test_goodbyes_of_several_sources_with_a_reason() -> None:
    assert read_goodbye(RtcpPacket(203, 2, struct.pack(">II", 5, 6) + b"\x04done\0\0\0")) == (5, 6)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (RtcpPacket(201, 0, b""), "receiver report"),
        (RtcpPacket(201, 1, bytes(24)), "receiver report"),
        (RtcpPacket(200, 0, bytes(24)), "receiver report"),
        (RtcpPacket(202, 1, b""), "cut short"),
        (RtcpPacket(202, 1, bytes(4) + b"\x01\x09ab"), "cut short"),
        (RtcpPacket(202, 1, bytes(4) + b"\x01\x02ab\x01"), "cut short"),
        (RtcpPacket(203, 2, bytes(4)), "goodbye"),
        (RtcpPacket(202, 0, b""), "goodbye"),
    ],
)
def test_says_what_is_wrong_with_rtcp(packet: RtcpPacket, reason: str) -> None:
    found = []
    for read in (RtcpReceiverReport.parse, read_cnames, read_goodbye):
        try:
            read(packet)
        except ValueError as error:
            found.append(str(error))
    assert any(reason in text for text in found)
