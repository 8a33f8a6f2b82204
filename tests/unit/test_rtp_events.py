"""Keys out of telephone events (RFC 4733), as gateways send them and as networks damage them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.rtp.events import MOST_EVENTS, EventReport, Events, event_clocks, noise_types

Packet = tuple[int, bytes, bool]
VOLUME = 10


def press(key: str, timestamp: int, *, updates: int = 5, step: int = 160, again: int = 3) -> list[Packet]:
    """A key as RFC 4733 §2.5.1 sends it: updates every ``step``, the end ``again`` times."""
    code = "0123456789*#ABCD".index(key)
    going = [
        (timestamp, bytes(EventReport(code, False, VOLUME, number * step)), number == 1)
        for number in range(1, updates + 1)
    ]
    return going + [(timestamp, bytes(EventReport(code, True, VOLUME, (updates + 1) * step)), False)] * again


def heard(packets: list[Packet], clock_rate: int = 8000) -> list[tuple[str, int, int]]:
    events = Events(clock_rate)
    for packet in packets:
        events.feed(*packet)
    return [(event.digit, event.timestamp, event.duration) for event in events.events()]


def test_a_number_is_dialled() -> None:
    packets = [packet for at, key in enumerate("120*#ABCD") for packet in press(key, 5000 + 2000 * at)]
    assert heard(packets) == [(key, 5000 + 2000 * at, 960) for at, key in enumerate("120*#ABCD")]


def test_a_key_has_its_time_and_loudness() -> None:
    events = Events(16000)
    for packet in press("7", 32000, step=320):
        events.feed(*packet)
    (event,) = events.events()
    assert (event.digit, event.volume, event.ended, event.duration_ms) == ("7", VOLUME, True, 120)
    assert event.milliseconds(event.timestamp) == 2000


@pytest.mark.parametrize(("clock_rate", "step"), [(8000, 160), (16000, 320), (48000, 960)])
def test_other_clocks(clock_rate: int, step: int) -> None:
    events = Events(clock_rate)
    for packet in press("5", 0, step=step):
        events.feed(*packet)
    assert [event.duration_ms for event in events.events()] == [120]


@pytest.mark.parametrize("lost", [slice(0, 1), slice(0, 3), slice(0, 5), slice(2, 4), slice(5, 7), slice(0, 7)])
def test_lost_packets_lose_no_key(lost: slice) -> None:
    packets = press("3", 1000)
    del packets[lost]
    assert heard([*packets, *press("3", 4000)]) == [("3", 1000, 960), ("3", 4000, 960)]


def test_a_lost_end_is_told() -> None:
    events = Events()
    for packet in [*press("3", 1000, again=0), *press("4", 9000)]:
        events.feed(*packet)
    assert [(event.digit, event.duration, event.ended) for event in events.events()] == [
        ("3", 800, False),
        ("4", 960, True),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_doubled_and_overtaken_packets_change_nothing(seed: int) -> None:
    packets = press("9", 1000) + press("9", 3000) + press("1", 5000)
    expected = heard(packets)
    order = random.Random(seed)
    disturbed = sorted(packets + packets[::2], key=lambda packet: packet[0] + order.randrange(3000))
    assert heard(disturbed) == expected


def test_a_long_key_is_one_over_its_segments() -> None:
    """§2.5.1.3: the duration has 16 bits; the next segment begins where the one before ended, without a mark."""
    first = [(1000, bytes(EventReport(5, False, VOLUME, length)), length == 800) for length in (800, 40000, 0xFFFF)]
    second = [(1000 + 0xFFFF, bytes(EventReport(5, False, VOLUME, length)), False) for length in (160, 8000)]
    ending = [(1000 + 0xFFFF, bytes(EventReport(5, True, VOLUME, 8160)), False)] * 3
    assert heard(first + second + ending) == [("5", 1000, 0xFFFF + 8160)]
    # Also when the end of the first segment was lost, or all of it but its first packet.
    assert heard(first[:-1] + second + ending) == heard(first[:1] + second + ending) == [("5", 1000, 0xFFFF + 8160)]


def test_the_same_key_twice_is_two() -> None:
    assert heard(press("2", 1000) + press("2", 2000)) == [("2", 1000, 960), ("2", 2000, 960)]


def test_a_sender_that_moves_the_timestamp_presses_once() -> None:
    packets = [(1000 + 160 * at, bytes(EventReport(8, at > 4, VOLUME, 160 * at + 160)), at == 0) for at in range(8)]
    ((digit, start, _),) = heard(packets)
    assert (digit, start) == ("8", 1000)


def test_keys_over_the_end_of_the_timestamps() -> None:
    packets = press("1", 0xFFFF_FF00) + press("2", 0x0000_0A00)
    assert heard(packets) == [("1", 0xFFFF_FF00, 960), ("2", 0x1_0000_0A00, 960)]


def test_several_keys_in_one_packet_follow_each_other() -> None:
    payload = bytes(EventReport(1, True, VOLUME, 800)) + bytes(EventReport(2, True, VOLUME, 640))
    assert heard([(1000, payload, True)] * 3) == [("1", 1000, 800), ("2", 1800, 640)]


def test_flash_and_tones_have_names() -> None:
    packets = [(at * 8000, bytes(EventReport(code, True, 0, 800)), True) for at, code in enumerate((16, 36, 255))]
    assert [digit for digit, _, _ in heard(packets)] == ["flash", "[36]", "[255]"]


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x8a\x03", b"\x01\x8a\x03\xc0\x00"])
def test_broken_reports_are_counted(payload: bytes) -> None:
    events = Events()
    events.feed(0, payload, True)
    assert (events.malformed, events.events()) == (1, ())
    with pytest.raises(ValueError, match="four octets"):
        EventReport.parse(payload)


def test_a_flood_is_bounded() -> None:
    events = Events()
    for at in range(MOST_EVENTS + 10):
        events.feed(at * 8000, bytes(EventReport(1, True, 0, 800)), True)
    assert len(events.events()) == MOST_EVENTS
    assert events.dropped == 10


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=16), st.booleans())))
def test_whatever_comes_nothing_is_raised(packets: list[Packet]) -> None:
    events = Events()
    for packet in packets:
        events.feed(*packet)
    assert all(event.duration >= 0 for event in events.events())


@given(st.integers(0, 255), st.booleans(), st.integers(0, 63), st.integers(0, 65535))
def test_reports_come_back(event: int, ended: bool, volume: int, duration: int) -> None:
    report = EventReport(event, ended, volume, duration)
    assert EventReport.parse(bytes(report)) == (report,)


def test_payload_types_beside_sound() -> None:
    agreed = {"8": "PCMA/8000", "101": "telephone-event/8000", "105": "TELEPHONE-EVENT/48000", "118": "CN/16000"}
    assert event_clocks(agreed) == {101: 8000, 105: 48000}
    assert noise_types(agreed) == {13, 19, 118}
    assert noise_types({"13": "PCMA/8000", "19": "opus/48000"}) == set()
    assert event_clocks({"101": "telephone-event/0", "102": "telephone-event/x"}) == {}
