"""Processes that make sound files of closed calls, so that decoding uses every core and a crash of a decoder hits the
one call that caused it."""

import asyncio
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path

from core.errors import Damaged
from telephony.call import CallFacts
from telephony.rtp.assemble import Assembly, assemble


class Assemblers:
    """A number of lanes, each a process of its own that assembles one call at a time."""

    def __init__(self, lanes: int) -> None:
        self._free: asyncio.Queue[ProcessPoolExecutor] = asyncio.Queue()
        for _ in range(lanes):
            self._free.put_nowait(_lane())

    async def assemble(self, directory: Path, facts: CallFacts, target: Path) -> Assembly:
        """As ``rtp.assemble.assemble``, in the next free lane.  ``Damaged`` when the process died over this call."""
        lane = await self._free.get()
        try:
            return await asyncio.get_running_loop().run_in_executor(lane, assemble, directory, facts, target)
        except BrokenProcessPool as error:
            lane = _lane()
            raise Damaged("the assembling process died over this call", recording=facts.recording_id) from error
        finally:
            self._free.put_nowait(lane)

    def close(self) -> None:
        """End the processes, also those at work: what they would have written is written again another time."""
        for child in active_children():
            child.terminate()
        while not self._free.empty():
            self._free.get_nowait().shutdown(wait=False, cancel_futures=True)


def lanes_for(wanted: int) -> int:
    """How many lanes the settings mean."""
    return wanted or max(1, os.cpu_count() or 1)


def _lane() -> ProcessPoolExecutor:
    # Spawned, not forked: this process has threads.  The process itself starts with the first call.
    return ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """However the sealer dies, its lanes must not live on: two would write one file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
