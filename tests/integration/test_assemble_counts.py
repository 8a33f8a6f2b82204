"""What is kept beside the sound of each stream: gaps, keys, drift, and what a damaged spool lost."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from telephony.rtp.assemble import assemble
from telephony.rtp.events import EventReport
from telephony.rtp.packet import RtpPacket
from telephony.rtp.spool import RECORD, SpoolHeader
from tests.integration.test_assemble import made
from tests.spoken import BEGAN, errors, pair, record
from tests.spools import STARTED, Arrival, call, packets, tone, write_spool


def test_every_gap_is_told(tmp_path: Path) -> None:
    sent = list(packets(tone(4000)))
    lost = {20, 21, 22, 90}
    suppressed = packets(tone(1000), at=9000, sequence=300, timestamp=5000 + 9000 * 8)
    write_spool(tmp_path / "0.rtpdump", [*(sent[row] for row in range(200) if row not in lost), *suppressed])
    stream = made(tmp_path, call("agent"))[0].streams[0]
    assert stream["gaps"] == [
        {"start_ms": 400, "duration_ms": 60, "kind": "lost"},
        {"start_ms": 1800, "duration_ms": 20, "kind": "lost"},
        {"start_ms": 4000, "duration_ms": 5000, "kind": "suppressed"},
    ]
    assert stream["gap_count"] == 3
    assert stream["gap_ms"] == {"lost": 80, "suppressed": 5000, "paused": 0}
    assert (stream["received"], stream["lost"], stream["silence_ms"]) == (246, 4, 5080)


def test_gaps_beyond_the_list_are_counted(tmp_path: Path) -> None:
    sent = [arrival for row, arrival in enumerate(packets(tone(40_000))) if row % 3]
    write_spool(tmp_path / "0.rtpdump", sent)
    stream = made(tmp_path, call("agent"))[0].streams[0]
    assert len(stream["gaps"]) == 500
    assert stream["gap_count"] == 666
    assert stream["gap_ms"]["lost"] == 666 * 20


def keys(first: int, sequence: int) -> Iterator[Arrival]:
    """Key 5 for 160 ms, in place of the sound from packet ``first`` on."""
    for step in range(8):
        report = EventReport(5, step == 7, 10, 160 * (step + 1))
        packet = RtpPacket(101, sequence + step, 5000 + first * 160, 7, bytes(report), marker=step == 0)
        yield 20 * (first + step), bytes(packet)


def test_keys_have_their_times(tmp_path: Path) -> None:
    sent = list(packets(tone(2000)))
    sent[50:58] = keys(50, 150)
    write_spool(tmp_path / "0.rtpdump", sent)
    facts = call("agent")
    agreed = {"8": "PCMA/8000", "101": "TELEPHONE-EVENT/8000"}
    facts = replace(facts, streams=(replace(facts.streams[0], payload_types=agreed),))
    assembly, left, _ = made(tmp_path, facts)
    assert assembly.streams[0]["digits"] == [{"digit": "5", "at_ms": 1000, "duration_ms": 160}]
    assert not left[8000 : 8000 + 160 * 8].any()
    assert assembly.streams[0]["lost"] == 0


def test_what_lies_behind_damage_is_in_its_place(tmp_path: Path) -> None:
    sound = tone(20_000)
    spool = write_spool(tmp_path / "0.rtpdump", packets(sound))
    head, record_size = len(bytes(SpoolHeader("127.0.0.1", 20000, STARTED))), RECORD.size + 12 + 160
    data = bytearray(spool.read_bytes())
    # A block of the disk overwritten with zeros, and another that never was written.
    first, second = head + 300 * record_size + 50, head + 700 * record_size + 9
    data[first : first + 4096] = bytes(4096)
    del data[second : second + 4096]
    spool.write_bytes(data)
    assembly, left, _ = made(tmp_path, call("agent"))
    assert assembly.duration_ms == 20_000
    heard = left.reshape(-1, 160).any(axis=1)
    right = (left.reshape(-1, 160) == sound.reshape(-1, 160)).all(axis=1)
    # No more is missing than the damage and a packet at either edge; what was cut within a packet cannot be told.
    assert right.sum() >= 1000 - 2 * (4096 // record_size + 3)
    assert (heard & ~right).sum() <= 2
    assert "0: spool damaged" in assembly.flags
    assert "0: spool cut short" not in assembly.flags
    assert assembly.streams[0]["unread_bytes"] > 4096 - 2 * record_size


def test_drift_is_told(tmp_path: Path) -> None:
    agent, citizen = pair()
    voices = replace(agent, ppm=120.0), citizen
    facts = record(tmp_path, voices, 240.0)
    target = tmp_path / "said.flac"
    assembly = assemble(tmp_path, facts, target)
    assert [round(stream["drift_ppm"]) for stream in assembly.streams] == [120, 0]
    assert max(abs(error) for _, _, error in errors(target, assembly, voices, 240.0)) < 20
    assert assembly.started_at >= BEGAN


def test_a_damaged_arrival_makes_no_day_of_silence(tmp_path: Path) -> None:
    sound = tone(20_000)
    for at, row in ((40_000_000, 500), (20 * 3600_000, 999), (4_294_967_295, 0), (0, 700)):
        sent = list(packets(sound, at=100_000))
        stranger = bytes(RtpPacket(8, 1, 1, 99, sound[:160].astype(np.uint8).tobytes()))
        sent.insert(row, (at, stranger))
        directory = tmp_path / f"{row}"
        directory.mkdir()
        write_spool(directory / "0.rtpdump", sent)
        assembly, left, _ = made(directory, call("agent"))
        assert assembly.duration_ms == 20_000, row
        assert np.array_equal(left, sound)
        assert assembly.streams[0]["strays"] == 1


def test_sound_in_a_payload_type_that_nobody_agreed_on_is_told(tmp_path: Path) -> None:
    """Silence stands for it: a call must not look whole that is not."""
    sent = list(packets(tone(2000)))
    sent[50:60] = packets(tone(200), payload_type=111, at=1000, sequence=150, timestamp=5000 + 8000)
    write_spool(tmp_path / "0.rtpdump", sent)
    assembly, left, _ = made(tmp_path, call("agent"))
    assert "0: sound not decodable" in assembly.flags
    assert assembly.streams[0]["undecoded"] == {"111": 10}
    assert not left[8000:9600].any()
    assert left[9600:].any()


def test_keys_and_noise_that_nobody_agreed_on_are_no_lost_sound(tmp_path: Path) -> None:
    sent = list(packets(tone(2000)))
    sent[50:58] = keys(50, 150)
    noise = bytes(RtpPacket(13, 170, 5000 + 70 * 160, 7, bytes(10)))
    keep_alive = bytes(RtpPacket(127, 171, 5000 + 71 * 160, 7, b""))
    sent[70:72] = [(1400, noise), (1420, keep_alive)]
    write_spool(tmp_path / "0.rtpdump", sent)
    assert "0: sound not decodable" not in made(tmp_path, call("agent"))[0].flags
