"""Every codec that we can send, from a gateway's call over real sockets to the stereo file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.errors import Refused
from core.settings import Address
from telephony.call import CallFacts
from telephony.rtp.assemble import Assembly, assemble
from telephony.rtp.packetize import Key, Part
from telephony.rtp.sender import Sender, run_together
from telephony.simulator import place_call
from tests.encoded import SAMPLES, Likeness, compare, original
from tests.recording import open_house
from tests.spools import call

NARROW, WIDE = SAMPLES / "original_8k.flac", SAMPLES / "original_16k.flac"
HOST = "127.0.0.1"


def heard(directory: Path, facts: CallFacts, native_rate: int) -> tuple[Assembly, Likeness, Likeness]:
    """What was assembled, and how like the original both channels are."""
    assembly = assemble(directory, facts, directory / "audio.flac")
    sound, rate = soundfile.read(directory / "audio.flac", dtype="int16")
    agent, citizen = (
        compare([np.ascontiguousarray(channel)], original(rate, native_rate), rate) for channel in sound.T
    )
    return assembly, agent, citizen


@pytest.mark.parametrize(
    ("codec", "native_rate", "rate", "correlation"),
    [
        ("PCMA", 8000, 8000, 0.99),
        ("G722", 16000, 16000, 0.99),
        ("opus", 48000, 16000, 0.83),
        ("G726-32", 8000, 8000, 0.99),
        ("L16/16000", 16000, 16000, 0.99),
    ],
)
async def test_a_call_in_any_codec(tmp_path: Path, codec: str, native_rate: int, rate: int, correlation: float) -> None:
    voice = WIDE if native_rate > 8000 else NARROW
    async with open_house(tmp_path) as house:
        await place_call(
            house.address, voice, voice, agent_number="8001", citizen_number="13800000001", codec=codec, speed=4
        )
        facts, directory = await house.finished()
    assembly, agent, citizen = heard(directory, facts, native_rate)
    assert assembly.sample_rate == rate
    assert assembly.flags == ()
    for like in (agent, citizen):
        assert like.correlation > correlation
    # The earlier party begins the file, at most by what its coder holds back.  The other began a moment later.
    assert min(abs(agent.behind_ms), abs(citizen.behind_ms)) < 9
    assert max(abs(agent.behind_ms), abs(citizen.behind_ms)) < 20


@pytest.mark.parametrize("packet_ms", [10, 60])
async def test_the_codec_changes_in_the_middle_of_a_call(tmp_path: Path, packet_ms: int) -> None:
    changing = [Part(1.2, "G722"), Part(2.4, "PCMU")]
    async with open_house(tmp_path) as house:
        ports = [house.capture.open(tmp_path / f"{index}.rtpdump") for index in range(2)]
        senders = [
            Sender(WIDE, (HOST, ports[0]), codec="PCMA", then=changing, packet_ms=packet_ms),
            Sender(WIDE, (HOST, ports[1]), codec="G722", keys=[Key(0.25, "1")], packet_ms=20),
        ]
        await run_together(senders)
        for port in ports:
            house.capture.close(port)
    facts = call("agent", "citizen")
    agreed = {"8": "PCMA/8000", "9": "G722/8000", "0": "PCMU/8000", "101": "telephone-event/8000"}
    facts = replace(facts, streams=tuple(replace(stream, payload_types=agreed) for stream in facts.streams))
    assembly, agent, citizen = heard(tmp_path, facts, 16000)
    assert assembly.sample_rate == 16000
    assert [stream["codecs"] for stream in assembly.streams] == [["G722", "PCMA", "PCMU"], ["G722"]]
    # Only the middle third has what is above 4 kHz.
    assert agent.correlation > 0.88
    assert citizen.correlation > 0.88
    assert max(abs(agent.behind_ms), abs(citizen.behind_ms)) < 20
    (key,) = assembly.streams[1]["digits"]
    assert (key["digit"], key["duration_ms"]) == ("1", 100)
    # Beside the sound around it, whose place correlation has found.
    assert abs(key["at_ms"] - citizen.behind_ms - 260) < 10
    assert assembly.streams[0]["digits"] == []


async def test_what_cannot_be_sent_is_refused_before_a_call(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="codec"):
        await place_call(
            Address(HOST, 9), NARROW, NARROW, agent_number="8001", citizen_number="13800000001", codec="G729"
        )
