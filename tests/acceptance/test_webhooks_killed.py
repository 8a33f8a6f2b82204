"""Schedulers as processes of their own: one sends, the other stands by; kill -9 between sending and writing down."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select

from api.webhooks import signing, subscribers
from api.webhooks.addresses import Reach
from api.webhooks.subscribers import Wish
from api.webhooks.tables import WebhookDelivery
from archive.seal import seal_recording
from core.clock import utc_now
from core.sealed_secrets import SecretBox
from core.settings import Settings
from service.readiness import make_ready
from service.wiring import open_archive
from tests.acceptance.running import ROOT, environment, settings_of
from tests.samples import new_recording, write_audio
from tests.webhooks import PATIENCE, Receiver, receiving, taken

STANDING_BY = "standing by"


@pytest.fixture(params=["sqlite", "postgres"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    # Neither night nor report in between.
    always = {"HUIYIN_NIGHTLY_AT": "23:59", "HUIYIN_DAILY_REPORT_AT": "23:59"}
    if request.param == "sqlite":
        return environment(tmp_path, **always)
    return environment(tmp_path, HUIYIN_DATABASE_URL=request.getfixturevalue("empty_postgres_url"), **always)


@contextmanager
def scheduler(variables: Mapping[str, str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("ab") as output:
        command = [sys.executable, "-m", "service", "scheduler"]
        child = subprocess.Popen(command, env=dict(variables), cwd=ROOT, stdout=output, stderr=output)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(60)


async def until_one_stands_by(logs: Mapping[int, Path]) -> int:
    """The process that waits for the other; both have started by then."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for pid, log in logs.items():
                if STANDING_BY in log.read_text(encoding="utf-8"):
                    return pid
            await asyncio.sleep(0.1)


async def subscribe(settings: Settings, receiver: Receiver) -> str:
    box = SecretBox.open(settings.secret_key)
    wish = Wish("接收系统", receiver.url(), ["recording.sealed"])
    async with open_archive(settings) as archive, archive.database.write() as session:
        _, secret = await subscribers.add(session, box, wish, Reach.of(settings), by="operator", now=utc_now())
    return signing.shown(secret)


async def seal(settings: Settings, directory: Path) -> str:
    recording, audio = new_recording(), write_audio(directory / "audio.flac", seconds=0.1)
    async with open_archive(settings) as archive:
        await seal_recording(archive, recording, audio, retain_until=utc_now() + timedelta(days=740))
    return str(recording.id)


async def delivered(settings: Settings) -> WebhookDelivery:
    async with open_archive(settings) as archive, asyncio.timeout(PATIENCE):
        while True:
            async with archive.database.read() as session:
                row = (await session.scalars(select(WebhookDelivery))).one()
            if row.state == "delivered":
                return row
            await asyncio.sleep(0.1)


@pytest.mark.timeout(600)
async def test_a_killed_sender_is_followed_by_the_one_that_stood_by(variables: dict[str, str], tmp_path: Path) -> None:
    async with receiving() as receiver:
        variables |= {
            "HUIYIN_WEBHOOK_HTTP": "yes",
            "HUIYIN_WEBHOOK_PORTS": str(receiver.port),
            "HUIYIN_WEBHOOK_NETWORKS": "127.0.0.0/8",
        }
        settings = settings_of(variables)
        await make_ready(settings)
        secret = await subscribe(settings, receiver)
        logs = tmp_path / "one.log", tmp_path / "other.log"
        with scheduler(variables, logs[0]) as one, scheduler(variables, logs[1]) as other:
            standing_by = await until_one_stands_by({one.pid: logs[0], other.pid: logs[1]})
            sending = one if standing_by == other.pid else other

            async def kill_the_sender(request: web.Request) -> web.StreamResponse:
                # Taken, and nobody is left to write that down.
                os.kill(sending.pid, signal.SIGKILL)
                return await taken(request)

            receiver.answers.append(kill_the_sender)
            recording = await seal(settings, tmp_path)
            first, second = await receiver.wait_for(2)
            row = await delivered(settings)
    assert first.message == second.message == str(row.message)
    assert first.body == second.body
    assert second.said["data"] == {"recording_id": recording}
    assert first.signed_by(secret)
    assert second.signed_by(secret)
    assert row.tries == 1, "the try that was killed is not counted: nothing of it was written"
    assert len(receiver.heard) == 2, "one process sends at a time"
    assert secret not in "".join(log.read_text(encoding="utf-8") for log in logs)
