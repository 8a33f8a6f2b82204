"""Whole calls from our own gateway simulator through real sockets into a real spool."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.call import CallFacts
from telephony.simulator import place_call
from tests.recording import House, open_house, tone

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
