"""kill -9 in the middle of fifty calls: after a restart each is finished, sealed, marked, whole to its last second."""

import asyncio
import os
import signal
from pathlib import Path

from archive.verify import verify_recording
from service.migrate import migrate
from service.wiring import open_archive
from tests.acceptance.calling import LABELS, PACKET_MS, calls, until_sent
from tests.acceptance.running import environment, running, settings_of, until_well
from tests.acceptance.watching import until_sealed
from tests.recording import tone

CALLS = 50
LAST_SECOND = 1000 // PACKET_MS


async def test_kill_in_the_middle_of_fifty_calls(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    settings = settings_of(variables)
    await migrate(settings)
    audio = tone(tmp_path / "tone.wav", 440.0, 30.0)
    async with running(variables, tmp_path, "recorder") as service:
        await until_well(service, "recorder")
        async with calls(settings.sip_bind, audio, CALLS) as placed:
            await until_sent(placed, 3.0)
            os.kill(service.child.pid, signal.SIGKILL)
            sent = {call.client.call_id: call.sent for call in placed}
        await asyncio.to_thread(service.child.wait)
    async with running(variables, tmp_path, "recorder") as service:
        await until_well(service, "recorder")
        recordings = await until_sealed(settings, CALLS)
        async with open_archive(settings) as archive:
            assert [fault for one in recordings for fault in await verify_recording(archive, one.id)] == []
    assert {one.sip_call_id for one in recordings} == set(sent)
    for one in recordings:
        assert one.interrupted
        assert one.facts["call"]["end_reason"] == "interrupted"
        received = {stream["label"]: stream["received"] for stream in one.facts["streams"]}
        for label, packets in zip(LABELS, sent[one.sip_call_id], strict=True):
            assert packets - LAST_SECOND <= received[label] <= packets, "at most the last second is missing"
        assert one.duration_ms >= (min(sent[one.sip_call_id]) - LAST_SECOND) * PACKET_MS
