"""Blocking work of a store in a bounded pool of its own, so that it never starves the rest of the process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most ``size`` calls at a time; further ones wait in line."""

    def __init__(self, name: str, size: int) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``, done in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def batches(self, source: Iterator[T], size: int) -> AsyncIterator[list[T]]:
        """Lists of up to ``size`` from an iterator that blocks; it is closed however the loop ends."""
        try:
            while batch := await self.run(lambda: list(islice(source, size))):
                yield batch
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                with suppress(RuntimeError):  # the pool is shut down already
                    await self.run(close)

    def close(self) -> None:
        """Let running work end and give the threads back."""
        self._pool.shutdown(wait=True)
