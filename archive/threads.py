"""Blocking work of a store in a bounded pool of its own, so that it never starves the rest of the process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from core.errors import Damaged, HuiyinError, NotFound, Refused

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


async def all_of(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Every result, in order; once all have ended, the first error is raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]


async def refusal_of(work: Coroutine[Any, Any, object]) -> HuiyinError | None:
    """Why one thing could not be done, or ``None``; a store that is away (``Unavailable``) is raised all the same."""
    try:
        await work
    except (Refused, NotFound, Damaged) as error:
        return error
    return None
