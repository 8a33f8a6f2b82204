"""SIPp as the gateway of a recorder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.call import CallFacts
from tests.recording import House, open_house
from tests.sipp import play, write_tone


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_a_call_with_media(sipp: str, house: House, tmp_path: Path, transport: str) -> None:
    write_tone(tmp_path)
    await play(sipp, house.address, tmp_path, "siprec_call", transport)
    facts, directory = await house.finished()
    assert facts == CallFacts.load(directory)
    assert (facts.end_reason, facts.flags, facts.work_order) == ("bye", (), "GD-SIPP-1")
    assert [(party.role, party.name) for party in facts.parties] == [("agent", "坐席甲"), ("citizen", "市民乙")]
    assert [(one.label, one.role) for one in facts.streams] == [("1", "agent"), ("2", "citizen")]
    assert facts.streams[0].payload_types == {"8": "PCMA/8000", "101": "TELEPHONE-EVENT/8000"}
    assert facts.streams[0].received["packets"] > 10
    assert facts.streams[1].received["packets"] == 0


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_hold_and_resume_keep_one_recording(sipp: str, house: House, tmp_path: Path, transport: str) -> None:
    await play(sipp, house.address, tmp_path, "siprec_hold", transport)
    facts, directory = await house.finished()
    assert (facts.end_reason, len(facts.streams)) == ("bye", 2)
    assert [path.name for path in sorted((directory / "signalling").iterdir())] == [
        "001.sdp",
        "002.xml",
        "003.sdp",
        "004.sdp",
    ]


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_a_late_cancel_changes_nothing(sipp: str, house: House, tmp_path: Path, transport: str) -> None:
    await play(sipp, house.address, tmp_path, "siprec_cancel", transport)
    facts, _ = await house.finished()
    assert facts.end_reason == "bye"


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_an_offer_without_usable_audio_is_refused(
    sipp: str, house: House, tmp_path: Path, transport: str
) -> None:
    await play(sipp, house.address, tmp_path, "siprec_refused", transport)
    assert house.observer.begun == []
    assert list(house.spool.iterdir()) == []
