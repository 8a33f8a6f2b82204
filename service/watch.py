"""What the recorder keeps an eye on: room in its spool, free ports, packets that the kernel threw away, and calls of an
earlier life whose facts found no room yet."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.alerts import PACKETS_DROPPED, PORTS_EXHAUSTED, SPOOL_FULL
from core.settings import PortRange
from service import spool
from service.alarms import Alarms
from service.room import MEGABYTE, Room
from telephony.call import CallFacts
from telephony.durability import FACTS_NOT_SAVED
from telephony.recorder import CallObserver
from telephony.rtp.capture import Capture

EVERY_SECONDS = 1.0
# Lost packets do not come back: the alert stands for so long after the last call that missed some.
DROPS_SHOWN_FOR = 600.0
# A call of two parties needs that many.
PORTS_OF_A_CALL = 2


class Watch:
    """A ``telephony.recorder.CallObserver`` that looks at each finished call and passes it on."""

    def __init__(self, alarms: Alarms, capture: Capture, ports: PortRange, room: Room, observer: CallObserver) -> None:
        self._alarms, self._capture, self._room, self._observer = alarms, capture, room, observer
        self._all_ports = (ports.last - ports.first + 1) // 2
        self._dropped, self._dropped_at = 0, float("-inf")
        self._calls = 0

    def started(self, facts: CallFacts) -> None:
        self._calls += 1
        self._observer.started(facts)

    def finished(self, facts: CallFacts, directory: Path) -> None:
        self._calls -= 1
        dropped = sum(int(stream.received.get("kernel_dropped", 0)) for stream in facts.streams)
        if dropped:
            self._dropped, self._dropped_at = self._dropped + dropped, time.monotonic()
        self._observer.finished(facts, directory)

    def figures(self) -> Mapping[str, Any]:
        """What the status page shows of a recorder."""
        return {
            "calls": self._calls,
            "streams": self._capture.open_ports,
            "ports_free": self._all_ports - self._capture.open_ports,
            "free_mb": self._room.free_octets // MEGABYTE,
        }

    def look(self) -> None:
        """Hold the alerts."""
        why = self._room()
        self._alarms.hold(SPOOL_FULL, {"why": why, "free_mb": self._room.free_octets // MEGABYTE} if why else None)
        exhausted = self._all_ports - self._capture.open_ports < PORTS_OF_A_CALL
        self._alarms.hold(PORTS_EXHAUSTED, {"open": self._capture.open_ports} if exhausted else None)
        if time.monotonic() - self._dropped_at > DROPS_SHOWN_FOR:
            self._dropped = 0
        self._alarms.hold(PACKETS_DROPPED, {"packets": self._dropped} if self._dropped else None)

    @asynccontextmanager
    async def running(self, directory: Path, left_over: Sequence[CallFacts]) -> AsyncIterator[None]:
        """Look every second while the block runs; ``left_over`` are the calls that a crash interrupted."""
        task = asyncio.create_task(self._run(directory, left_over))
        try:
            yield
        finally:
            task.cancel()

    async def _run(self, directory: Path, left_over: Sequence[CallFacts]) -> None:
        unsaved = [facts for facts in left_over if FACTS_NOT_SAVED in facts.flags]
        while True:
            self.look()
            while unsaved and spool.save(directory, unsaved[0]):
                unsaved.pop(0)
            await asyncio.sleep(EVERY_SECONDS)


def room_in(directory: Path, minimum_mb: int, capture: Capture) -> Room:
    """The room that the settings mean.  One stream's trouble is its own: only when most are refused is it the disk."""
    return Room(directory, minimum_mb * MEGABYTE, lambda: 2 * len(capture.failing) > capture.open_ports)
