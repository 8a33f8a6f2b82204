"""How fast a spool drains: closed calls sealed per second, by the real sealer process.

``python -m benchmarks.seal [--calls N] [--seconds S] [--assemblers N]``: fills a spool with closed G.711 calls, starts
``huiyin sealer`` on it and waits until it is empty, once on SQLite with the local store and once on PostgreSQL with an
S3-compatible store.  Then it measures what a look at a long backlog costs.  The last line is JSON.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from core.ids import new_id
from core.settings import Settings, load
from service.readiness import make_ready
from service.spool import Backlog, call_directories
from telephony.call import CallFacts
from tests.servers import start_postgres, start_seaweed
from tests.spools import STARTED, call, packets, tone, write_spool

ROOT = Path(__file__).parent.parent
LONG_BACKLOG = 10_000
SIDES = ("agent", "citizen")


def fill(spool: Path, calls: int, seconds: float) -> None:
    """Closed calls of two parties who both speak."""
    arrivals = list(packets(tone(round(seconds * 1000))))
    for _ in range(calls):
        facts = replace(call(*SIDES, seconds=seconds), recording_id=new_id())
        directory = spool / str(facts.recording_id)
        directory.mkdir(parents=True)
        for stream in facts.streams:
            write_spool(directory / stream.file, arrivals, started_at=STARTED)
        facts.save(directory)


@contextmanager
def sealer(settings: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The real process, as the recorder starts it; it also ends with this one."""
    child = subprocess.Popen(
        [sys.executable, "-m", "service", "sealer"],
        env={"PATH": os.environ["PATH"], **settings},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()


def drain(variables: dict[str, str], calls: int, seconds: float) -> dict[str, float]:
    """Calls per second from the first sealed to the last, and the cores that all of the sealer used."""
    settings: Settings = load(variables)
    asyncio.run(make_ready(settings))
    fill(settings.spool_dir, calls, seconds)
    with sealer(variables) as child:
        while len(call_directories(settings.spool_dir)) == calls:
            time.sleep(0.01)
        began, left, used = time.monotonic(), len(call_directories(settings.spool_dir)), cpu_seconds(child.pid)
        while waiting := len(call_directories(settings.spool_dir)):
            time.sleep(0.05 if waiting < 50 else 0.2)
        took = time.monotonic() - began
        cores = (cpu_seconds(child.pid) - used) / took
    return {"calls_per_second": round(left / took, 1), "cores_used": round(cores, 2)}


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children that live."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(entry.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def looking(directory: Path) -> dict[str, float]:
    """Milliseconds of a look at a long backlog: the first, one in which a call is gone, and one without a change."""
    facts = call(*SIDES)
    for _ in range(LONG_BACKLOG):
        identifier = new_id()
        (directory / str(identifier)).mkdir()
        replace(facts, recording_id=identifier).write_new(directory / str(identifier))
        CallFacts.put_new_in_place(directory / str(identifier))
    backlog, found = Backlog(directory), {}
    for name in ("first", "changed", "unchanged"):
        if name == "changed":
            (directory / "another").mkdir()
        if name == "unchanged":
            # What changed within the kernel's tick is listed once more.
            time.sleep(1.1)
            backlog.look()
        began = time.perf_counter()
        backlog.look()
        found[f"look_{name}_ms"] = round((time.perf_counter() - began) * 1000, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each call")
    parser.add_argument("--assemblers", type=int, default=0)
    options = parser.parse_args()
    result: dict[str, float] = {"calls": options.calls, "call_seconds": options.seconds}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(start_postgres()).url("postgres")
        store = stack.enter_context(start_seaweed()).url("bench")
        both = {
            "sqlite_local": {"HUIYIN_DATA_DIR": str(directory / "small")},
            "postgres_s3": {
                "HUIYIN_DATA_DIR": str(directory / "large"),
                "HUIYIN_DATABASE_URL": database,
                "HUIYIN_STORE_URL": store,
            },
        }
        for name, variables in both.items():
            found = drain({**variables, "HUIYIN_ASSEMBLERS": str(options.assemblers)}, options.calls, options.seconds)
            print(f"{name:14} {found['calls_per_second']:8.1f} calls/s sealed, {found['cores_used']:.2f} cores")
            result |= {f"{name}_{key}": value for key, value in found.items()}
        (directory / "long").mkdir()
        result |= looking(directory / "long")
        print(f"{LONG_BACKLOG} waiting calls: " + ", ".join(f"{k} {v}" for k, v in result.items() if "look" in k))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
