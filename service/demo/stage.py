"""The demo's stage: a fresh directory, free ports, the service as a child process, an account and sample orders."""

import asyncio
import os
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from api.access.accounts import create_user
from api.permissions import ROLES
from archive.house import Archive
from core.clock import utc_now
from core.errors import Conflict, HuiyinError, Unavailable
from core.settings import Address, Settings
from retention.rule import keep_until
from service.demo import show
from service.health import check
from service.processes import PROCESSES
from service.sample_orders import write_orders
from workorders.exports import import_export

MARKER = ".huiyin-demo"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Login:
    """One of the demo's accounts, made with a random password."""

    name: str
    password: str


@dataclass(frozen=True)
class Staged:
    """A running service."""

    settings: Settings
    directory: Path
    child: asyncio.subprocess.Process

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://{self.settings.http_bind}/"

    @property
    def log(self) -> Path:
        """The service's log."""
        return self.directory / "serve.log"

    async def ended(self) -> int:
        """Wait for the service to end by itself."""
        return await self.child.wait()


@asynccontextmanager
async def service(settings: Settings, directory: Path) -> AsyncIterator[Staged]:
    """``huiyin serve`` in a fresh directory, stopped at the end.  Database and store are those of the settings where
    they were given, else embedded ones in the directory."""
    _make_fresh(directory)
    chosen = replace(
        settings,
        data_dir=directory.absolute() / "data",
        http_bind=_free(settings.http_bind, socket.SOCK_STREAM),
        sip_bind=_free(settings.sip_bind, socket.SOCK_DGRAM),
    )
    with (directory / "serve.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service", "serve", env=_environment(chosen), stdout=log, stderr=log
        )
    staged = Staged(chosen, directory, child)
    try:
        await _until_well(staged)
        yield staged
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), STOP_SECONDS)
            except TimeoutError:
                child.kill()


def _make_fresh(directory: Path) -> None:
    """Empty the directory; one that no demo made is left alone."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARKER).exists():
            raise Conflict(
                "the demo's directory is not empty and not the demo's; choose another with --dir", directory=directory
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARKER).touch()


def _free(wanted: Address, kind: socket.SocketKind) -> Address:
    """The wanted address, or another port on its host where that one is in use."""
    for port in (wanted.port, 0):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((wanted.host, port))
            except OSError:
                continue
            return Address(wanted.host, probe.getsockname()[1])
    raise Unavailable("cannot listen on this host", host=wanted.host)


def _environment(settings: Settings) -> Mapping[str, str]:
    return {
        **os.environ,
        "HUIYIN_DATA_DIR": str(settings.data_dir),
        "HUIYIN_HTTP_BIND": str(settings.http_bind),
        "HUIYIN_SIP_BIND": str(settings.sip_bind),
        "HUIYIN_LOG_FORMAT": "json",
        # The demo's end is the end of its calls.
        "HUIYIN_DRAIN_SECONDS": "0",
    }


async def _until_well(staged: Staged) -> None:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    for process in PROCESSES:
        while fault := await _fault(staged, process):
            if staged.child.returncode is not None or asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"the service did not start; its log: {staged.log}", fault=fault)
            await asyncio.sleep(0.2)


async def _fault(staged: Staged, process: str) -> str:
    try:
        return await check(staged.settings, process, utc_now())
    except (HuiyinError, OSError) as error:
        return str(error)


async def make_accounts(archive: Archive) -> Mapping[str, Login]:
    """An account of each role for looking at the pages; their passwords are random and shown once."""
    mark = secrets.token_hex(2)
    return {role: await _make_account(archive, f"{role}-{mark}", role) for role in ROLES}


async def _make_account(archive: Archive, name: str, role: str) -> Login:
    login = Login(name, secrets.token_urlsafe(12))
    await create_user(archive.database, login.name, login.password, role, now=utc_now())
    return login


async def bring_orders(archive: Archive, staged: Staged) -> None:
    """Import the sample export, twice: the second time must change nothing."""
    source = staged.directory / "work_orders.xlsx"
    zone = staged.settings.timezone
    write_orders(source, utc_now().astimezone(zone).date())
    for _ in range(2):
        report = await import_export(
            archive, source, by="demo", timezone=zone, retain_until=keep_until(staged.settings, utc_now())
        )
        show.step(f"导入工单 {source.name}: {report.summary()}")
