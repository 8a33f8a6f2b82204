"""Where packets lie: wrap, loss, duplicates, order, jumps, holds, stalls, further sources."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telephony.call import Stream
from telephony.rtp.codecs import PCMA, by_payload_type
from telephony.rtp.counts import statistics
from telephony.rtp.packet import RtpPacket
from telephony.rtp.playout import Playout, position_of
from telephony.rtp.survey import survey
from telephony.rtp.tracks import Track
from tests.spools import STARTED, Arrival, Samples, packets, tone, write_spool

START = position_of(STARTED, 8000)


def play(file: Path, arrivals: Iterable[Arrival], stretch: int = 4000) -> tuple[int, Samples, dict[str, Any]]:
    """The offset of the first sound in milliseconds, the sound, the counts."""
    found = survey(write_spool(file, arrivals), by_payload_type({}))
    playout = Playout(found, 8000)
    assert playout.first is not None
    played = [
        playout.samples(start, min(start + stretch, playout.end))
        for start in range(playout.first, playout.end, stretch)
    ]
    counts = statistics(Track(Stream("0", 0, "agent", file.name, 0), found), playout, 0.0, ())
    return (playout.first - START) // 8, np.concatenate(played), dict(counts)


def silence(milliseconds: int) -> Samples:
    return np.zeros(milliseconds * 8, np.int16)


def test_a_clean_stream_comes_back_exactly(tmp_path: Path) -> None:
    sound = tone(3000)
    first, played, counts = play(tmp_path / "a", packets(sound, at=137))
    # A packet leaves when its last sample is spoken.
    assert first == 117
    assert np.array_equal(played, sound)
    assert counts["received"] == 150
    assert counts["duration_ms"] == 3000
    for clean in ("lost", "duplicated", "reordered", "late", "strays", "invalid", "jitter_ms", "silence_ms"):
        assert counts[clean] == 0, clean


def test_sequence_and_timestamp_wrap(tmp_path: Path) -> None:
    sound = tone(2000)
    _, played, counts = play(tmp_path / "a", packets(sound, sequence=0xFFF0, timestamp=0xFFFF_FF00))
    assert np.array_equal(played, sound)
    assert counts["lost"] == counts["strays"] == 0


def test_loss_becomes_counted_silence(tmp_path: Path) -> None:
    sound = tone(1000)
    kept = [arrival for index, arrival in enumerate(packets(sound)) if index not in (10, 11, 30)]
    _, played, counts = play(tmp_path / "a", kept)
    expected = sound.copy()
    expected[1600:1920] = 0
    expected[4800:4960] = 0
    assert np.array_equal(played, expected)
    assert counts["lost"] == 3
    assert counts["silence_ms"] == 60


def test_duplicates_and_disorder_change_nothing(tmp_path: Path) -> None:
    sound = tone(1000)
    sent = list(packets(sound))
    sent[4], sent[5] = (sent[4][0], sent[5][1]), (sent[5][0], sent[4][1])
    sent[20:24] = [(sent[20][0], sent[row][1]) for row in (23, 21, 22, 20)]
    sent[40:40] = [sent[39], sent[38]]
    _, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, sound)
    assert (counts["duplicated"], counts["reordered"], counts["lost"]) == (2, 4, 0)


def test_a_stream_may_begin_out_of_order(tmp_path: Path) -> None:
    sound = tone(400)
    sent = list(packets(sound, at=100))
    sent[:3] = [(100, sent[2][1]), (100, sent[0][1]), (101, sent[1][1])]
    first, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, sound)
    assert first == 40
    assert (counts["lost"], counts["reordered"], counts["late"]) == (0, 2, 0)


def test_jitter_moves_nothing_and_is_measured(tmp_path: Path) -> None:
    sound = tone(2000)
    sent = [(at + 30 * (index % 2), packet) for index, (at, packet) in enumerate(packets(sound))]
    _, played, counts = play(tmp_path / "a", sorted(sent, key=lambda arrival: arrival[0]))
    assert np.array_equal(played, sound)
    assert counts["jitter_ms"] > 10


def test_silence_suppression_is_silence_and_no_loss(tmp_path: Path) -> None:
    before, after = tone(500), tone(700)
    sent = [*packets(before), *packets(after, at=30_500, sequence=125, timestamp=5000 + 30_500 * 8)]
    _, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, np.concatenate([before, silence(30_000), after]))
    assert (counts["lost"], counts["silence_ms"], counts["anchored_again"]) == (0, 30_000, 0)


def test_a_long_loss_is_counted_in_full(tmp_path: Path) -> None:
    sent = list(packets(tone(80_000)))
    _, played, counts = play(tmp_path / "a", sent[:200] + sent[3700:])
    assert len(played) == 80_000 * 8
    assert (counts["lost"], counts["silence_ms"], counts["anchored_again"]) == (3500, 70_000, 0)


def test_a_new_clock_is_anchored_at_its_arrival(tmp_path: Path) -> None:
    before, after = tone(1000), tone(1000)
    for timestamp in (3, 5000 + 8000 + 400 * 8000, 0x9000_0000):
        sent = [*packets(before), *packets(after, at=1500, sequence=150, timestamp=timestamp)]
        _, played, counts = play(tmp_path / f"{timestamp}", sent)
        assert np.array_equal(played, np.concatenate([before, silence(500), after]))
        assert (counts["anchored_again"], counts["lost"], counts["strays"]) == (1, 0, 0)


def test_a_new_numbering_is_no_loss(tmp_path: Path) -> None:
    before, after = tone(1000), tone(1000)
    for sequence in (9, 20_000, 60_000):
        sent = [*packets(before), *packets(after, at=1000, sequence=sequence, timestamp=5000 + 8000)]
        _, played, counts = play(tmp_path / f"{sequence}", sent)
        assert np.array_equal(played, np.concatenate([before, after])), sequence
        assert (counts["lost"], counts["strays"], counts["duplicated"]) == (0, 0, 0)


def test_a_hold_in_which_the_clock_stood_still(tmp_path: Path) -> None:
    before, after = tone(1000), tone(2000)
    sent = [*packets(before), *packets(after, at=61_000, sequence=150, timestamp=5000 + 8000)]
    _, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, np.concatenate([before, silence(60_000), after]))
    assert counts["anchored_again"] == 1


def test_a_network_stall_and_its_burst(tmp_path: Path) -> None:
    sound = tone(20_000)
    sent = [
        (8000 + index // 20 if 3000 < at < 8000 else at, packet) for index, (at, packet) in enumerate(packets(sound))
    ]
    _, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, sound)
    assert counts["anchored_again"] == 0


def test_sending_faster_than_real_time_keeps_the_length(tmp_path: Path) -> None:
    before, after = tone(4000), tone(2000)
    slow = [*packets(before), *packets(after, at=19_000, sequence=300, timestamp=5000 + 19_000 * 8)]
    _, played, counts = play(tmp_path / "a", [(at // 40, packet) for at, packet in slow])
    assert np.array_equal(played, np.concatenate([before, silence(15_000), after]))
    assert counts["anchored_again"] == 0


def test_one_stray_packet_is_dropped(tmp_path: Path) -> None:
    sound = tone(1000)
    for sequence, timestamp in ((110, 0x7000_0000), (40_000, 5000 + 1600), (65_000, 77)):
        stray = (200, bytes(RtpPacket(8, sequence, timestamp, 7, bytes(160))))
        sent = list(packets(sound))
        sent.insert(10, stray)
        _, played, counts = play(tmp_path / f"{sequence}", sent)
        assert np.array_equal(played, sound)
        assert (counts["strays"], counts["lost"], counts["anchored_again"]) == (1, 0, 0)


def test_a_packet_that_comes_seconds_late_is_heard_all_the_same(tmp_path: Path) -> None:
    sound = tone(6000)
    sent = list(packets(sound))
    sent.insert(250, (sent[250][0], sent.pop(20)[1]))
    _, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, sound)
    assert (counts["lost"], counts["reordered"], counts["strays"], counts["late"]) == (0, 1, 0, 0)


def test_a_change_of_source_goes_on_at_its_arrival(tmp_path: Path) -> None:
    before, after = tone(1000), tone(800)
    sent = [*packets(before), *packets(after, at=1250, sequence=9, timestamp=77, ssrc=8)]
    _, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, np.concatenate([before, silence(250), after]))
    assert (counts["sources"], counts["lost"]) == (2, 0)


def test_a_hurried_change_of_source_follows_on(tmp_path: Path) -> None:
    before, after = tone(2000), tone(1000)
    sent = [*packets(before), *packets(after, at=2000, sequence=9, timestamp=77, ssrc=8)]
    _, played, _ = play(tmp_path / "a", [(at // 20, packet) for at, packet in sent])
    assert np.array_equal(played, np.concatenate([before, after]))


def test_sources_that_overlap_are_added_and_saturated(tmp_path: Path) -> None:
    one, two = tone(1000, level=20_000), tone(1000, level=24_000)
    sent = sorted([*packets(one), *packets(two, ssrc=8, sequence=5)], key=lambda arrival: arrival[0])
    _, played, _ = play(tmp_path / "a", sent)
    assert np.array_equal(played, np.clip(one.astype(int) + two, -32768, 32767))
    assert played.max() == 32767


def test_a_spray_of_sources_is_limited(tmp_path: Path) -> None:
    spray = [(row, bytes(RtpPacket(8, row, row, 1000 + row, bytes(160)))) for row in range(400)]
    sent = sorted([*packets(tone(1000)), *spray], key=lambda arrival: arrival[0])
    _, _, counts = play(tmp_path / "a", sent)
    assert counts["sources"] == 32
    assert counts["strays"] > 300


def test_events_and_comfort_noise_are_counted_and_not_heard(tmp_path: Path) -> None:
    sound = tone(1000)
    sent = list(packets(sound))
    for row, payload_type in ((10, 101), (11, 101), (12, 13)):
        header = RtpPacket.parse(sent[row][1])
        event = RtpPacket(payload_type, header.sequence, 5000 + 1600, header.ssrc, bytes(4))
        sent[row] = (sent[row][0], bytes(event))
    _, played, counts = play(tmp_path / "a", sent)
    expected = sound.copy()
    expected[1600:2080] = 0
    assert np.array_equal(played, expected)
    assert (counts["undecoded"], counts["comfort_noise"], counts["lost"]) == ({"13": 1, "101": 2}, 1, 0)


def test_packet_lengths_may_change(tmp_path: Path) -> None:
    sound = tone(1200)
    octets, sent, at = PCMA.encode(sound), [], 0
    for row, length in enumerate([160] * 10 + [240] * 20 + [80] * 40):
        packet = RtpPacket(8, row, 5000 + at, 7, octets[at : at + length].tobytes())
        sent.append((at // 8, bytes(packet)))
        at += length
    _, played, counts = play(tmp_path / "a", sent)
    assert np.array_equal(played, sound)
    assert counts["lost"] == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_leaves_right_samples_or_silence(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is lost, doubled or swapped within a second: what is heard is heard at its place."""
    sound = tone(2000)
    sent = list(
        packets(sound, sequence=data.draw(st.integers(0, 0xFFFF)), timestamp=data.draw(st.integers(0, 2**32 - 1)))
    )
    rows = data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=150))
    # Nothing comes more than a fifth of a second late.
    order = sorted((row + data.draw(st.integers(0, 10)), row) for row in rows)
    file = tmp_path / "a"
    file.unlink(missing_ok=True)
    first, played, counts = play(file, [(20 * at, sent[row][1]) for at, row in order], stretch=1000)
    distinct, lowest = set(rows), min(rows)
    assert -20 <= first - 20 * lowest <= 180
    expected = np.zeros_like(sound)
    for row in distinct:
        expected[row * 160 :][:160] = sound[row * 160 :][:160]
    assert np.array_equal(played, expected[lowest * 160 : (max(rows) + 1) * 160])
    assert counts["duplicated"] == len(rows) - len(distinct)
    assert counts["lost"] == max(rows) - lowest + 1 - len(distinct)


anything = st.builds(
    RtpPacket,
    payload_type=st.sampled_from([0, 8, 13, 101]),
    sequence=st.integers(0, 300) | st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 20_000) | st.integers(0, 0xFFFF_FFFF),
    ssrc=st.integers(0, 3),
    payload=st.sampled_from([b"", bytes(80), bytes(160), bytes(161)]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), anything.map(bytes) | st.binary(min_size=1, max_size=30)), max_size=60))
def test_whatever_arrives_is_played_or_counted(tmp_path: Path, sent: list[tuple[int, bytes]]) -> None:
    file = tmp_path / "a"
    file.unlink(missing_ok=True)
    times = np.cumsum([gap for gap, _ in sent]).tolist()
    spool = write_spool(file, [(at, packet) for at, (_, packet) in zip(times, sent, strict=True)])
    found = survey(spool, by_payload_type({}))
    playout = Playout(found, 8000)
    # A hurried source may pause for long: ten minutes at a time.
    for start in range(playout.first or 0, playout.end if playout.first else 0, 600 * 8000):
        playout.samples(start, start + 600 * 8000)
    counts = statistics(Track(Stream("0", 0, "agent", file.name, 0), found), playout, 0.0, ())
    assert counts["received"] + counts["invalid"] + counts["rtcp"] == len(sent)
    assert 0 <= counts["silence_ms"] <= counts["duration_ms"] <= 24 * 3600 * 1000 * 2
    assert all(counts[name] >= 0 for name in ("lost", "late", "strays", "paused"))
