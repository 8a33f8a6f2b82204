"""docker-compose.yml without an engine: its commands and health checks, run as plain processes over real servers."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from core.ids import new_id
from core.settings import Settings
from service.supervisor import GRACE_SECONDS, SEALING_SECONDS
from telephony.simulator import place_call
from tests.acceptance.running import HOP_SECONDS, ROOT, SAMPLES, environment, running, until_finished, until_well
from tests.servers import Seaweed

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
PROCESSES = ("recorder", "worker", "web", "scheduler")
# What the file sets for containers, and a plain process on one machine must have otherwise.
REPLACED = {"HUIYIN_DATABASE_URL", "HUIYIN_STORE_URL", "HUIYIN_HTTP_BIND", "HUIYIN_SIP_BIND", "HUIYIN_MEDIA_ADDRESS",
            "HUIYIN_RTP_PORTS", "HUIYIN_ASR_MODEL"}  # fmt: skip


def _huiyin(arguments: list[str], variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HOP_SECONDS,
    )


def test_every_process_has_a_health_check_and_waits_for_the_migration() -> None:
    services = COMPOSE["services"]
    for name in (*PROCESSES, "intake"):
        assert services[name]["command"] == [name]
        assert services[name]["healthcheck"]["test"] == ["CMD", "huiyin", "health", name]
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    for name in ("database", "store"):
        assert "healthcheck" in services[name]
        assert services["migrate"]["depends_on"][name] == {"condition": "service_healthy"}
        assert "ports" not in services[name], "only pages, SIP and RTP leave the private network"


def test_a_recorder_is_given_the_time_that_its_calls_may_take() -> None:
    grace = COMPOSE["services"]["recorder"]["stop_grace_period"]
    assert grace.endswith("m")
    assert 60 * int(grace[:-1]) > Settings().drain_seconds.total_seconds() + SEALING_SECONDS + GRACE_SECONDS


def test_its_settings_are_settings() -> None:
    names = set(COMPOSE["x-huiyin"]["environment"])
    assert names >= REPLACED
    assert names - REPLACED == {"HUIYIN_TIMEZONE"}


async def test_its_commands_carry_a_call(tmp_path: Path, empty_postgres_url: str, seaweed: Seaweed) -> None:
    variables = environment(
        tmp_path, HUIYIN_DATABASE_URL=empty_postgres_url, HUIYIN_STORE_URL=seaweed.url("compose-evidence")
    )
    migrated = await asyncio.to_thread(_huiyin, COMPOSE["services"]["migrate"]["command"], variables)
    assert migrated.returncode == 0, migrated.stderr
    async with AsyncExitStack() as stack:
        services = {
            name: await stack.enter_async_context(running(variables, tmp_path, *COMPOSE["services"][name]["command"]))
            for name in PROCESSES
        }
        for name, service in services.items():
            await until_well(service, name)
            _, huiyin, *arguments = COMPOSE["services"][name]["healthcheck"]["test"]
            assert huiyin == "huiyin"
            well = await asyncio.to_thread(_huiyin, arguments, variables)
            assert well.returncode == 0, well.stdout + well.stderr
        settings = services["recorder"].settings
        sip_call_id = f"{new_id().hex}@test.invalid"
        await place_call(
            settings.sip_bind, SAMPLES / "solved" / "agent.flac", SAMPLES / "solved" / "citizen.flac",
            agent_number="8001", citizen_number="13800000101", call_id=sip_call_id, speed=4.0,
        )  # fmt: skip
        finished = await until_finished(settings, sip_call_id)
        assert finished.answers["connected"] == "yes"
