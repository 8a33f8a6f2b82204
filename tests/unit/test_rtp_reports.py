"""Receiver reports: what a look at each drain tells, against a receiver that touches every packet."""

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.rtp.packet import (
    ReportBlock,
    RtcpReceiverReport,
    RtcpSenderReport,
    RtpPacket,
    goodbye,
    ntp_time,
    parse_compound,
    read_cnames,
    source_description,
)
from telephony.rtp.reports import Reports

HALF = 0.5


def reports(ssrc: int = 1) -> Reports:
    return Reports(ssrc, "recorder", lambda: HALF, 0.0)


def rtp(sequence: int, ssrc: int = 7, samples: int = 160) -> bytes:
    return bytes(RtpPacket(8, sequence & 0xFFFF, samples * sequence & 0xFFFF_FFFF, ssrc, bytes(160)))


def arrivals(sequences: Sequence[int], ssrc: int = 7, late_ms: float = 0.0) -> list[tuple[float, bytes]]:
    return [(20.0 * sequence + late_ms * (sequence % 2), rtp(sequence, ssrc)) for sequence in sequences]


def drains(sequences: Sequence[int], size: int = 10) -> Iterator[Sequence[int]]:
    return (sequences[at : at + size] for at in range(0, len(sequences), size))


def told(compound: bytes) -> tuple[ReportBlock, ...]:
    return RtcpReceiverReport.parse(parse_compound(compound)[0]).blocks


def follow(reports: Reports, sequences: Sequence[int], at: float, before: int = 0) -> ReportBlock:
    """As a capture does: a look at the first drain, and at the last one before the report."""
    cut = list(drains(sequences))
    received = before
    for place, drain in enumerate(cut):
        received += len(drain)
        if place in (0, len(cut) - 1):
            reports.look(arrivals(drain), received)
    (block,) = told(reports.report(at))
    return block


def test_a_compound_begins_with_a_report_and_names_us() -> None:
    compound = parse_compound(reports(9).report(3.0))
    assert [packet.packet_type for packet in compound] == [201, 202]
    # Nothing came, so there is nothing to report on.
    assert RtcpReceiverReport.parse(compound[0]) == RtcpReceiverReport(9)
    assert read_cnames(compound[1]) == {9: "recorder"}


@pytest.mark.parametrize("start", [0, 100, 65_500])
def test_loss_is_counted_for_the_interval_and_for_all(start: int) -> None:
    one = reports()
    first = [start + number for number in range(250) if number % 10 != 5]
    block = follow(one, first, 5.0)
    assert (block.ssrc, block.lost, block.fraction, block.highest) == (7, 25, 25, start + 249)
    second = [start + number for number in range(250, 500)]
    block = follow(one, second, 10.0, len(first))
    assert (block.lost, block.fraction, block.highest) == (25, 0, start + 499)
    third = [start + number for number in range(500, 750) if number % 2 == 0 or number == 749]
    block = follow(one, third, 15.0, len(first) + len(second))
    assert (block.lost, block.fraction) == (25 + 124, 124 * 256 // 250)


def test_one_late_packet_moves_the_jitter_by_a_sixteenth() -> None:
    """RFC 3550 §6.4.1: J = J + (|D| - J) / 16, here with |D| of 20 ms at 8 kHz, and of nothing."""
    one = reports()
    one.look(arrivals(range(10)), 10)
    one.look(arrivals(range(40, 50)), 50)
    on_time = arrivals(range(90, 93))
    one.look([on_time[0], (on_time[1][0] + 20, on_time[1][1]), (on_time[2][0] + 20, on_time[2][1])], 93)
    (block,) = told(one.report(5.0))
    assert block.jitter == int(160 / 16 * 15 / 16)


@given(st.integers(0, 0xFFFF), st.lists(st.booleans(), min_size=40, max_size=400), st.integers(1, 60))
def test_as_a_receiver_that_touches_every_packet(start: int, came: list[bool], size: int) -> None:
    sequences = [start + number for number, one in enumerate(came) if one or number in (0, len(came) - 1)]
    one = reports()
    received = 0
    for drain in drains(sequences, size):
        received += len(drain)
        one.look(arrivals(drain), received)
    (block,) = told(one.report(5.0))
    # RFC 3550 §A.3, with all packets at hand.
    expected = len(came)
    assert block.highest == start + expected - 1
    assert block.lost == expected - len(sequences)
    assert block.fraction == min(255, (expected - len(sequences)) * 256 // expected)


def test_overtaken_and_doubled_packets() -> None:
    block = follow(reports(), [1, 3, 2, 4, 5, 5, 5, 7, 6, 8, 10, 9], 5.0)
    # Ten were expected and twelve came: loss below zero is what the RFC says (§6.4.1).
    assert (block.highest, block.lost, block.fraction) == (10, -2, 0)


def test_jitter_is_that_of_the_rfc_once_the_clock_is_known() -> None:
    steady, shaken, wide = reports(), reports(), reports()
    for place in range(3):
        drain = range(250 * place, 250 * place + 50)
        steady.look(arrivals(drain), 50 * place + 50)
        shaken.look(arrivals(drain, late_ms=4.0), 50 * place + 50)
        wide.look([(20.0 * one + 4.0 * (one % 2), rtp(one, samples=960)) for one in drain], 50 * place + 50)
    # Every interval is 4 ms off: 32 units of an 8 kHz clock, 192 of a 48 kHz one.
    assert [told(one.report(15.0))[0].jitter for one in (steady, shaken, wide)] == [0, pytest.approx(31, abs=1), 191]


def test_the_last_sender_report_and_how_long_it_is_ago() -> None:
    one = reports()
    one.look(arrivals(range(10)), 10)
    report = RtcpSenderReport(7, ntp_time(1_772_415_000.25), 0, 10, 1600)
    one.heard(bytes(report) + source_description(7, "x"), 2.0)
    (block,) = told(one.report(4.5))
    assert (block.last_report, block.delay) == (report.ntp >> 16 & 0xFFFF_FFFF, round(2.5 * 65536))
    # Of another source: not an answer to this one.
    one.heard(bytes(RtcpSenderReport(8, 1 << 40, 0, 10, 1600)), 5.0)
    one.look(arrivals(range(10, 20)), 20)
    assert [(block.last_report, block.delay) for block in told(one.report(9.0))] == [(0, 0)]


def test_another_source_and_a_new_beginning_count_anew() -> None:
    one = reports()
    assert follow(one, range(0, 100, 2), 5.0).lost == 49
    one.look(arrivals(range(5000, 5010), ssrc=8), 60)
    (block,) = told(one.report(10.0))
    assert (block.ssrc, block.lost, block.highest) == (8, 0, 5009)
    one.look(arrivals(range(100, 110), ssrc=8), 70)
    (block,) = told(one.report(15.0))
    assert (block.ssrc, block.lost, block.highest) == (8, 0, 109)
    # Silence: nothing to report on.
    assert told(one.report(20.0)) == ()


def test_the_count_may_begin_before_the_first_look() -> None:
    one = reports()
    one.look(arrivals(range(300, 350)), 350)
    assert [(block.lost, block.highest) for block in told(one.report(5.0))] == [(0, 349)]


def test_we_give_way_to_a_sender_of_our_name() -> None:
    one = reports(7)
    one.look(arrivals(range(10)), 10)
    report = RtcpReceiverReport.parse(parse_compound(one.report(5.0))[0])
    assert report.ssrc != 7
    assert [block.ssrc for block in report.blocks] == [7]


def test_goodbyes_are_noted_and_change_nothing() -> None:
    one = reports()
    one.look(arrivals(range(10)), 10)
    one.heard(bytes(RtcpSenderReport(7, 0, 0, 0, 0)) + source_description(7, "x") + goodbye(7), 1.0)
    assert one.goodbyes == 1
    assert [block.lost for block in told(one.report(5.0))] == [0]


def test_reports_are_due_at_random_about_every_five_seconds() -> None:
    dues = []
    for seed in range(500):
        one = Reports(1, "x", random.Random(seed).random, 100.0)
        assert one.due_look == 100.0
        first = one.due - 100.0
        assert 1.0 < first < 3.1
        one.look(arrivals(range(3)), 3)
        assert one.due_look == one.due
        one.report(200.0)
        assert one.due == one.due_look
        assert 2.05 < one.due - 200.0 < 6.16
        dues.append(one.due)
    assert max(dues) - min(dues) > 3.5


@given(st.binary(max_size=120), st.lists(st.binary(max_size=20), max_size=5), st.integers(0, 100))
def test_nothing_that_comes_raises(compound: bytes, packets: list[bytes], received: int) -> None:
    one = reports()
    one.heard(compound, 1.0)
    one.look([(float(at), packet) for at, packet in enumerate(packets)], received)
    parse_compound(one.report(5.0))
