"""The users of ``benchmarks.web``, in a process of their own: a plan as JSON on stdin, milliseconds as JSON on stdout.

A user opens a page, reads it, and opens the next one; ``think`` is the mean of the exponential pause, and 0 makes the
users open one page after another without any pause, as wrk does.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import aiohttp

Sample = tuple[str, float]


@dataclass(frozen=True)
class Plan:
    """``paths`` are opened in turn, each user beginning elsewhere; ``sounds`` are heard from the start, once each."""

    base: str
    tokens: Sequence[str]
    paths: Sequence[str]
    sounds: Sequence[str]
    pages: int
    think: float


async def read_pages(plan: Plan, number: int, session: aiohttp.ClientSession) -> list[Sample]:
    """One user's pages: path and milliseconds to the last byte."""
    chosen, taken = random.Random(number), []
    await asyncio.sleep(chosen.random() * plan.think)
    for turn in range(plan.pages):
        path = plan.paths[(number * 7 + turn) % len(plan.paths)]
        began = time.perf_counter()
        async with session.get(plan.base + path, allow_redirects=False) as answer:
            await answer.read()
        taken.append((path, (time.perf_counter() - began) * 1000))
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}")
        if plan.think:
            await asyncio.sleep(chosen.expovariate(1 / plan.think))
    return taken


async def hear(plan: Plan, number: int, session: aiohttp.ClientSession) -> list[Sample]:
    """One user's first listening to each recording: milliseconds to the first byte of sound."""
    chosen, taken = random.Random(number), []
    await asyncio.sleep(chosen.random() * plan.think)
    for path in plan.sounds:
        began = time.perf_counter()
        async with session.get(plan.base + path, headers={"Range": "bytes=0-"}) as answer:
            await answer.content.readany()
            taken.append((path, (time.perf_counter() - began) * 1000))
            await answer.read()
        if answer.status != 206:
            raise SystemExit(f"{path} answered {answer.status}")
        if plan.think:
            await asyncio.sleep(chosen.expovariate(1 / plan.think))
    return taken


async def everybody(plan: Plan) -> dict[str, list[Sample]]:
    """All users at once: first the pages, then the sounds."""
    sessions = [
        aiohttp.ClientSession(cookies={"huiyin_session": token}, connector=aiohttp.TCPConnector(limit=6))
        for token in plan.tokens
    ]
    try:
        began = time.perf_counter()
        pages = await asyncio.gather(*(read_pages(plan, n, session) for n, session in enumerate(sessions)))
        seconds = time.perf_counter() - began
        sounds = await asyncio.gather(*(hear(plan, n, session) for n, session in enumerate(sessions)))
    finally:
        for session in sessions:
            await session.close()
    return {"pages": [*chain(*pages)], "sounds": [*chain(*sounds)], "seconds": [("pages", seconds)]}


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    json.dump(asyncio.run(everybody(Plan(**given))), sys.stdout)


if __name__ == "__main__":
    main()
