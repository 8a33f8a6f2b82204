"""SIPp, an independent SIP implementation, as the gateway; its scenarios lie in ``tests/interop``."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from telephony.call import CallFacts
from telephony.rtp.codecs import find
from tests.recording import House, open_house

SCENARIOS = Path(__file__).parent.parent / "interop"


@pytest.fixture(scope="module")
def sipp() -> str:
    found = shutil.which("sipp")
    if not found and os.environ.get("REQUIRE_ALL_TESTS") == "1":
        pytest.fail("SIPp is not installed: apt-get install sip-tester")
    if not found:
        pytest.skip("NOT TESTED against SIPp: it is not installed (apt-get install sip-tester)")
    return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _play(sipp: str, house: House, directory: Path, scenario: str, transport: str, calls: int = 1) -> None:
    """Run a scenario to its end; SIPp's own checks decide."""
    process = await asyncio.create_subprocess_exec(
        *(sipp, str(house.address), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-t", transport, "-m", str(calls)),
        *("-i", "127.0.0.1", "-p", str(_free_port()), "-mp", str(_free_port() & ~1), "-nostdin"),
        *("-timeout", "30", "-timeout_error", "-trace_err", "-error_file", str(directory / "errors.log")),
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TERM": "dumb"},
    )
    output, _ = await process.communicate()
    errors = directory / "errors.log"
    assert process.returncode == 0, (errors.read_text() if errors.exists() else "") + output.decode()[-2000:]


def _write_tone(directory: Path) -> None:
    codec = find("PCMA")
    assert codec is not None
    samples = (8000 * np.sin(np.arange(8000) / 4)).astype(np.int16)
    (directory / "tone.al").write_bytes(codec.encode(samples).tobytes())


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_a_call_with_media(sipp: str, house: House, tmp_path: Path, transport: str) -> None:
    _write_tone(tmp_path)
    await _play(sipp, house, tmp_path, "siprec_call", transport)
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
    await _play(sipp, house, tmp_path, "siprec_hold", transport)
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
    await _play(sipp, house, tmp_path, "siprec_cancel", transport)
    facts, _ = await house.finished()
    assert facts.end_reason == "bye"


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_an_offer_without_usable_audio_is_refused(
    sipp: str, house: House, tmp_path: Path, transport: str
) -> None:
    await _play(sipp, house, tmp_path, "siprec_refused", transport)
    assert house.observer.begun == []
    assert list(house.spool.iterdir()) == []
