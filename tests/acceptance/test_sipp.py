"""A foreign gateway calls the running service: SIPp's call arrives as a sealed, linked and audited recording."""

from pathlib import Path

import aiohttp
from sqlalchemy import select

from archive.catalogue import Call, Recording
from core.settings import Settings
from service.wiring import open_archive
from tests.acceptance.running import environment, running, until_finished
from tests.interop.scenario import whole_call
from tests.sipp import play, write_tone
from workorders.orders import LinkQuestion


async def _only_call(settings: Settings) -> Call:
    async with open_archive(settings) as archive, archive.database.read() as session:
        [call] = await session.scalars(select(Call))
    return call


async def test_a_call_into_the_running_service(tmp_path: Path, sipp: str) -> None:
    write_tone(tmp_path)
    async with running(environment(tmp_path), tmp_path) as service:
        await play(sipp, service.settings.sip_bind, tmp_path, whole_call(), "u1")
        finished = await until_finished(service.settings, (await _only_call(service.settings)).sip_call_id)
        recording = finished.recording
        assert (recording.agent_number, recording.citizen_number) == ("8001", "13900000001")
        # A tone is no speech: nobody is said to have answered, and nothing is invented.
        assert finished.answers["connected"] == "no"
        async with open_archive(service.settings) as archive, archive.database.read() as session:
            question = await session.get(LinkQuestion, recording.id)
            assert await session.get(Recording, recording.id) is not None
        assert question is not None
        assert question.reason == "unknown number", "GD-SIPP-1 was never imported: a person is asked"
        async with aiohttp.ClientSession() as stranger:
            address = f"http://{service.settings.http_bind}/api/v1/recordings/{recording.id}/audio"
            async with stranger.get(address) as answer:
                assert answer.status == 401
        log = service.log.read_text()
        assert "13900000001" not in log
        assert "市民乙" not in log
