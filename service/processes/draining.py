"""How the recorder ends: it takes no more calls, those in progress finish, and a second signal cuts that short."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from service.processes import Signals
from service.spool import Backlog
from telephony.recorder import Recorder

log = logging.getLogger(__name__)

# What the last calls get to be sealed, once they have ended; the rest is sealed after the next start.
SEALING_SECONDS = 30.0
_LOOK_SECONDS = 0.3
# How soon a changed certificate or file of accounts is noticed.
RELOAD_SECONDS = 5.0


async def drain(recorder: Recorder, seconds: float, signals: Signals) -> bool:
    """Wait for the calls in progress, at most so long or until the second signal.  Whether all ended by themselves."""
    ended = asyncio.create_task(recorder.drain(), name="drain")
    # The task's first step refuses new calls.
    await asyncio.sleep(0)
    if calls := len(recorder.calls):
        log.warning(
            "no new calls; those in progress end by themselves, a second signal ends them",
            extra={"facts": {"calls": calls, "at_most_s": round(seconds)}},
        )
        _tell_terminal(
            f"正在等待 {calls} 通电话结束，再按一次 Ctrl-C 立即结束\n"
            f"waiting for {calls} calls to end; Ctrl-C again ends them now"
        )
    told = asyncio.create_task(signals.end.wait())
    await asyncio.wait({ended, told}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not ended.done():
        ended.cancel()
        why = "second signal" if signals.end.is_set() else "time is up"
        facts: dict[str, object] = {"calls": len(recorder.calls), "why": why}
        log.warning("ending the calls in progress", extra={"facts": facts})
        return False
    return True


def _tell_terminal(text: str) -> None:
    # A terminal may be gone: that it went may be why we stop.
    with suppress(OSError):
        if sys.stderr.isatty():
            print(text, file=sys.stderr, flush=True)


async def sealed(spool: Path, signals: Signals) -> bool:
    """Wait for the sealer to take the calls that wait, not for ever; whether it did."""
    backlog = Backlog(spool)
    loop = asyncio.get_running_loop()
    until = loop.time() + SEALING_SECONDS
    while loop.time() < until and not signals.end.is_set():
        await asyncio.to_thread(backlog.look)
        if not backlog.closed:
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    log.info("calls are left to seal after the next start", extra={"facts": {"calls": backlog.closed}})
    return False


@asynccontextmanager
async def reloading(reload: Callable[[], None], signals: Signals) -> AsyncIterator[None]:
    """Call ``reload`` every few seconds and at every SIGHUP while the block runs."""

    async def keep() -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RELOAD_SECONDS):
                    await signals.reload.wait()
            signals.reload.clear()
            reload()

    task = asyncio.create_task(keep(), name="reload")
    try:
        yield
    finally:
        task.cancel()
