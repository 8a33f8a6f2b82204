"""SIPp, an independent SIP implementation, as the gateway; its scenarios lie in ``tests/interop``."""

import asyncio
import os
import socket
from pathlib import Path

import numpy as np

from core.settings import Address
from telephony.rtp.codecs import find

SCENARIOS = Path(__file__).parent / "interop"


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def play(sipp: str, target: Address, directory: Path, scenario: str, transport: str, calls: int = 1) -> None:
    """Run a scenario to its end; SIPp's own checks decide."""
    process = await asyncio.create_subprocess_exec(
        *(sipp, str(target), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-t", transport, "-m", str(calls)),
        *("-i", "127.0.0.1", "-p", str(_free_port()), "-mp", str(_free_port() & ~1), "-nostdin"),
        *("-timeout", "30", "-timeout_error", "-trace_err", "-error_file", str(directory / "errors.log")),
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TERM": "dumb"},
    )
    output, _ = await process.communicate()
    errors = directory / "errors.log"
    assert process.returncode == 0, (errors.read_text() if errors.exists() else "") + output.decode()[-2000:]


def write_tone(directory: Path) -> None:
    """The sound that the scenario ``siprec_call`` plays as its first stream."""
    codec = find("PCMA")
    assert codec is not None
    samples = (8000 * np.sin(np.arange(8000) / 4)).astype(np.int16)
    (directory / "tone.al").write_bytes(codec.encode(samples).tobytes())
