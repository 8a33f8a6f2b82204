"""Whole calls from our own gateway simulator through real sockets into a real spool."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.errors import Refused, Unavailable
from core.settings import Address, PortRange, load
from telephony.call import CallFacts
from telephony.recorder import Recorder
from telephony.rtp.assemble import assemble
from telephony.rtp.capture import Capture
from telephony.simulator import place_call
from tests.ports import free_ports
from tests.recording import House, Observer, open_house, tone

AGENT, CITIZEN = "8001", "13900000001"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
async def test_a_call_becomes_a_closed_spool(house: House, tmp_path: Path, transport: str, codec: str) -> None:
    agent, citizen = tone(tmp_path / "a.wav", 440, 1.0), tone(tmp_path / "c.wav", 880, 0.6)
    said: list[str] = []
    report = await place_call(
        house.address,
        agent,
        citizen,
        work_order="GD-1",
        agent_number=AGENT,
        citizen_number=CITIZEN,
        citizen_name="王小明",
        transport=transport,
        codec=codec,
        speed=10,
        on_progress=said.append,
    )
    assert (report.agent.packets, report.citizen.packets, report.packets) == (50, 30, 80)
    assert len(said) == 3

    facts, directory = await house.finished()
    assert facts == CallFacts.load(directory)
    assert (facts.state, facts.end_reason, facts.flags, facts.work_order) == ("closed", "bye", (), "GD-1")
    assert facts.ended_at is not None
    assert facts.ended_at > facts.started_at
    assert [(party.role, party.number, party.name) for party in facts.parties] == [
        ("agent", AGENT, "坐席"),
        ("citizen", CITIZEN, "王小明"),
    ]
    assert [(one.label, one.index, one.role, one.file) for one in facts.streams] == [
        ("1", 0, "agent", "1.rtpdump"),
        ("2", 1, "citizen", "2.rtpdump"),
    ]
    payload = {"PCMA": {"8": "PCMA/8000"}, "PCMU": {"0": "PCMU/8000"}}[codec]
    assert [dict(one.payload_types) for one in facts.streams] == [payload, payload]
    assert [one.received["packets"] for one in facts.streams] == [50, 30]
    assert sorted(path.name for path in (directory / "signalling").iterdir()) == ["001.sdp", "002.xml"]
    assert (directory / "1.rtpdump").stat().st_size > 50 * 160


async def test_several_calls_at_once_stay_apart(house: House, tmp_path: Path) -> None:
    voices = [tone(tmp_path / f"{n}.wav", 300 + 100 * n, 0.2 * (n + 1)) for n in range(4)]
    calls = [
        place_call(
            house.address,
            voice,
            voices[0],
            work_order=f"GD-{n}",
            agent_number=str(8000 + n),
            citizen_number=f"1390000000{n}",
            transport="tcp" if n % 2 else "udp",
            speed=5,
        )
        for n, voice in enumerate(voices)
    ]
    await asyncio.gather(*calls)
    ended = {facts.work_order: facts for facts, _ in [await house.finished() for _ in voices]}
    assert sorted(ended) == ["GD-0", "GD-1", "GD-2", "GD-3"]
    for n in range(4):
        facts = ended[f"GD-{n}"]
        assert [party.number for party in facts.parties] == [str(8000 + n), f"1390000000{n}"]
        assert [one.received["packets"] for one in facts.streams] == [10 * (n + 1), 10]
    assert house.capture.open_ports == 0


async def test_damage_on_the_way_is_what_was_asked_for(house: House, tmp_path: Path) -> None:
    voice = tone(tmp_path / "v.wav", 440, 4.0)
    report = await place_call(
        house.address,
        voice,
        voice,
        agent_number=AGENT,
        citizen_number=CITIZEN,
        speed=20,
        loss=0.1,
        duplicates=0.1,
        reorder=0.1,
        seed=7,
    )
    assert min(report.agent.lost, report.agent.duplicated, report.agent.reordered) > 0
    facts, _ = await house.finished()
    assert (
        facts.streams[0].received["packets"]
        == report.agent.packets
        == 200 - report.agent.lost + (report.agent.duplicated)
    )


async def test_a_call_without_metadata_is_taken(house: House, tmp_path: Path) -> None:
    voice = tone(tmp_path / "v.wav", 440, 0.2)
    await place_call(
        house.address, voice, voice, agent_number=AGENT, citizen_number=CITIZEN, speed=10, with_metadata=False
    )
    facts, _ = await house.finished()
    assert facts.flags == ("metadata missing", "roles assumed")


async def test_a_refusal_names_the_status_and_the_remedy(tmp_path: Path) -> None:
    voice = tone(tmp_path / "v.wav", 440, 0.2)
    first = free_ports(2)
    async with open_house(tmp_path, ports=PortRange(first, first + 1)) as house:
        with pytest.raises(Refused, match=r"503 Service Unavailable.*out of RTP ports"):
            await place_call(house.address, voice, voice, agent_number=AGENT, citizen_number=CITIZEN)
        assert house.observer.begun == []


async def test_nobody_there_is_said_plainly(tmp_path: Path) -> None:
    voice = tone(tmp_path / "v.wav", 440, 0.2)
    async with open_house(tmp_path) as house:
        address = house.address
    with pytest.raises(Unavailable, match="no SIP server answers there"):
        await place_call(address, voice, voice, agent_number=AGENT, citizen_number=CITIZEN, transport="tcp")
    with pytest.raises(Refused, match="no such codec"):
        await place_call(Address("127.0.0.1", 9), voice, voice, agent_number=AGENT, citizen_number=CITIZEN, codec="EVS")


async def test_a_taken_port_is_said_plainly(house: House, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="SIP cannot listen"):
        async with open_house(tmp_path / "second", bind=house.address):
            pass


async def test_the_spool_becomes_the_sound_that_was_sent(house: House, tmp_path: Path) -> None:
    agent, citizen = tone(tmp_path / "a.wav", 400, 1.5), tone(tmp_path / "c.wav", 1000, 1.5)
    await place_call(house.address, agent, citizen, agent_number=AGENT, citizen_number=CITIZEN, speed=10)
    facts, directory = await house.finished()
    made = assemble(directory, facts, tmp_path / "call.flac")
    assert made.flags == ()
    # Both parties on one timeline: the second began a few milliseconds after the first.
    assert made.duration_ms == pytest.approx(1500, abs=40)
    samples, rate = soundfile.read(tmp_path / "call.flac")
    loudest = [int(np.argmax(np.abs(np.fft.rfft(channel)))) * rate / len(samples) for channel in samples.T]
    assert loudest == pytest.approx([400, 1000], abs=2)


async def test_a_server_that_goes_away_is_said_plainly(tmp_path: Path) -> None:
    voice = tone(tmp_path / "v.wav", 440, 30)
    async with open_house(tmp_path) as house:
        call = asyncio.create_task(
            place_call(
                house.address, voice, voice, agent_number=AGENT, citizen_number=CITIZEN, transport="tcp", speed=20
            )
        )
        while not house.recorder.calls and not call.done():  # noqa: ASYNC110 - the call begins in a task
            await asyncio.sleep(0.01)
    with pytest.raises(Unavailable, match="closed the connection"):
        await call
    facts, _ = await house.finished()
    assert facts.end_reason == "shutdown"


async def test_the_settings_make_a_recorder(tmp_path: Path) -> None:
    settings = load({"HUIYIN_DATA_DIR": str(tmp_path), "HUIYIN_SIP_BIND": "127.0.0.1:0"})
    capture, observer = Capture("127.0.0.1", settings.rtp_ports), Observer()
    recorder = Recorder.from_settings(settings, capture, observer)
    await recorder.start()
    assert recorder.address.port != 0
    assert (recorder.available(), recorder.calls, settings.spool_dir.is_dir()) == (True, (), True)
    await recorder.stop()
    await capture.stop()
