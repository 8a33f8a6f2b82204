"""Real processes for acceptance tests: a service in its own session, its children, and what its catalogue says."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from archive.catalogue import TEXT_DONE, Call, Recording
from archive.house import Archive
from core.clock import utc_now
from core.settings import Settings, load
from service.health import check
from service.wiring import open_archive
from tests.ports import free_port, media_ports
from workorders.orders import Finding

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "service" / "sample_calls"
# For what hangs, not for what is slow.
WELL_SECONDS = HOP_SECONDS = 240.0


def environment(directory: Path, **more: str) -> dict[str, str]:
    """The variables of a service of its own in ``directory``."""
    first = media_ports(600)
    return {
        "PATH": os.environ["PATH"],
        "HUIYIN_DATA_DIR": str(directory / "data"),
        "HUIYIN_HTTP_BIND": f"127.0.0.1:{free_port()}",
        "HUIYIN_SIP_BIND": f"127.0.0.1:{free_port()}",
        "HUIYIN_RTP_PORTS": f"{first}-{first + 599}",
        # A test that leaves a call open must not wait for its end.
        "HUIYIN_DRAIN_SECONDS": "0",
        **more,
    }


def settings_of(variables: Mapping[str, str]) -> Settings:
    """What a service with these variables is told."""
    return load({name: value for name, value in variables.items() if name.startswith("HUIYIN_")})


@dataclass
class Service:
    """A running ``huiyin`` command in a session of its own, so that all of it can be killed at once."""

    child: "subprocess.Popen[bytes]"
    settings: Settings
    log: Path

    def children(self, command: str) -> list[int]:
        """The process identifiers in this session that run ``huiyin COMMAND``."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and _session(entry) == self.child.pid:
                # One that has just ended has no command line any more.
                with suppress(ProcessLookupError, FileNotFoundError):
                    if command.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found

    def kill(self, command: str) -> None:
        """kill -9 every process of that command."""
        victims = self.children(command)
        assert victims, f"no {command} runs"
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """kill -9 the whole service, as a power cut would."""
        # The supervisor first: it would start its children again.
        self.child.kill()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and _session(entry) == self.child.pid:
                with suppress(ProcessLookupError):
                    os.kill(int(entry.name), signal.SIGKILL)
        self.child.wait()


def _session(entry: Path) -> int:
    try:
        return os.getsid(int(entry.name))
    except ProcessLookupError:
        return -1


@asynccontextmanager
async def running(variables: Mapping[str, str], directory: Path, command: str = "serve") -> AsyncIterator[Service]:
    """A service that has answered its health checks; ended politely if the test did not kill it."""
    settings = settings_of(variables)
    log = directory / f"{command}.log"
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: ASYNC220 - starting takes no time worth an await
            [sys.executable, "-m", "service", command],
            env=dict(variables),
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    service = Service(child, settings, log)
    try:
        if command == "serve":
            for process in ("recorder", "web", "worker", "scheduler"):
                await until_well(service, process)
        yield service
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                await asyncio.to_thread(child.wait, 30)
            except subprocess.TimeoutExpired:
                service.kill_all()


async def until_well(service: Service, process: str) -> None:
    """Wait for a process's health check to pass."""
    deadline = asyncio.get_running_loop().time() + WELL_SECONDS
    while fault := await check(service.settings, process, utc_now()):
        if service.child.poll() is not None or asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{fault}\n{service.log.read_text()[-4000:]}")
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Finished:
    """A call that went all the way."""

    recording: Recording
    answers: Mapping[str, str]


async def until_finished(settings: Settings, sip_call_id: str) -> Finished:
    """Wait until the call is sealed, has text, and its findings were read."""
    deadline = asyncio.get_running_loop().time() + HOP_SECONDS
    async with open_archive(settings) as archive:
        while asyncio.get_running_loop().time() < deadline:
            finished = await _finished(archive, sip_call_id)
            if finished is not None:
                return finished
            await asyncio.sleep(0.3)
    raise AssertionError("the call was not finished in time")


async def _finished(archive: Archive, sip_call_id: str) -> Finished | None:
    async with archive.database.read() as session:
        recording = await session.scalar(select(Recording).where(Recording.sip_call_id == sip_call_id))
        if recording is None or recording.text_state != TEXT_DONE:
            return None
        rows = list(await session.scalars(select(Finding).where(Finding.recording_id == recording.id)))
        return Finished(recording, {row.question: row.answer for row in rows}) if rows else None


async def until_signalled(settings: Settings, sip_call_id: str) -> UUID:
    """Wait until the recorder has announced the call; returns its recording identifier."""
    deadline = asyncio.get_running_loop().time() + HOP_SECONDS
    async with open_archive(settings) as archive:
        while asyncio.get_running_loop().time() < deadline:
            async with archive.database.read() as session:
                found = await session.scalar(select(Call.id).where(Call.sip_call_id == sip_call_id))
            if found is not None:
                return found
            await asyncio.sleep(0.1)
    raise AssertionError("the call was not announced in time")
