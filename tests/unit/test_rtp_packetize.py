"""Sound files as packets: what is sent, decoded again, lies where it was in the file."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.errors import Refused
from telephony.rtp.codecs import by_payload_type
from telephony.rtp.events import Events
from telephony.rtp.packet import RtcpSenderReport, RtpPacket, parse_compound
from telephony.rtp.packetize import KEY_TYPE, Key, Part, Planned, packetize, read_sound
from telephony.rtp.sender import Sender
from tests.encoded import SAMPLES, compare, original

NARROW, WIDE = SAMPLES / "original_8k.flac", SAMPLES / "original_16k.flac"
TARGET = ("127.0.0.1", 9)


def planned(codec: str, packet_ms: int = 20, file: Path = WIDE, keys: tuple[Key, ...] = ()) -> list[Planned]:
    return packetize(*read_sound(file, 0, 0), [Part(0, codec)], packet_ms, keys)


@pytest.mark.parametrize("packet_ms", [10, 20, 30, 40, 50, 60])
@pytest.mark.parametrize("file", [NARROW, WIDE], ids=["8k", "16k"])
@pytest.mark.parametrize(
    ("codec", "agreed"),
    [
        ("PCMA", "PCMA/8000"),
        ("PCMU/8000", "PCMU/8000"),
        ("G722", "G722/8000"),
        ("opus", "opus/48000/2"),
        ("G726-16", "G726-16/8000"),
        ("G726-24", "G726-24/8000"),
        ("G726-32", "G726-32/8000"),
        ("G726-40", "G726-40/8000"),
        ("G723", "G723/8000"),
        ("AAL2-G726-32", "AAL2-G726-32/8000"),
        ("L16", "L16/8000"),
        ("L16/16000", "L16/16000"),
    ],
)
def test_what_is_sent_is_heard_again(codec: str, agreed: str, packet_ms: int, file: Path) -> None:
    if packet_ms not in {"opus": (10, 20, 40, 60), "G723": (30, 60)}.get(codec, (packet_ms,)):
        with pytest.raises(Refused, match="no packets of this length"):
            planned(codec, packet_ms, file)
        return
    packets = planned(codec, packet_ms, file)
    number = packets[0].payload_type
    known = by_payload_type({str(number): agreed})[number]
    decoder = known.decoder(8000)
    made = decoder.decode([packet.payload for packet in packets])
    assert {len(samples) for samples in made} == {8 * packet_ms}
    assert {
        (after.at_ms - packet.at_ms, after.timestamp - packet.timestamp) for packet, after in pairwise(packets)
    } == {(packet_ms, known.clock_rate * packet_ms // 1000)}
    assert [packet.marker for packet in packets[:3]] == [True, False, False]
    like = compare(made, original(8000, 8000), 8000)
    assert like.correlation > (0.83 if codec == "opus" else 0.96)
    assert abs(like.behind_ms - decoder.delay / 8) < 0.3


def test_the_codec_changes_on_the_way() -> None:
    parts = [Part(0, "PCMA"), Part(1.0, "G722"), Part(2.01, "PCMA", 97)]
    packets = packetize(*read_sound(WIDE, 0, 0), parts, 20, ())
    assert [packet.payload_type for packet in packets] == [8] * 50 + [9] * 50 + [97] * (len(packets) - 100)
    assert {after.timestamp - packet.timestamp for packet, after in pairwise(packets)} == {160}
    codecs = by_payload_type({"97": "PCMA/8000"})
    decoders = {number: codecs[number].decoder(8000) for number in (8, 9, 97)}
    made = [decoders[packet.payload_type].decode([packet.payload])[0] for packet in packets]
    assert compare(made, original(8000, 8000), 8000).correlation > 0.9


def test_keys_take_the_place_of_sound() -> None:
    packets = planned("PCMA", keys=(Key(0.5, "7"), Key(1.0, "#")))
    events = Events()
    for packet in packets:
        if packet.payload_type == KEY_TYPE:
            events.feed(packet.timestamp, packet.payload, packet.marker)
    assert [(event.digit, event.timestamp, event.duration_ms) for event in events.events()] == [
        ("7", 4000, 100),
        ("#", 8000, 100),
    ]
    assert not [packet for packet in packets if packet.payload_type == 8 and 500 <= packet.at_ms < 600]
    assert [packet.at_ms for packet in packets] == sorted(packet.at_ms for packet in packets)


def test_keys_go_by_the_clock_of_the_sound() -> None:
    events = Events(48000)
    for packet in planned("opus", keys=(Key(0.5, "7"),)):
        if packet.payload_type == KEY_TYPE:
            events.feed(packet.timestamp, packet.payload, packet.marker)
    assert [(event.timestamp, event.duration_ms) for event in events.events()] == [(24000, 100)]


def test_a_sender_numbers_every_packet() -> None:
    sender = Sender(NARROW, TARGET, packet_ms=30, then=[Part(1, "G722")], keys=[Key(0.3, "5")])
    sent = [RtpPacket.parse(datagram) for due in sender.datagrams() for datagram in due]
    assert {after.sequence - packet.sequence & 0xFFFF for packet, after in pairwise(sent)} == {1}
    assert [packet.payload_type for packet in sent] == [packet.payload_type for packet in sender.packets]
    assert len({packet.timestamp for packet in sent if packet.payload_type == KEY_TYPE}) == 1


def test_what_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(800, np.int16), 8000)
    refused: list[tuple[str, dict[str, object]]] = [
        ("no such codec", {"codec": "EVS"}),
        ("cannot be sent", {"codec": "G729"}),
        ("whole tens", {"packet_ms": 25}),
        ("whole tens", {"packet_ms": 80}),
        ("no such key", {"keys": [Key(0, "x")]}),
        ("outside of the sound", {"keys": [Key(9, "1")]}),
    ]
    for message, options in refused:
        with pytest.raises(Refused, match=message):
            Sender(tmp_path / "a.wav", TARGET, **options)  # type: ignore[arg-type]


def test_reports_tell_the_clock_at_their_moment() -> None:
    """A packet leaves when all of it was said; a report between packets has the time between them."""
    sender = Sender(NARROW, TARGET, packet_ms=60, then=[Part(0.6, "opus")])
    first = RtpPacket.parse(next(sender.datagrams())[0]).timestamp
    assert (sender.due_ms(0), sender.due_ms(1)) == (60, 120)
    assert sender.due_ms(len(sender.packets)) == round(sender.duration * 1000)
    for milliseconds, expected in ((0, 0), (60, 480), (90, 720), (600, 4800), (660, 4800 + 2880)):
        report = RtcpSenderReport.parse(parse_compound(sender.control(milliseconds, last=False))[0])
        assert report.timestamp - first & 0xFFFF_FFFF == expected
