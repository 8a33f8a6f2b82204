"""The processes, a module each, so that each loads only what it needs: the recorder knows no speech engine, the worker
no SIP.  Each has ``run(settings)``, which ends at SIGTERM or SIGINT and leaves nothing half-done."""

import asyncio
import signal
import sys
from dataclasses import dataclass, field

# The processes that run and scale by themselves; the sealer belongs to its recorder.
PROCESSES = ("recorder", "worker", "web", "scheduler")
# Runs only where a folder is watched.
INTAKE = "intake"


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


@dataclass(frozen=True)
class Signals:
    """What signals have asked for so far: the first to finish, a second one to end at once, SIGHUP to read files again
    (who does that clears it)."""

    finish: asyncio.Event = field(default_factory=asyncio.Event)
    end: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """One more signal to stop."""
        (self.end if self.finish.is_set() else self.finish).set()


def signals() -> Signals:
    """Counts SIGTERM and SIGINT.  A SIGHUP that says that the terminal is gone which started us is like them."""
    found = Signals()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, found.stop)
    on_terminal = sys.stdin is not None and sys.stdin.isatty()
    loop.add_signal_handler(signal.SIGHUP, found.stop if on_terminal else found.reload.set)
    return found
