"""kill -9 at each hop, a restart, and the call still arrives: sealed, in text, with its outcomes."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from archive.catalogue import Recording
from archive.verify import verify_recording
from core.ids import new_id
from core.settings import Settings
from service.wiring import open_archive
from telephony.rtp.spool import RECORD
from telephony.simulator import CallReport, place_call
from tests.acceptance.running import (
    HOP_SECONDS,
    SAMPLES,
    Finished,
    environment,
    running,
    until_finished,
    until_signalled,
    until_well,
)
from workorders.orders import ANSWERS

SPEED = 4.0


async def _call(settings: Settings, sip_call_id: str, speed: float = SPEED) -> CallReport:
    return await place_call(
        settings.sip_bind,
        SAMPLES / "solved" / "agent.flac",
        SAMPLES / "solved" / "citizen.flac",
        agent_number="8001",
        citizen_number="13800000101",
        call_id=sip_call_id,
        speed=speed,
    )


async def until_spooled(settings: Settings, recording_id: UUID, seconds: int) -> None:
    """Wait until the recorder has written so much sound of both parties."""
    files = [settings.spool_dir / str(recording_id) / f"{number}.rtpdump" for number in (1, 2)]
    octets = seconds * 50 * (RECORD.size + 12 + 160)
    async with asyncio.timeout(HOP_SECONDS):
        while not all(file.exists() and file.stat().st_size > octets for file in files):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _all_is_well(settings: Settings, finished: Finished) -> None:
    assert set(finished.answers) == set(ANSWERS)
    directory = settings.spool_dir / str(finished.recording.id)
    async with asyncio.timeout(HOP_SECONDS):
        while directory.exists():  # noqa: ASYNC110 - another process removes it, once it is sealed
            await asyncio.sleep(0.1)
    async with open_archive(settings) as archive:
        assert await verify_recording(archive, finished.recording.id) == []


async def test_recorder_killed_in_the_middle_of_a_call(tmp_path: Path) -> None:
    sip_call_id = f"{new_id().hex}@test.invalid"
    async with running(environment(tmp_path), tmp_path) as service:
        calling = asyncio.create_task(_call(service.settings, sip_call_id, speed=2.0))
        await until_spooled(service.settings, await until_signalled(service.settings, sip_call_id), 10)
        service.kill("recorder")
        calling.cancel()
        await until_well(service, "recorder")
        finished = await until_finished(service.settings, sip_call_id)
        assert finished.recording.interrupted
        # Ten seconds were spooled before the kill; at most the last of them is missing.
        assert finished.recording.duration_ms > 9_000
        await _all_is_well(service.settings, finished)


@pytest.mark.parametrize("victim", ["sealer", "worker"])
async def test_killed_at_work(tmp_path: Path, victim: str) -> None:
    sip_call_id = f"{new_id().hex}@test.invalid"
    async with running(environment(tmp_path, HUIYIN_WORKERS="1"), tmp_path) as service:
        await _call(service.settings, sip_call_id)
        service.kill(victim)
        finished = await until_finished(service.settings, sip_call_id)
        assert not finished.recording.interrupted
        assert finished.answers["connected"] == "yes"
        await _all_is_well(service.settings, finished)


async def test_everything_killed_and_started_again(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    ended, open_call = (f"{new_id().hex}@test.invalid" for _ in range(2))
    async with running(variables, tmp_path) as service:
        await _call(service.settings, ended)
        calling = asyncio.create_task(_call(service.settings, open_call, speed=2.0))
        await until_spooled(service.settings, await until_signalled(service.settings, open_call), 5)
        service.kill_all()
        calling.cancel()
    async with running(variables, tmp_path) as service:
        recordings: list[Recording] = []
        for sip_call_id in (ended, open_call):
            finished = await until_finished(service.settings, sip_call_id)
            recordings.append(finished.recording)
            await _all_is_well(service.settings, finished)
        assert [recording.interrupted for recording in recordings] == [False, True]
