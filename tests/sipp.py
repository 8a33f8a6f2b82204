"""SIPp, an independent SIP implementation, as the gateway; its scenarios are in ``tests/interop``."""

import asyncio
import os
from pathlib import Path

import numpy as np

from core.settings import Address
from telephony.rtp.codecs import PCMA
from tests.interop.scenario import Scenario
from tests.ports import free_ports


async def play(
    sipp: str, target: Address, directory: Path, scenario: Scenario, transport: str, *more: str, calls: int = 1
) -> None:
    """Run a scenario to its end; SIPp's own checks decide."""
    # Its SIP port, then RTP and RTCP of its audio and video streams.
    ports = free_ports(6)
    process = await asyncio.create_subprocess_exec(
        *(sipp, str(target), "-sf", str(scenario.write(directory)), "-t", transport, "-m", str(calls)),
        *("-i", "127.0.0.1", "-p", str(ports), "-mp", str(ports + 2), "-nostdin"),
        *("-timeout", "240", "-timeout_error", "-trace_err", "-error_file", str(directory / "errors.log")),
        *more,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TERM": "dumb"},
    )
    output, _ = await process.communicate()
    errors = directory / "errors.log"
    assert process.returncode == 0, (errors.read_text() if errors.exists() else "") + output.decode()[-2000:]


def write_tone(directory: Path) -> bytes:
    """A second of sound, ``tone.al``, that scenarios play; returns its A-law octets."""
    samples = (8000 * np.sin(np.arange(8000) / 4)).astype(np.int16)
    octets = PCMA.encode(samples).tobytes()
    (directory / "tone.al").write_bytes(octets)
    return octets
