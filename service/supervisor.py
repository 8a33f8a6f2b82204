"""``huiyin serve``: every process as a child of one, each started again when it dies.

A crash of one part stops no other: the recorder keeps recording while the worker is down, and the other way round.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.settings import Settings
from service.processes import INTAKE, Signals, signals

log = logging.getLogger(__name__)

FIRST_RESTART_SECONDS, LONGEST_RESTART_SECONDS = 1.0, 30.0
STEADY_SECONDS = 30.0
GRACE_SECONDS = 20.0
# What a recorder may take to have its last calls sealed (service.processes.draining).
SEALING_SECONDS = 30.0
OTHERS = ("web", "scheduler")
# Exit statuses of a command that named its reason: wrong settings, an address in use, …
NAMED_FAILURES = (1, 2)


@dataclass(frozen=True)
class _Order:
    """When a child is to end: ``finish`` asks it to, after ``patience`` seconds or at ``end`` it is asked once more."""

    finish: asyncio.Event
    end: asyncio.Event
    patience: float


async def serve(settings: Settings) -> int:
    """Run recorder, workers, web, scheduler and, where a folder is watched, intake until SIGTERM or SIGINT.

    The recorder ends first, in its own time; until its calls are over the others stay.  A second signal hurries it.
    SIGHUP goes to the recorder.

    Returns the exit status: that of a child which at its first start names a reason not to run (an address in use,
    say), else 0.
    """
    told, recorded = signals(), asyncio.Event()
    environment = {**os.environ, "HUIYIN_ASR_THREADS": str(threads_for(settings))}
    patience = settings.drain_seconds.total_seconds() + SEALING_SECONDS + GRACE_SECONDS
    recorder = _Child("recorder", environment, _Order(told.finish, told.end, patience), told)
    others = _Order(recorded, told.end, GRACE_SECONDS)
    children = [_Child(command, environment, others, told) for command in beside_the_recorder(settings)]
    recording = asyncio.create_task(recorder.keep())
    recording.add_done_callback(lambda _: recorded.set())
    passing_on = asyncio.create_task(_pass_on(told, recorder))
    results = await asyncio.gather(recording, *(child.keep() for child in children))
    passing_on.cancel()
    return max(results, default=0)


async def _pass_on(told: Signals, recorder: "_Child") -> None:
    while True:
        await told.reload.wait()
        told.reload.clear()
        recorder.signal(signal.SIGHUP)


def beside_the_recorder(settings: Settings) -> tuple[str, ...]:
    """The commands that run beside it: an intake only where a folder is watched."""
    return ("worker",) * settings.workers + OTHERS + ((INTAKE,) if settings.watch_dir else ())


def threads_for(settings: Settings) -> int:
    """CPU threads for each worker: never more in all than there are cores."""
    return settings.asr_threads or max(1, (os.cpu_count() or 1) // settings.workers)


class _Child:
    """One command, started again whenever it dies."""

    def __init__(self, command: str, environment: Mapping[str, str], order: _Order, told: Signals) -> None:
        self._command, self._environment, self._order, self._told = command, environment, order, told
        self._process: asyncio.subprocess.Process | None = None

    def signal(self, number: signal.Signals) -> None:
        """Pass a signal on, if the child runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def keep(self) -> int:
        """Keep it running until ordered to end; returns what ``serve`` says of exit statuses."""
        wait, first = FIRST_RESTART_SECONDS, True
        loop = asyncio.get_running_loop()
        while not self._order.finish.is_set():
            began = loop.time()
            status = await self._run()
            if self._order.finish.is_set():
                break
            if first and status in NAMED_FAILURES and loop.time() - began < STEADY_SECONDS:
                log.error("cannot run; see the line above", extra={"facts": {"process": self._command}})
                self._told.finish.set()
                return status
            first = False
            steady = loop.time() - began > STEADY_SECONDS
            wait = FIRST_RESTART_SECONDS if steady else min(wait * 2, LONGEST_RESTART_SECONDS)
            facts = {"process": self._command, "status": status, "restart_in_s": wait}
            log.error("a process ended and is started again", extra={"facts": facts})
            await _sleep_or_stop(wait, self._order.finish)
        return 0

    async def _run(self) -> int:
        """The exit status; when ordered to, end it: politely, once more politely, then by force."""
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", self._command),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            # A Ctrl-C in the terminal is for us: we say who ends when.
            process_group=0,
        )
        ended = asyncio.ensure_future(process.wait())
        order = self._order
        for until, seconds in ((order.finish, None), (order.end, order.patience), (None, GRACE_SECONDS)):
            await _first_of(ended, until, seconds)
            if ended.done():
                return await ended
            process.terminate() if until is not None else process.kill()
        return await ended


async def _first_of(ended: "asyncio.Future[int]", until: asyncio.Event | None, seconds: float | None) -> None:
    """Wait for the end of a child, for an event, or so many seconds."""
    waiting: set[asyncio.Future[Any]] = {ended}
    told = None if until is None else asyncio.ensure_future(until.wait())
    await asyncio.wait(
        waiting | ({told} if told is not None else set()), timeout=seconds, return_when="FIRST_COMPLETED"
    )
    if told is not None:
        told.cancel()


async def _sleep_or_stop(seconds: float, stopping: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
