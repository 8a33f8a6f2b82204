"""A spool that is full: no new calls, nothing lost of those in progress, an alert, and recovery without a hand."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.alerts import SPOOL_FULL
from service.migrate import migrate
from tests.acceptance.calling import LABELS, Call, ask, calls, until_sent
from tests.acceptance.running import environment, running, settings_of, until_well
from tests.acceptance.watching import PATIENCE, until_alert, until_sealed
from tests.conftest import missing
from tests.recording import tone
from tests.servers import Missing
from tests.small_disk import SmallDisk, small_disk

MEGABYTE = 1 << 20
KEPT_FREE = 8
# Seconds that nobody sends to their end.
LONGER = 600.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        with small_disk(tmp_path / "disk", 40) as mounted:
            yield mounted
    except Missing as reason:
        missing(reason)


async def _hang_up(call: Call) -> tuple[int, ...]:
    for sender in call.senders:
        sender.stop()
    await call.client.bye()
    return call.sent


async def test_a_full_spool_refuses_new_calls_and_loses_nothing(tmp_path: Path, disk: SmallDisk) -> None:
    variables = environment(
        tmp_path,
        HUIYIN_DATA_DIR=str(disk.path / "data"),
        HUIYIN_DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path / 'huiyin.db'}",
        HUIYIN_STORE_URL=(tmp_path / "store").as_uri(),
        HUIYIN_SPOOL_MIN_FREE_MB=str(KEPT_FREE),
    )
    settings = settings_of(variables)
    await migrate(settings)
    audio = tone(tmp_path / "tone.wav", 440.0, LONGER)
    async with running(variables, tmp_path, "recorder") as service:
        await until_well(service, "recorder")
        async with calls(settings.sip_bind, audio, 3) as placed:
            await until_sent(placed, 1.0)

            # Little is left: it is kept for the calls in progress.
            disk.fill(leave=(KEPT_FREE - 2) * MEGABYTE)
            raised = await until_alert(settings, SPOOL_FULL, "recorder")
            assert "HUIYIN_SPOOL_MIN_FREE_MB" in raised.facts["why"]
            refused = await ask(settings.sip_bind, "INVITE")
            assert (refused.status, refused.get("Retry-After")) == (503, "10")
            assert (await ask(settings.sip_bind, "OPTIONS")).status == 503

            # Nothing is left: what arrives waits in memory, also for a call that ends now.
            disk.fill(leave=0)
            before = max(call.sent for call in placed)[0] / 50
            await until_sent(placed, before + 2.0)
            sent = {placed[0].client.call_id: await _hang_up(placed[0])}
            await until_sent(placed[1:], before + 3.0)
            async with asyncio.timeout(PATIENCE):
                while "a spool refuses writes" not in service.log.read_text():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.1)

            # Room is back: so are new calls, by themselves, and the old ones go on in the same spool.
            disk.empty()
            await until_alert(settings, SPOOL_FULL, "recorder", over=True)
            assert (await ask(settings.sip_bind, "OPTIONS")).status == 200
            async with calls(settings.sip_bind, audio, 1) as (fresh,):
                await until_sent([fresh], 1.0)
                sent[fresh.client.call_id] = await _hang_up(fresh)
            for call in placed[1:]:
                sent[call.client.call_id] = await _hang_up(call)
            recordings = await until_sealed(settings, 4)
    by_call = {one.sip_call_id: one for one in recordings}
    assert by_call.keys() == sent.keys()
    for call_id, packets in sent.items():
        recording = by_call[call_id]
        received = {stream["label"]: stream["received"] for stream in recording.facts["streams"]}
        assert [received[label] for label in LABELS] == list(packets), "not one packet is missing"
        assert not [flag for flag in recording.flags if "spool" in flag]
        assert (recording.interrupted, recording.facts["call"]["end_reason"]) == (False, "bye")
