"""A recorder on loopback with real ports and a real spool, and what its observer saw."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import soundfile

from core.settings import Address, PortRange
from telephony.call import CallFacts
from telephony.entrance import Entrance
from telephony.recorder import Recorder
from telephony.rtp.capture import Capture
from tests.ports import media_ports


@dataclass
class Observer:
    """Collects calls; ``done`` fills as they finish."""

    begun: list[CallFacts] = field(default_factory=list)
    done: asyncio.Queue[tuple[CallFacts, Path]] = field(default_factory=asyncio.Queue)

    def started(self, facts: CallFacts) -> None:
        self.begun.append(facts)

    def finished(self, facts: CallFacts, directory: Path) -> None:
        self.done.put_nowait((facts, directory))


@dataclass
class House:
    """A running recorder."""

    recorder: Recorder
    capture: Capture
    observer: Observer
    spool: Path

    @property
    def address(self) -> Address:
        return self.recorder.address

    async def finished(self) -> tuple[CallFacts, Path]:
        """The next finished call."""
        return await asyncio.wait_for(self.observer.done.get(), 240)


@contextlib.asynccontextmanager
async def open_house(
    directory: Path,
    *,
    ports: PortRange | None = None,
    media_timeout: timedelta = timedelta(seconds=300),
    session_expires: timedelta = timedelta(0),
    bind: Address | None = None,
    media_host: str = "127.0.0.1",
    entrance: Entrance | None = None,
) -> AsyncIterator[House]:
    """Capture and recorder, started and stopped."""
    # A straggler of one test never reaches another.
    first = media_ports(40)
    capture = Capture("127.0.0.1", ports or PortRange(first, first + 39), interval=0.02)
    observer, spool = Observer(), directory / "spool"
    recorder = Recorder(
        bind=bind or Address("127.0.0.1", 0),
        media_host=media_host,
        spool_dir=spool,
        capture=capture,
        observer=observer,
        agent_numbers=(re.compile(r"^\d{3,6}$"),),
        media_timeout=media_timeout,
        session_expires=session_expires,
        entrance=entrance,
    )
    capture.start()
    try:
        await recorder.start()
        yield House(recorder, capture, observer, spool)
    finally:
        await recorder.stop(farewell=0.1)
        await capture.stop()


def tone(file: Path, hertz: float, seconds: float) -> Path:
    """An 8 kHz mono sound file."""
    samples = 8000 * np.sin(2 * np.pi * hertz * np.arange(round(8000 * seconds)) / 8000)
    soundfile.write(file, samples.astype(np.int16), 8000, subtype="PCM_16")
    return file
