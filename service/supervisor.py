"""``huiyin serve``: every process as a child of one, each started again when it dies.

A crash of one part stops no other: the recorder keeps recording while the worker is down, and the other way round.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping

from core.settings import Settings
from service.processes import stop_signal

log = logging.getLogger(__name__)

FIRST_RESTART_SECONDS, LONGEST_RESTART_SECONDS = 1.0, 30.0
STEADY_SECONDS = 30.0
GRACE_SECONDS = 20.0
# Exit statuses of a command that named its reason: wrong settings, an address in use, …
NAMED_FAILURES = (1, 2)


async def serve(settings: Settings) -> int:
    """Run recorder, workers, web and scheduler until SIGTERM or SIGINT.  Returns the exit status: that of a child
    which at its first start names a reason not to run (an address in use, say), else 0."""
    stopping = stop_signal()
    commands = ["recorder", *["worker"] * settings.workers, "web", "scheduler"]
    environment = {**os.environ, "HUIYIN_ASR_THREADS": str(threads_for(settings))}
    keepers = [asyncio.create_task(_keep(command, environment, stopping)) for command in commands]
    results = await asyncio.gather(*keepers)
    return max(results, default=0)


def threads_for(settings: Settings) -> int:
    """CPU threads for each worker: never more in all than there are cores."""
    return settings.asr_threads or max(1, (os.cpu_count() or 1) // settings.workers)


async def _keep(command: str, environment: Mapping[str, str], stopping: asyncio.Event) -> int:
    wait, first = FIRST_RESTART_SECONDS, True
    loop = asyncio.get_running_loop()
    while not stopping.is_set():
        began = loop.time()
        child = await asyncio.create_subprocess_exec(sys.executable, "-m", "service", command, env=environment)
        status = await _wait_or_stop(child, stopping)
        if stopping.is_set():
            break
        if first and status in NAMED_FAILURES and loop.time() - began < STEADY_SECONDS:
            log.error("cannot run; see the line above", extra={"facts": {"process": command}})
            stopping.set()
            return status
        first = False
        wait = FIRST_RESTART_SECONDS if loop.time() - began > STEADY_SECONDS else min(wait * 2, LONGEST_RESTART_SECONDS)
        facts = {"process": command, "status": status, "restart_in_s": wait}
        log.error("a process ended and is started again", extra={"facts": facts})
        await _sleep_or_stop(wait, stopping)
    return 0


async def _wait_or_stop(child: asyncio.subprocess.Process, stopping: asyncio.Event) -> int:
    """The child's exit status; when told to stop, end the child first: politely, then by force."""
    ended = asyncio.ensure_future(child.wait())
    told = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not ended.done():
        child.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(ended), GRACE_SECONDS)
        except TimeoutError:
            child.kill()
    return await ended


async def _sleep_or_stop(seconds: float, stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
