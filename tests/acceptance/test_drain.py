"""SIGTERM and Ctrl-C to real processes: the first one lets calls finish, the second ends them; nothing is lost."""

import asyncio
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from archive.catalogue import Call, Recording
from core.errors import Refused
from core.settings import Settings, load
from service.health import ping_sip
from service.wiring import open_archive
from telephony.call import CLOSED, CallFacts
from telephony.sip.client import Client
from telephony.sip.message import Request, Response
from telephony.sip.sdp import parse_sdp
from telephony.sip.transport import Link
from tests.acceptance.running import HOP_SECONDS, ROOT, Service, environment, running, until_well

SDP = (
    b"v=0\r\no=g 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8\r\na=label:1\r\na=sendonly\r\nm=audio 40002 RTP/AVP 8\r\na=label:2\r\na=sendonly\r\n"
)
# What a terminal's shell is to its commands: signals of the keyboard reach whoever has it as controlling terminal.
OWN_TERMINAL = """import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "service", "serve"])"""
OFFER = (("Content-Type", "application/sdp"),)


def sigterm(service: Service) -> None:
    service.child.send_signal(signal.SIGTERM)


def ctrl_c(service: Service) -> None:
    """What a terminal does: SIGINT to the whole foreground group."""
    os.killpg(service.child.pid, signal.SIGINT)


WAYS = pytest.mark.parametrize(("command", "stop"), [("recorder", sigterm), ("serve", ctrl_c)])


@dataclass
class Talk:
    """A call in progress."""

    link: Link
    client: Client
    ports: list[int]
    sent: int = 0
    took: float = 0.0

    def speak(self, packets: int) -> None:
        """So many packets of 20 ms on both streams, at once; ``took``: seconds of sending so far."""
        began = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(self.sent, self.sent + packets):
                for ssrc, port in enumerate(self.ports):
                    header = bytes((0x80, 8)) + number.to_bytes(2, "big") + (160 * number).to_bytes(4, "big")
                    sock.sendto(header + bytes((0, 0, 0, ssrc)) + bytes((0xD5,)) * 160, ("127.0.0.1", port))
        self.sent += packets
        self.took += time.monotonic() - began


@asynccontextmanager
async def calling(settings: Settings) -> AsyncIterator[Talk]:
    link = await Link.open(settings.sip_bind, "TCP")
    try:
        client = Client(link, settings.sip_bind)
        response = await client.invite(OFFER, SDP)
        yield Talk(link, client, [media.port for media in parse_sdp(response.body).media])
    finally:
        link.close()


@asynccontextmanager
async def started(directory: Path, command: str, variables: dict[str, str]) -> AsyncIterator[Service]:
    if command == "recorder":
        migrate = [sys.executable, "-m", "service", "migrate"]
        await asyncio.to_thread(subprocess.run, migrate, env=variables, cwd=ROOT, check=True, capture_output=True)
    async with running(variables, directory, command) as service:
        await until_well(service, "recorder")
        yield service


async def until_draining(settings: Settings) -> None:
    async with asyncio.timeout(HOP_SECONDS):
        while "503" not in await asyncio.to_thread(ping_sip, settings.sip_bind):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def ended(service: Service) -> int:
    return await asyncio.to_thread(service.child.wait, HOP_SECONDS)


async def catalogued(settings: Settings, sip_call_id: str) -> tuple[str, Recording | None]:
    """Why the call ended, and its recording if it is sealed."""
    async with open_archive(settings) as archive, archive.database.read() as session:
        call = (await session.scalars(select(Call).where(Call.sip_call_id == sip_call_id))).one()
        return call.note, await session.get(Recording, call.id)


def _whole(recording: Recording, talk: Talk) -> bool:
    """Two seconds were spoken; the parties begin together but for what sending took."""
    return 2000 <= recording.duration_ms < 2500 + 1000 * talk.took


@WAYS
async def test_after_the_first_signal_a_running_call_finishes(
    tmp_path: Path, command: str, stop: Callable[[Service], None]
) -> None:
    variables = environment(tmp_path, HUIYIN_DRAIN_SECONDS="600")
    async with started(tmp_path, command, variables) as service, calling(service.settings) as talk:
        talk.speak(50)
        stop(service)
        await until_draining(service.settings)
        with pytest.raises(Refused, match="503"):
            async with calling(service.settings):
                pass
        talk.speak(50)
        assert service.child.poll() is None
        assert (await talk.client.request("BYE")).status == 200
        assert await ended(service) == 0
    why, recording = await catalogued(service.settings, talk.client.call_id)
    assert recording is not None
    assert (why, recording.interrupted) == ("bye", False)
    assert _whole(recording, talk)
    assert not (service.settings.spool_dir / str(recording.id)).exists()


@WAYS
async def test_the_second_signal_ends_calls_and_keeps_them(
    tmp_path: Path, command: str, stop: Callable[[Service], None]
) -> None:
    variables = environment(tmp_path, HUIYIN_DRAIN_SECONDS="600")
    async with started(tmp_path, command, variables) as service, calling(service.settings) as talk:
        talk.speak(100)
        stop(service)
        await until_draining(service.settings)
        stop(service)
        bye = await asyncio.wait_for(talk.link.messages.get(), HOP_SECONDS)
        assert isinstance(bye, Request)
        assert bye.method == "BYE"
        copied = tuple((name, bye.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq"))
        talk.link.send(bytes(Response(200, "OK", copied)))
        assert await ended(service) == 0
    directory = next((path for path in service.settings.spool_dir.iterdir() if path.is_dir()), None)
    if directory is not None:
        facts = CallFacts.load(directory)
        assert (facts.state, facts.end_reason, facts.interrupted) == (CLOSED, "shutdown", False)
    async with started(tmp_path, "recorder", variables):
        async with asyncio.timeout(HOP_SECONDS):
            while directory is not None and directory.exists():  # noqa: ASYNC110 - another process removes it
                await asyncio.sleep(0.1)
    why, recording = await catalogued(service.settings, talk.client.call_id)
    assert recording is not None
    assert (why, recording.interrupted) == ("shutdown", False)
    assert _whole(recording, talk)


async def test_a_drain_is_bounded(tmp_path: Path) -> None:
    variables = environment(tmp_path, HUIYIN_DRAIN_SECONDS="1")
    async with started(tmp_path, "recorder", variables) as service, calling(service.settings) as talk:
        sigterm(service)
        bye = await asyncio.wait_for(talk.link.messages.get(), HOP_SECONDS)
        assert isinstance(bye, Request)
        assert bye.method == "BYE"
        assert await ended(service) == 0
    assert (await catalogued(service.settings, talk.client.call_id))[0] == "shutdown"


@asynccontextmanager
async def on_a_terminal(directory: Path, variables: dict[str, str]) -> AsyncIterator[tuple[Service, int]]:
    """``huiyin serve`` as a shell starts it, and our side of its terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(  # noqa: ASYNC220 - starting takes no time worth an await
        [sys.executable, "-c", OWN_TERMINAL],
        env={**variables, "HUIYIN_LOG_FORMAT": "text"},
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    settings = load({name: value for name, value in variables.items() if name.startswith("HUIYIN_")})
    service = Service(child, settings, directory / "serve.log")
    try:
        async with asyncio.timeout(HOP_SECONDS):
            while await asyncio.to_thread(ping_sip, settings.sip_bind):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)
        yield service, ours
    finally:
        if child.poll() is None:
            service.kill_all()


async def test_ctrl_c_on_a_terminal_says_what_a_second_one_does(tmp_path: Path) -> None:
    variables = environment(tmp_path, HUIYIN_DRAIN_SECONDS="600")
    async with on_a_terminal(tmp_path, variables) as (service, terminal), calling(service.settings) as talk:
        os.write(terminal, b"\x03")
        await until_draining(service.settings)
        # The workers and pages stay until the recorder has ended.
        assert service.children("web")
        os.write(terminal, b"\x03")
        bye = await asyncio.wait_for(talk.link.messages.get(), HOP_SECONDS)
        assert isinstance(bye, Request)
        shown = b""
        # A terminal hands out what it has in pieces.
        while b"waiting for 1 calls to end; Ctrl-C again ends them now" not in shown:
            shown += await asyncio.to_thread(os.read, terminal, 65536)
        assert await ended(service) == 0
        os.close(terminal)


async def test_a_terminal_that_is_closed_stops_the_service(tmp_path: Path) -> None:
    variables = environment(tmp_path, HUIYIN_DRAIN_SECONDS="1")
    async with on_a_terminal(tmp_path, variables) as (service, terminal), calling(service.settings) as talk:
        os.close(terminal)
        bye = await asyncio.wait_for(talk.link.messages.get(), HOP_SECONDS)
        assert isinstance(bye, Request)
        assert await ended(service) == 0
    assert (await catalogued(service.settings, talk.client.call_id))[0] == "shutdown"
