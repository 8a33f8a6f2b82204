"""The archive at its real size: lookups, the nightly scans, disposal, verification, ledger and proofs.

``python -m benchmarks.archive [--recordings N] [--disposals N] [--verify-mb N] [--objects N] [--leaves N]``: fills
a synthetic catalogue on SQLite and on PostgreSQL, asks it as the API and the night do, then works on really sealed
recordings in a local store.  The last line is JSON; the targets stand beside the figures.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import archive_queries, archive_rows, archive_work
from benchmarks.archive_flat import many_objects
from benchmarks.archive_ledger import ledger_rate, proof_time
from benchmarks.archive_rows import Catalogue
from core.clock import utc_now
from core.database import Database
from core.settings import Settings, load
from service.migrate import migrate
from tests.servers import start_postgres

TELL_EVERY_SECONDS = 10.0


class Progress:
    """A line every ten seconds at most, with the minutes since the run began."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0.0

    def tell(self, what: str) -> None:
        self._told = time.monotonic()
        print(f"[{(self._told - self._began) / 60:4.1f} min] {what}", flush=True)

    def count(self, what: str, done: int, total: int) -> None:
        if time.monotonic() - self._told >= TELL_EVERY_SECONDS:
            self.tell(f"{what}: {done:,} of {total:,}")


async def fill(all_settings: dict[str, Settings], catalogue: Catalogue, progress: Progress) -> None:
    """The same catalogue on every database."""
    for settings in all_settings.values():
        await migrate(settings)
    urls = [settings.database for settings in all_settings.values()]
    await archive_rows.load_all(urls, catalogue, lambda done: progress.count("filled", done, catalogue.size))
    progress.tell(f"{catalogue.size:,} recordings on {' and '.join(all_settings)}")


async def on_database(name: str, settings: Settings, catalogue: Catalogue, times: int) -> dict[str, float]:
    """Ask one database."""
    database = Database(settings.database)
    found = await archive_queries.lookups(database, catalogue, settings, times)
    seconds, eligible = await archive_queries.scan(database, settings, catalogue.now)
    held = await archive_queries.holds(database, catalogue, settings)
    await database.close()
    said = ", ".join(f"by {kind} {value} ms" for kind, value in found.items())
    print(f"{name}: first page p95 {said} (target 20 ms)", flush=True)
    print(f"{name}: {eligible:,} eligible found in {seconds:.2f} s (target 2 s)", flush=True)
    said = ", ".join(f"by {kind} {took:.1f} ms ({count:,} found)" for kind, (took, count) in held.items())
    print(f"{name}: the nightly look for what joined a case {said}", flush=True)
    return {f"{name}_lookup_p95_ms": max(found.values()), "eligible_scan_s": round(seconds, 3)}


async def measure(options: argparse.Namespace, directory: Path, postgres: str) -> dict[str, float]:
    """All figures, in the order of the last line."""
    catalogue, progress = Catalogue(options.recordings, utc_now()), Progress()
    embedded = load({"HUIYIN_DATA_DIR": str(directory / "embedded")})
    embedded.data_dir.mkdir()
    houses = {"sqlite": embedded, "postgres": replace(embedded, database_url=postgres)}
    await fill(houses, catalogue, progress)
    asked = {name: await on_database(name, house, catalogue, options.times) for name, house in houses.items()}
    appended = await ledger_rate(embedded, options.appends)
    progress.tell("asked; now disposal")
    disposed = await archive_work.disposal(directory / "disposal", options.disposals, progress.count)
    progress.tell("disposed; now verification")
    verified = await archive_work.verification(directory / "verification", options.verify_mb, progress.count)
    progress.tell("verified; now many small objects")
    peak = await many_objects(directory / "many", options.objects)
    verified["verify_peak_mb"] = round(max(verified["verify_peak_mb"], peak), 1)
    progress.tell("verified; now proofs")
    proved = await proof_time(options.leaves, options.times)
    progress.tell("done")
    return {
        "sqlite_lookup_p95_ms": asked["sqlite"]["sqlite_lookup_p95_ms"],
        "postgres_lookup_p95_ms": asked["postgres"]["postgres_lookup_p95_ms"],
        "eligible_scan_s": max(each["eligible_scan_s"] for each in asked.values()),
        "dispose_per_s": disposed,
        **verified,
        "ledger_appends_per_s": appended,
        "proof_ms_10m": proved,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--disposals", type=int, default=10_000)
    parser.add_argument("--verify-mb", type=int, default=1024, help="audio to verify")
    parser.add_argument("--objects", type=int, default=1_000_000, help="small objects to verify, for the memory")
    parser.add_argument("--leaves", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=300, help="lookups of each kind, and proofs")
    parser.add_argument("--appends", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="huiyin-bench-") as directory, start_postgres() as server:
        found = asyncio.run(measure(options, Path(directory), server.url("postgres")))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
