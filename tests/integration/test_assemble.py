"""From spools to stereo FLAC, and from a sender over sockets all the way to samples."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.errors import Refused
from core.settings import PortRange
from telephony.call import CallFacts
from telephony.rtp.assemble import Assembly, assemble
from telephony.rtp.capture import Capture
from telephony.rtp.codecs import PCMA, PCMU
from telephony.rtp.sender import Sender, SenderReport, run_together
from tests.full_disk import files_of_at_most
from tests.ports import free_port, media_ports
from tests.spools import STARTED, Samples, call, packets, tone, write_spool

HOST = "127.0.0.1"


def made(directory: Path, facts: CallFacts) -> tuple[Assembly, Samples, Samples]:
    """Assemble, check the file's form, and return both channels."""
    target = directory / "audio.flac"
    assembly = assemble(directory, facts, target)
    info = soundfile.info(target)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 8000, 2)
    assert info.frames * 1000 // 8000 == assembly.duration_ms
    assert [file.name for file in directory.glob("*.new")] == []
    sound, _ = soundfile.read(target, dtype="int16")
    return assembly, sound[:, 0], sound[:, 1]


def test_agent_left_citizen_right_on_one_timeline(tmp_path: Path) -> None:
    agent, citizen = tone(3000), tone(1000, level=3000)
    # The spools began at different moments; the citizen joins 1,240 ms after the agent's first packet.
    write_spool(tmp_path / "0.rtpdump", packets(agent, at=200))
    later = STARTED + timedelta(milliseconds=440)
    write_spool(tmp_path / "1.rtpdump", packets(citizen, at=1000, ssrc=9), started_at=later)
    assembly, left, right = made(tmp_path, call("agent", "citizen"))
    assert assembly.duration_ms == 3000
    # A packet leaves when its last sample is spoken.
    assert assembly.started_at == STARTED + timedelta(milliseconds=180)
    assert assembly.flags == ()
    assert np.array_equal(left, agent)
    assert np.array_equal(right[1240 * 8 : 2240 * 8], citizen)
    assert not right[: 1240 * 8].any()
    assert not right[2240 * 8 :].any()
    assert [stream["start_ms"] for stream in assembly.streams] == [0, 1240]
    for stream in assembly.streams:
        for name in ("received", "lost", "duplicated", "late", "reordered", "jitter_ms", "silence_ms"):
            assert name in stream


def test_longer_than_one_stretch(tmp_path: Path) -> None:
    agent, citizen = tone(47_000), tone(33_000, level=3000)
    write_spool(tmp_path / "0.rtpdump", packets(agent))
    write_spool(tmp_path / "1.rtpdump", packets(citizen, at=9_991, ssrc=9))
    assembly, left, right = made(tmp_path, call("agent", "citizen"))
    assert assembly.duration_ms == 47_000
    assert np.array_equal(left, agent)
    assert np.array_equal(right[9991 * 8 :][: 33_000 * 8], citizen)


def test_a_party_that_never_sends_is_silence(tmp_path: Path) -> None:
    agent = tone(500)
    write_spool(tmp_path / "0.rtpdump", packets(agent))
    write_spool(tmp_path / "1.rtpdump", [])
    assembly, left, right = made(tmp_path, call("agent", "citizen"))
    assert np.array_equal(left, agent)
    assert not right.any()
    assert set(assembly.flags) == {"1: no audio", "citizen silent"}
    assert assembly.streams[1]["received"] == 0


def test_a_stream_of_nobody_known_goes_to_both_sides(tmp_path: Path) -> None:
    mixed = tone(500)
    write_spool(tmp_path / "0.rtpdump", packets(mixed))
    assembly, left, right = made(tmp_path, call("unknown"))
    assert np.array_equal(left, mixed)
    assert np.array_equal(right, mixed)
    assert assembly.flags == ("0: party unknown",)
    # Both at once is a fact of the call, not a doubt.
    assembly, left, right = made(tmp_path, call("mixed"))
    assert np.array_equal(left, mixed)
    assert np.array_equal(right, mixed)
    assert assembly.flags == ()


def test_two_citizens_share_a_side(tmp_path: Path) -> None:
    agent, one, two = tone(500), tone(500, level=20_000), tone(500, level=20_000)
    for index, sound in enumerate((agent, one, two)):
        write_spool(tmp_path / f"{index}.rtpdump", packets(sound))
    assembly, left, right = made(tmp_path, call("agent", "citizen", "citizen"))
    assert np.array_equal(left, agent)
    assert np.array_equal(right, np.clip(one.astype(int) + two, -32768, 32767))
    assert assembly.flags == ()


def test_what_a_crash_left_is_used(tmp_path: Path) -> None:
    agent, citizen = tone(1000), tone(1000)
    spool = write_spool(tmp_path / "0.rtpdump", packets(agent))
    spool.write_bytes(spool.read_bytes()[:-100])
    (tmp_path / "1.rtpdump").write_bytes(b"#!rtpp")
    write_spool(tmp_path / "extra.rtpdump", packets(citizen))
    assembly, left, _ = made(tmp_path, call("agent", "citizen", "citizen"))
    assert np.array_equal(left[:7840], (agent[:7840].astype(int) + citizen[:7840]).clip(-32768, 32767))
    assert set(assembly.flags) == {
        "0: spool cut short",
        "1: spool unreadable",
        "2: spool missing",
        "extra: party unknown",
    }
    assert assembly.streams[0]["unread_bytes"] == 80


def test_a_call_without_any_sound_is_as_long_as_its_signalling(tmp_path: Path) -> None:
    assembly, left, right = made(tmp_path, call("agent", "citizen", seconds=12.5))
    assert assembly.duration_ms == 12_500
    assert assembly.started_at == STARTED
    assert len(left) == 100_000
    assert not left.any()
    assert not right.any()
    assert {"agent silent", "citizen silent"} <= set(assembly.flags)


def test_dynamic_payload_types_and_both_laws(tmp_path: Path) -> None:
    sound = tone(400)
    write_spool(tmp_path / "0.rtpdump", packets(sound, payload_type=97))
    facts = call("agent")
    facts = replace(facts, streams=(replace(facts.streams[0], payload_types={"97": "PCMA/8000"}),))
    assembly, left, _ = made(tmp_path, facts)
    assert np.array_equal(left, sound)
    assert assembly.streams[0]["codecs"] == ["PCMA"]


def test_trouble_of_the_capture_is_flagged(tmp_path: Path) -> None:
    write_spool(tmp_path / "0.rtpdump", packets(tone(200)))
    facts = call("agent")
    received = {"unspooled_packets": 12, "foreign_sources": 1, "unauthentic_packets": 3}
    facts = replace(facts, streams=(replace(facts.streams[0], received=received),))
    assert set(made(tmp_path, facts)[0].flags) == {
        *("0: spool incomplete", "0: foreign senders", "0: packets not authentic"),
        "citizen silent",
    }


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-30000, 30000, 160_000).astype(np.int16)
    write_spool(tmp_path / "0.rtpdump", packets(noise))
    target = tmp_path / "audio.flac"
    target.write_bytes(b"what was there before")
    with files_of_at_most(65_536), pytest.raises(OSError, match="too large"):
        assemble(tmp_path, call("agent"), target)
    assert target.read_bytes() == b"what was there before"
    assert not target.with_name("audio.flac.new").exists()


async def sent(
    directory: Path, agent: Samples, citizen: Samples, *, speed: float = 1.0, damage: float = 0.0
) -> tuple[CallFacts, tuple[SenderReport, ...]]:
    """Both parties through real sockets into spools."""
    first = media_ports(20)
    capture = Capture(HOST, PortRange(first, first + 19), interval=0.02)
    capture.start()
    senders, ports = [], []
    for index, sound in enumerate((agent, citizen)):
        soundfile.write(directory / f"{index}.wav", sound, 8000)
        ports.append(capture.open(directory / f"{index}.rtpdump"))
        senders.append(
            Sender(
                directory / f"{index}.wav",
                (HOST, ports[index]),
                codec=("PCMA", "PCMU")[index],
                loss=damage,
                reorder=damage,
                duplicates=damage,
                speed=speed,
                seed=index,
            )
        )
    reports = await run_together(senders)
    received = [capture.close(port) for port in ports]
    await capture.stop()
    assert [counts["packets"] for counts in received] == [report.packets for report in reports]
    assert [counts["rtcp_packets"] for counts in received] == [2, 2]
    return call("agent", "citizen"), reports


def coded(encoding: str, sound: Samples) -> Samples:
    codec = PCMA if encoding == "PCMA" else PCMU
    return codec.decode(codec.encode(sound))


def starts_at(channel: Samples, sound: Samples) -> int:
    """The sample at which all of ``sound`` stands in ``channel``."""
    return next(at for at in range(800) if np.array_equal(channel[at:][: len(sound)], sound))


async def test_from_the_sender_to_the_file(tmp_path: Path) -> None:
    agent, citizen = tone(600), tone(560, level=3000)
    facts, reports = await sent(tmp_path, agent, citizen)
    assembly, left, right = made(tmp_path, facts)
    assert [report.packets for report in reports] == [30, 28]
    # Both started together: their starts differ by scheduling only.
    starts = [stream["start_ms"] for stream in assembly.streams]
    assert min(starts) == 0
    assert max(starts) < 20
    assert abs(starts_at(left, coded("PCMA", agent)) / 8 - starts[0]) < 1
    assert abs(starts_at(right, coded("PCMU", citizen)) / 8 - starts[1]) < 1
    assert assembly.flags == ()


async def test_damage_on_the_way_faster_than_real_time(tmp_path: Path) -> None:
    agent, citizen = tone(30_000), tone(30_000, level=3000)
    facts, reports = await sent(tmp_path, agent, citizen, speed=60.0, damage=0.05)
    assembly, left, _ = made(tmp_path, facts)
    for report, stream in zip(reports, assembly.streams, strict=True):
        assert min(report.lost, report.reordered, report.duplicated) > 20
        assert report.packets == 1500 - report.lost + report.duplicated
        # A packet lost at the very end leaves no gap in the numbering.
        assert report.lost - 2 <= stream["lost"] <= report.lost
        assert stream["duplicated"] == report.duplicated
        assert stream["received"] == report.packets
        assert stream["strays"] == stream["late"] == 0
    assert abs(assembly.duration_ms - 30_000) <= 60
    expected = coded("PCMA", agent)
    start = starts_at(left[800:], expected[800:960])
    heard = left[start:][: len(expected)].reshape(-1, 160)
    lost = ~heard.any(axis=1)
    assert lost.sum() <= reports[0].lost
    assert np.array_equal(heard[~lost], expected[: heard.size].reshape(-1, 160)[~lost])


async def test_a_sender_repeats_itself_for_a_seed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(2000), 8000)
    plans = [
        list(Sender(tmp_path / "a.wav", (HOST, 9), loss=0.2, reorder=0.2, duplicates=0.2, seed=seed).datagrams())
        for seed in (1, 1, 2)
    ]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


async def test_a_sender_adds_silence_around_and_pads(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.full(250, 5000, np.int16), 8000)
    sender = Sender(tmp_path / "a.flac", (HOST, 9), lead_in=0.1, lead_out=0.06)
    assert sender.duration == 0.2
    spoken = coded("PCMA", np.array([5000], np.int16))[0]
    played = PCMA.decode(np.frombuffer(b"".join(packet.payload for packet in sender.packets), np.uint8))
    assert (played == spoken).nonzero()[0].tolist() == list(range(800, 1050))


async def test_a_sender_stops_when_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(60_000), 8000)
    sender = Sender(tmp_path / "a.wav", (HOST, free_port()))
    sender.stop()
    assert (await sender.run()).packets == 0


def test_a_sender_refuses_what_it_cannot_send(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "stereo.wav", np.zeros((800, 2), np.int16), 8000)
    soundfile.write(tmp_path / "fast.wav", np.zeros(800, np.int16), 44100)
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("stereo.wav", "fast.wav", "text.wav", "missing.wav"):
        with pytest.raises(Refused, match="sound file"):
            Sender(tmp_path / name, (HOST, 9))
    soundfile.write(tmp_path / "good.wav", np.zeros(800, np.int16), 8000)
    with pytest.raises(Refused, match="codec"):
        Sender(tmp_path / "good.wav", (HOST, 9), codec="EVS")
