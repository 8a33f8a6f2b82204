"""TLS and accounts of the real recorder process: renewed without losing a call, and named when they are wrong."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import Unavailable
from core.settings import Address
from telephony.sip.client import Client
from telephony.sip.transport import Link
from tests.acceptance.running import HOP_SECONDS, ROOT, SAMPLES, Service, environment, until_well
from tests.acceptance.test_drain import OFFER, SDP, started
from tests.certificates import Authority
from tests.ports import free_port


def huiyin(variables: dict[str, str], *arguments: str, password: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=variables,
        cwd=ROOT,
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=HOP_SECONDS,
    )


def secured(directory: Path, authority: Authority) -> tuple[dict[str, str], Address]:
    """The variables of a recorder with TLS and accounts, and where TLS listens."""
    certificate, key = authority.issue()
    tls = Address("127.0.0.1", free_port())
    variables = environment(
        directory,
        HUIYIN_SIP_TLS_BIND=str(tls),
        HUIYIN_SIP_TLS_CERTIFICATE=str(certificate),
        HUIYIN_SIP_TLS_KEY=str(key),
        HUIYIN_SIP_USERS_FILE=str(directory / "users"),
    )
    return variables, tls


def hang_up(service: Service) -> None:
    service.child.send_signal(signal.SIGHUP)


def nothing(service: Service) -> None:
    """The recorder looks by itself."""


@pytest.mark.parametrize(("command", "tell"), [("recorder", hang_up), ("recorder", nothing), ("serve", hang_up)])
async def test_certificate_and_accounts_are_renewed_under_way(
    tmp_path: Path, command: str, tell: Callable[[Service], None]
) -> None:
    authority, renewed = Authority(tmp_path / "ca"), Authority(tmp_path / "renewed")
    variables, tls = secured(tmp_path, authority)
    added = await asyncio.to_thread(huiyin, variables, "sip-user", "add", "gateway", password="geheim")
    assert added.returncode == 0, added.stderr

    async def call(ca: Path, user: str, password: str) -> "subprocess.CompletedProcess[str]":
        sounds = [f"--{who}={SAMPLES / 'solved' / f'{who}.flac'}" for who in ("agent", "citizen")]
        options = ["--transport=tls", f"--ca={ca}", f"--user={user}", "--speed=50", *sounds]
        return await asyncio.to_thread(huiyin, variables, "call", f"--to={tls}", *options, password=password)

    async with started(tmp_path, command, variables) as service:
        first = await call(authority.file, "gateway", "geheim")
        assert first.returncode == 0, first.stderr
        wrong = await call(authority.file, "gateway", "falsch")
        assert wrong.returncode == 1
        assert "401" in wrong.stderr
        link = await Link.open(tls, "TLS", authority.trusted())
        for old, new in zip(authority.issue(), renewed.issue(), strict=True):
            new.replace(old)
        changed = await asyncio.to_thread(huiyin, variables, "sip-user", "add", "gateway", password="neu")
        assert changed.returncode == 0, changed.stderr
        tell(service)
        async with asyncio.timeout(HOP_SECONDS):
            while True:
                try:
                    other = await Link.open(tls, "TLS", renewed.trusted())
                except Unavailable:
                    await asyncio.sleep(0.1)
                    continue
                other.close()
                break
            while "new SIP accounts in force" not in service.log.read_text():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        second = await call(renewed.file, "gateway", "neu")
        assert second.returncode == 0, second.stderr
        # The connection from before still serves.
        assert (await Client(link, tls).request("OPTIONS")).status == 200
        link.close()


async def test_a_call_goes_on_over_a_renewal(tmp_path: Path) -> None:
    authority, renewed = Authority(tmp_path / "ca"), Authority(tmp_path / "renewed")
    variables, tls = secured(tmp_path, authority)
    del variables["HUIYIN_SIP_USERS_FILE"]
    async with started(tmp_path, "recorder", variables) as service:
        link = await Link.open(tls, "TLS", authority.trusted())
        client = Client(link, tls)
        await client.invite(OFFER, SDP)
        for old, new in zip(authority.issue(), renewed.issue(), strict=True):
            new.replace(old)
        hang_up(service)
        async with asyncio.timeout(HOP_SECONDS):
            while "new SIP certificate in force" not in service.log.read_text():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert (await client.request("BYE")).status == 200
        link.close()
        await until_well(service, "recorder")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HUIYIN_SIP_TLS_KEY", ""),
        ("HUIYIN_SIP_TLS_CERTIFICATE", "/nowhere/server.pem"),
        ("HUIYIN_SIP_USERS_FILE", "/nowhere/users"),
    ],
)
async def test_a_file_that_is_missing_stops_the_service_with_one_line(
    tmp_path: Path, variable: str, value: str
) -> None:
    variables, _ = secured(tmp_path, Authority(tmp_path / "ca"))
    variables.pop("HUIYIN_SIP_USERS_FILE")
    migrated = await asyncio.to_thread(huiyin, variables, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    ended = await asyncio.to_thread(huiyin, {**variables, variable: value}, "recorder")
    assert ended.returncode == 2
    [line] = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith(f"{variable}: ")


async def test_serve_ends_with_what_its_recorder_says(tmp_path: Path) -> None:
    variables, _ = secured(tmp_path, Authority(tmp_path / "ca"))
    ended = await asyncio.to_thread(huiyin, variables, "serve")
    assert ended.returncode == 2
    assert "HUIYIN_SIP_USERS_FILE: there is no file" in ended.stderr
    assert "huiyin sip-user add" in ended.stderr
