"""The archive at its real size: lookups, the nightly scan, disposal, verification, ledger and proofs.

``python -m benchmarks.archive [--recordings N] [--disposals N] [--verify-mb N] [--leaves N]``: fills a synthetic
catalogue on SQLite and on PostgreSQL, asks it as the API does, then works on really sealed recordings in a local store.
The last line is JSON; the targets stand beside the figures.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from api.reading import RecordingFilter, list_recordings, orders_of
from benchmarks import archive_rows, archive_work
from benchmarks.archive_rows import Catalogue
from core.clock import utc_now
from core.database import Database
from core.ledger import Entry, append
from core.merkle import root_from_inclusion
from core.proofs import inclusion
from core.settings import Settings, load
from retention.batches import list_eligible
from service.migrate import migrate
from tests.servers import start_postgres

WARM_UP = 20


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    return sorted(values)[max(0, round(share * len(values) + 0.5) - 1)]


async def lookups(database: Database, catalogue: Catalogue, settings: Settings, times: int) -> dict[str, float]:
    """p95 in milliseconds of the first page by order, by person (citizen, agent) and by day, with its orders."""
    chosen = random.Random(2)
    kinds: dict[str, Callable[[], RecordingFilter]] = {
        "order": lambda: RecordingFilter(order=catalogue.order(chosen.randrange(catalogue.orders))),
        "citizen": lambda: RecordingFilter(person=catalogue.person(chosen.randrange(catalogue.persons))),
        "agent": lambda: RecordingFilter(person=str(8000 + chosen.randrange(archive_rows.AGENTS))),
        "day": lambda: _a_day(catalogue.began(chosen.randrange(catalogue.size)), settings),
    }
    found: dict[str, float] = {}
    for kind, wanted in kinds.items():
        took: list[float] = []
        for _ in range(WARM_UP + times):
            began = time.perf_counter()
            async with database.read() as session:
                rows, _ = await list_recordings(session, wanted(), settings.timezone)
                await orders_of(session, rows)
            took.append(1000 * (time.perf_counter() - began))
        found[kind] = round(percentile(took[WARM_UP:], 0.95), 2)
    return found


def _a_day(moment: datetime, settings: Settings) -> RecordingFilter:
    day = moment.astimezone(settings.timezone).date()
    return RecordingFilter(since=day, until=day)


async def scan(database: Database, settings: Settings, now: datetime) -> tuple[float, int]:
    """Seconds that the nightly list of what has reached its date takes, and how many it finds."""
    began = time.perf_counter()
    async with database.read() as session:
        found = await list_eligible(session, settings, now)
    return time.perf_counter() - began, len(found)


async def on_database(name: str, settings: Settings, catalogue: Catalogue, times: int) -> dict[str, float]:
    """Fill and ask one database."""
    await migrate(settings)
    began = time.perf_counter()
    await archive_rows.load(settings.database, catalogue)
    filled = time.perf_counter() - began
    database = Database(settings.database)
    found = await lookups(database, catalogue, settings, times)
    seconds, eligible = await scan(database, settings, catalogue.now)
    await database.close()
    said = ", ".join(f"by {kind} {value} ms" for kind, value in found.items())
    print(f"{name}: {catalogue.size:,} recordings filled in {filled:.0f} s; p95 {said} (target 20 ms)", flush=True)
    print(f"{name}: {eligible:,} eligible found in {seconds:.2f} s (target 2 s)", flush=True)
    return {f"{name}_lookup_p95_ms": max(found.values()), "eligible_scan_s": round(seconds, 3)}


async def ledger_rate(settings: Settings, rows: int) -> float:
    """Appends a second on SQLite, each in a transaction of its own that is synced to the disk."""
    database = Database(settings.database)
    entry = Entry("read", "benchmark", "subject", {"object": {"sha256": "0" * 64}})
    began = time.perf_counter()
    for _ in range(rows):
        async with database.write() as session:
            await append(session, entry, utc_now())
    took = time.perf_counter() - began
    began = time.perf_counter()
    async with database.write() as session:
        for _ in range(rows):
            await append(session, entry, utc_now())
    together = time.perf_counter() - began
    await database.close()
    print(f"ledger: {rows / took:.0f} appends/s each synced, {rows / together:.0f}/s in one transaction", flush=True)
    return round(rows / took, 1)


async def proof_time(leaves: int, times: int) -> float:
    """p95 in milliseconds of inclusion proofs in a tree of computed leaves; each proof is checked."""
    hashes, chosen = archive_work.ComputedHashes(leaves), random.Random(3)
    root, took = await hashes.root(), list[float]()
    for _ in range(times):
        index = chosen.randrange(leaves)
        began = time.perf_counter()
        path = await inclusion(hashes, index, leaves)
        took.append(1000 * (time.perf_counter() - began))
        (leaf,) = await hashes.read(0, index, 1)
        assert root_from_inclusion(leaf, index, leaves, path) == root
    found = round(percentile(took, 0.95), 3)
    print(f"proofs: p95 {found} ms at {leaves:,} leaves", flush=True)
    return found


async def measure(options: argparse.Namespace, directory: Path, postgres: str) -> dict[str, float]:
    """All figures, in the order of the last line."""
    catalogue = Catalogue(options.recordings, utc_now())
    embedded = load({"HUIYIN_DATA_DIR": str(directory / "embedded")})
    embedded.data_dir.mkdir()
    small = await on_database("sqlite", embedded, catalogue, options.times)
    large = await on_database("postgres", replace(embedded, database_url=postgres), catalogue, options.times)
    disposed = await archive_work.disposal(directory / "disposal", options.disposals)
    verified = await archive_work.verification(directory / "verification", options.verify_mb)
    return {
        "sqlite_lookup_p95_ms": small["sqlite_lookup_p95_ms"],
        "postgres_lookup_p95_ms": large["postgres_lookup_p95_ms"],
        "eligible_scan_s": max(small["eligible_scan_s"], large["eligible_scan_s"]),
        "dispose_per_s": disposed,
        **verified,
        "ledger_appends_per_s": await ledger_rate(embedded, options.appends),
        "proof_ms_10m": await proof_time(options.leaves, options.times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--disposals", type=int, default=10_000)
    parser.add_argument("--verify-mb", type=int, default=1024, help="audio to verify")
    parser.add_argument("--leaves", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=300, help="lookups of each kind, and proofs")
    parser.add_argument("--appends", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="huiyin-bench-") as directory, start_postgres() as server:
        found = asyncio.run(measure(options, Path(directory), server.url("postgres")))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
