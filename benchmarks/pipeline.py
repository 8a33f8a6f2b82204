"""The running service as its users meet it: from BYE to sealed, from sealed to text, and page times.

``python -m benchmarks.pipeline [--calls N] [--requests N] [--speed X]``: starts the whole service on embedded defaults
in a temporary directory, places the sample calls again and again over SIP and RTP, waits until each has text, then asks
for pages one after another.  The last line is JSON.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
from sqlalchemy import select

from archive.catalogue import TEXT_DONE, Recording
from archive.house import Archive
from core import settings as configuration
from core.ids import new_id
from core.settings import Settings
from service.demo import callers, stage
from service.demo.stage import Login, Staged
from service.wiring import open_archive

WAIT_SECONDS = 900.0


async def place(settings: Settings, calls: int, speed: float, archive: Archive) -> None:
    """The sample calls in turn, four at a time, and then their text."""
    samples = callers.sample_calls()
    gate = asyncio.Semaphore(4)

    async def one(number: int) -> None:
        call = replace(samples[number % len(samples)], sip_call_id=f"{new_id().hex}@bench.invalid")
        async with gate:
            await callers.place(call, number, settings, speed=speed, on_progress=lambda _: None)

    await asyncio.gather(*(one(number) for number in range(calls)))
    deadline = time.monotonic() + WAIT_SECONDS
    while len(await done(archive)) < calls:
        if time.monotonic() > deadline:
            raise SystemExit("not every call had text in time")
        await asyncio.sleep(0.5)


async def done(archive: Archive) -> list[Recording]:
    """Recordings that have text."""
    async with archive.database.read() as session:
        return list(await session.scalars(select(Recording).where(Recording.text_state == TEXT_DONE)))


async def page_times(staged: Staged, login: Login, recording: str, requests: int) -> dict[str, list[float]]:
    """Milliseconds for each page, one request at a time."""
    base = staged.address.rstrip("/")
    paths = {
        "list": "/api/v1/recordings",
        "recording": f"/api/v1/recordings/{recording}",
        "search": "/api/v1/search?q=满意",
        "page": f"/recordings/{recording}",
        "audio": f"/api/v1/recordings/{recording}/audio",
    }
    times: dict[str, list[float]] = {name: [] for name in paths}
    async with aiohttp.ClientSession() as browser:
        async with browser.post(
            f"{base}/api/v1/login", json={"name": login.name, "password": login.password}
        ) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        for _ in range(requests):
            for name, path in paths.items():
                began = time.perf_counter()
                async with browser.get(base + path, headers=headers) as answer:
                    await answer.read()
                    assert answer.status == 200, f"{path}: {answer.status}"
                times[name].append((time.perf_counter() - began) * 1000)
    return times


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


async def run(calls: int, requests: int, speed: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        settings = configuration.load({})
        async with (
            stage.service(settings, Path(directory) / "bench") as staged,
            open_archive(staged.settings) as archive,
        ):
            login = (await stage.make_accounts(archive))["supervisor"]
            await stage.bring_orders(archive, staged)
            await place(staged.settings, calls, speed, archive)
            recordings = await done(archive)
            to_sealed = [(each.sealed_at - each.ended_at).total_seconds() for each in recordings]
            to_text = [
                (each.text_final_at - each.sealed_at).total_seconds() for each in recordings if each.text_final_at
            ]
            times = await page_times(staged, login, str(recordings[0].id), requests)
    print(f"{calls} calls at {speed} times real time")
    print(f"BYE to sealed:  median {statistics.median(to_sealed):.2f} s, p95 {p95(to_sealed):.2f} s")
    print(f"sealed to text: median {statistics.median(to_text):.2f} s, p95 {p95(to_text):.2f} s (queueing included)")
    for name, values in times.items():
        print(f"{name:<10} median {statistics.median(values):6.1f} ms, p95 {p95(values):6.1f} ms")
    figures = {
        "calls": calls,
        "bye_to_sealed_p95_s": round(p95(to_sealed), 3),
        "sealed_to_text_p95_s": round(p95(to_text), 3),
        **{f"{name}_p95_ms": round(p95(values), 1) for name, values in times.items()},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--requests", type=int, default=50)
    parser.add_argument("--speed", type=float, default=4.0)
    options = parser.parse_args()
    asyncio.run(run(options.calls, options.requests, options.speed))
