"""Database or object store away: calls are recorded all the same, and the backlog is seen and drains in order."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from archive.catalogue import Recording
from archive.verify import verify_recording
from core.alerts import DATABASE_AWAY, STORE_AWAY
from core.ids import new_id
from core.settings import Settings
from service.readiness import make_ready
from service.sealer import CALLS_PER_LANE
from service.wiring import open_archive
from telephony.simulator import place_call
from tests.acceptance.running import HOP_SECONDS, ROOT, environment, running, settings_of, until_signalled, until_well
from tests.acceptance.watching import until_alert, until_figures, until_sealed
from tests.conftest import missing
from tests.recording import tone
from tests.servers import Missing, Postgres, Seaweed, start_postgres, start_seaweed

# So many that order shows: more than are under way together.
CALLS = 3 * CALLS_PER_LANE


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that this test may stop."""
    try:
        with start_postgres() as server:
            yield server
    except Missing as reason:
        missing(reason)


@pytest.fixture
def own_seaweed() -> Iterator[Seaweed]:
    """An object store that this test may stop."""
    try:
        with start_seaweed() as server:
            yield server
    except Missing as reason:
        missing(reason)


async def _record(settings: Settings, audio: Path) -> list[str]:
    """A few calls, one after the other; returns their Call-IDs."""
    placed = []
    for _ in range(CALLS):
        call_id = f"{new_id().hex}@test.invalid"
        report = await place_call(
            settings.sip_bind,
            audio,
            audio,
            agent_number="8001",
            citizen_number="13800000101",
            speed=10.0,
            call_id=call_id,
        )
        assert report.packets == 2 * 50
        placed.append(call_id)
    return placed


def _in_order(recordings: Sequence[Recording], placed: Sequence[str]) -> bool:
    """Whether they were sealed oldest first: a call is ahead only of those that are under way with it."""
    order = [one.sip_call_id for one in recordings if one.sip_call_id in placed]
    return len(order) == len(placed) and all(
        order.index(call_id) > at - CALLS_PER_LANE for at, call_id in enumerate(placed)
    )


def _spool_list(variables: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "service", "spool", "list"],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HOP_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


async def _verify(settings: Settings, recordings: Sequence[Recording]) -> None:
    async with open_archive(settings) as archive:
        assert [fault for one in recordings for fault in await verify_recording(archive, one.id)] == []


async def test_the_database_is_away_at_the_start_and_again_in_between(tmp_path: Path, own_postgres: Postgres) -> None:
    variables = environment(
        tmp_path, HUIYIN_DATABASE_URL=own_postgres.url("postgres"), HUIYIN_ASSEMBLERS="1", HUIYIN_LOG_FORMAT="text"
    )
    settings, audio = settings_of(variables), tone(tmp_path / "tone.wav", 440.0, 1.0)
    await make_ready(settings)
    own_postgres.power.off()
    async with running(variables, tmp_path, "recorder") as service:
        # It starts and records without.
        await until_well(service, "recorder")
        placed = await _record(settings, audio)
        # The status page cannot show it now; the log and the command line do.
        listed = await asyncio.to_thread(_spool_list, variables)
        assert listed.count("待封存 waiting  自 since") == CALLS
        own_postgres.power.on()
        recordings = await until_sealed(settings, CALLS)
        assert _in_order(recordings, placed)
        for process in ("recorder", "sealer"):
            # What happened meanwhile is read afterwards.
            told = await until_alert(settings, DATABASE_AWAY, process, over=True)
            assert told.cleared_at is not None
            assert told.since < told.cleared_at
        await until_signalled(settings, placed[0])

        own_postgres.power.off()
        placed = await _record(settings, audio)
        own_postgres.power.on()
        recordings = await until_sealed(settings, 2 * CALLS)
        assert _in_order(recordings, placed)
        await _verify(settings, recordings)
        assert "Traceback" not in service.log.read_text()


async def test_the_store_is_away(tmp_path: Path, own_seaweed: Seaweed) -> None:
    variables = environment(
        tmp_path,
        HUIYIN_STORE_URL=own_seaweed.url("evidence"),
        HUIYIN_ASSEMBLERS="1",
    )
    settings, audio = settings_of(variables), tone(tmp_path / "tone.wav", 440.0, 1.0)
    await make_ready(settings)
    async with running(variables, tmp_path, "recorder") as service:
        await until_well(service, "recorder")
        first = await _record(settings, audio)
        await until_sealed(settings, CALLS)
        own_seaweed.power.off()
        placed = await _record(settings, audio)
        await until_alert(settings, STORE_AWAY, "sealer")
        figures = await until_figures(settings, "sealer", lambda facts: facts["closed"] == CALLS)
        assert (figures["recording"], figures["stuck"]) == (0, 0)
        assert figures["oldest_at"] is not None
        own_seaweed.power.on()
        recordings = await until_sealed(settings, 2 * CALLS)
        await until_alert(settings, STORE_AWAY, "sealer", over=True)
        assert _in_order(recordings, first)
        assert _in_order(recordings, placed)
        await _verify(settings, recordings)
        assert "Traceback" not in service.log.read_text()
