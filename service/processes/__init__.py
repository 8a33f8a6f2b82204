"""The processes, a module each, so that each loads only what it needs: the recorder knows no speech engine, the worker
no SIP.  Each has ``run(settings)``, which ends at SIGTERM or SIGINT and leaves nothing half-done."""

import asyncio
import signal

# The processes that run and scale by themselves; the sealer belongs to its recorder.
PROCESSES = ("recorder", "worker", "web", "scheduler")


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
