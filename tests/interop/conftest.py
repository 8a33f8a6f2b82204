"""Other people's programs as gateways."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import pytest

from core.settings import Address
from tests.conftest import missing
from tests.ports import free_port
from tests.servers import Missing

Bridge = Callable[[Address, Path], AbstractAsyncContextManager[Address]]


def program(name: str, package: str) -> str:
    """The path of a program that must be installed."""
    found = shutil.which(name)
    if found is None:
        missing(Missing(f"{name} is not installed: apt-get install {package}"))
    assert found
    return found


@pytest.fixture(scope="session")
def baresip() -> str:
    """The baresip program, with its modules for G.711 and TLS."""
    return program("baresip", "baresip-core")


@pytest.fixture(scope="session")
def tls_bridge() -> Bridge:
    """TCP in, TLS out, by socat and OpenSSL: Debian builds SIPp without TLS."""
    socat = program("socat", "socat")

    @asynccontextmanager
    async def bridge(target: Address, authority: Path) -> AsyncIterator[Address]:
        here = Address("127.0.0.1", free_port())
        process = await asyncio.create_subprocess_exec(
            *(socat, f"TCP4-LISTEN:{here.port},bind={here.host},fork,reuseaddr"),
            f"OPENSSL:{target},cafile={authority},verify=1,openssl-min-proto-version=TLS1.2",
        )
        try:
            await _until_listening(here)
            yield here
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    return bridge


async def _until_listening(address: Address) -> None:
    async with asyncio.timeout(240):
        while True:
            try:
                _, writer = await asyncio.open_connection(address.host, address.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
