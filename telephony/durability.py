"""Durability: what the page cache took reaches the disk in a thread, so that no call ever waits for another's sync.

The event loop only writes and renames, which survives the end of this process.  A power cut survives what was synced:
every few seconds, and whenever calls have ended, one ``syncfs`` covers the spools, facts, signalling and directory
entries of all calls.  A call's facts say ``closed``, by an atomic rename, only after its spools are on the disk; a
crash before that leaves ``recording`` behind, which the next start finishes.
"""

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.disk import sync_file_system
from telephony.call import CallFacts

log = logging.getLogger(__name__)

FACTS_NOT_SAVED, SPOOL_NOT_SYNCED = "facts not saved", "spool not synced"
# What a power cut may cost, in seconds; a slow disk stretches it.
SYNC_EVERY = 5.0
# Seconds between syncs at least.
GATHER = 0.2
# A full disk is asked again after so many seconds.
RETRY_AFTER = 1.0


@dataclass(eq=False)
class _Ended:
    """A call on its way to the disk; ``error`` is why its facts could not be written at the last try."""

    facts: CallFacts
    directory: Path
    error: str = ""


class Durability:
    """Syncs a spool directory while started, and closes the calls that ended, in their order."""

    def __init__(
        self,
        spool: Path,
        closed: Callable[[CallFacts, Path], None],
        *,
        written: Callable[[Path], bool] = lambda _: True,
        sync: Callable[[int], None] = sync_file_system,
    ) -> None:
        """``closed`` is called on the event loop with facts that are on the disk.  ``written``, asked in the thread,
        says whether everything received for an ended call has been handed over, and tries again if not."""
        self._spool, self._closed, self._written, self._sync = spool, closed, written, sync
        self._ended: list[_Ended] = []
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-sync")
        self._task: asyncio.Task[None] | None = None

    @property
    def unsaved(self) -> int:
        """How many ended calls the disk refuses to take note of."""
        return sum(bool(call.error) for call in self._ended)

    def start(self) -> None:
        """Begin on the running event loop; the spool directory must exist."""
        directory = os.open(self._spool, os.O_RDONLY)
        self._task = asyncio.get_running_loop().create_task(self._run(directory), name="durability")

    def close(self, facts: CallFacts, directory: Path) -> None:
        """Take the final facts of a call whose spools were handed to the operating system."""
        self._ended.append(_Ended(facts, directory))
        self._wake.set()

    async def stop(self) -> None:
        """Sync a last time.  A call that the disk still refuses stays ``recording``, for the next start to finish."""
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _run(self, directory: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            last = False
            while not last:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_AFTER if self.unsaved else SYNC_EVERY):
                        await self._wake.wait()
                self._wake.clear()
                last = self._stopping.is_set()
                group, self._ended = self._ended, []
                await loop.run_in_executor(self._thread, self._settle, directory, group)
                self._tell(group, last=last)
                if not last:
                    # Calls that end meanwhile share the next sync: each one holds up whoever makes a file.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(GATHER):
                            await self._stopping.wait()
        finally:
            os.close(directory)

    def _tell(self, group: list[_Ended], *, last: bool) -> None:
        again = [call for call in group if call.error and not last]
        for call in group:
            if call not in again:
                self._closed(call.facts, call.directory)
        self._ended = [*again, *self._ended]

    def _settle(self, directory: int, group: list[_Ended]) -> None:
        """Write the facts of ended calls beside the old ones, sync everything, and only then put them in place."""
        for call in group:
            _attempt(call, self._write_rest)
            if not call.error:
                _attempt(call, call.facts.write_new)
        try:
            self._sync(directory)
            failed = {}
        except OSError as error:
            # The file system does not say which file was hit: ask each of those that are about to be closed.
            log.error("the spool was not synced", extra={"facts": {"why": error.strerror}})
            failed = {call.directory: error.strerror for call in group if not _synced(call.directory)}
        for call in group:
            if call.directory in failed:
                call.facts = call.facts.flagged(SPOOL_NOT_SYNCED)
                _attempt(call, call.facts.write_new)
            if not call.error:
                _attempt(call, CallFacts.put_new_in_place)

    def _write_rest(self, directory: Path) -> None:
        if not self._written(directory):
            raise OSError(errno.ENOSPC, "a spool refuses writes")


def _attempt(call: _Ended, step: Callable[[Path], None]) -> None:
    try:
        step(call.directory)
    except OSError as error:
        if not call.error:
            facts = {"recording": call.facts.recording_id, "why": error.strerror or type(error).__name__}
            log.error("final facts not saved", extra={"facts": facts})
        call.facts = call.facts.flagged(FACTS_NOT_SAVED)
        call.error = error.strerror or type(error).__name__
    else:
        call.error = ""


def _synced(directory: Path) -> bool:
    """Whether every file of a call, and its directory, could be synced by itself."""
    try:
        for path in (*directory.rglob("*"), directory):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError:
        return False
    return True
