"""Calls over real SIP into the real recorder: packets lost, CPU for each packet, memory, set-up times.

``python -m benchmarks.capture [--calls N] [--seconds S] [--no-search]``: a process of its own places N SIPREC calls,
100 a second, and streams G.711 at 20 ms in both directions of each.  The recorder is ``python -m service recorder``
with SQLite, its spool on the disk beside the working tree.  In the same run the same recorder takes RTP by one asyncio
callback a packet.  Lost is what was sent to a port and is not in its spool file, which is read back.  Then the highest
number of calls without loss is looked for.  The last line is JSON.
"""

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks import capture_gateway
from benchmarks.capture_gateway import PACKET_SECONDS, Sent
from core.settings import Address, PortRange
from telephony.rtp.spool import SpoolReader
from tests.ports import free_port

HOST = "127.0.0.1"
CALLS_A_SECOND = 100.0
# The recorder reads and writes several times in this; one that is behind may have more of them.
SETTLE_SECONDS, MOST_SETTLES = 1.0, 30
# A gateway that falls behind its own clock by more is the limit itself.
MOST_BEHIND = 0.5
SEARCH_SECONDS, SEARCH_STEP, MOST_CALLS = 10.0, 1.25, 3000
OURS, PLAIN = "recorder", "asyncio callbacks"


@dataclass(frozen=True)
class Figures:
    """One run.  CPU is user and system time of the recording process while all calls streamed."""

    receiver: str
    calls: int
    refused: int
    sent: int
    lost: int
    cpu_us: float
    cores: float
    peak_mb: float
    setup_p50_ms: float
    setup_p99_ms: float
    behind: float

    @property
    def clean(self) -> bool:
        """Nothing lost and nobody refused."""
        return not self.lost and not self.refused


def measure(receiver: str, calls: int, seconds: float, rate: float) -> Figures:
    """One receiver process and one gateway process."""
    # Beside the working tree, so that the spool is on a disk and not in memory.
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        directory, address = Path(name), Address(HOST, free_port())
        with _receiving(receiver, directory, address, calls) as process:
            processes = multiprocessing.get_context("spawn")
            reports, pipe = processes.Pipe(duplex=False)
            gateway = processes.Process(target=capture_gateway.run, args=(address, calls, rate, seconds, pipe))
            gateway.start()
            # The gateway's end is the only one that is written to: without it, a dead gateway ends the reading.
            pipe.close()
            try:
                reports.recv()
                before = _cpu_seconds(process.pid)
                sent = cast(Sent, reports.recv())
            except EOFError:
                raise SystemExit("the gateway ended before its time; see above") from None
            cpu = _cpu_seconds(process.pid) - before
            gateway.join()
            _settle(directory / "spool")
            peak = _peak_mb(process.pid)
            lost = _lost(sent.packets, directory / "spool")
    setups = sorted(sent.setups)
    return Figures(
        receiver,
        calls,
        sent.refused,
        sum(sent.packets.values()),
        lost,
        round(cpu / max(1, sent.steady_packets) * 1e6, 2),
        round(cpu / sent.steady_seconds, 3),
        round(peak, 1),
        round(statistics.median(setups) * 1e3, 1) if setups else 0.0,
        round(setups[min(len(setups) - 1, int(len(setups) * 0.99))] * 1e3, 1) if setups else 0.0,
        round(sent.behind, 3),
    )


@contextmanager
def _receiving(receiver: str, directory: Path, address: Address, calls: int) -> Iterator["subprocess.Popen[bytes]"]:
    # Two streams with two ports each, and some that others have.
    ports = PortRange(20000, min(65535, 20400 + 4 * calls))
    environment = {
        "PATH": os.environ["PATH"],
        "HUIYIN_DATA_DIR": str(directory),
        "HUIYIN_SIP_BIND": str(address),
        "HUIYIN_RTP_PORTS": str(ports),
    }
    if receiver == OURS:
        subprocess.run([sys.executable, "-m", "service", "migrate"], env=environment, check=True, capture_output=True)
        command = [sys.executable, "-m", "service", "recorder"]
    else:
        command = [sys.executable, "-m", "benchmarks.capture_plain", str(directory), str(address), str(ports)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        # As a crash would: the calls are still on, and what is in the spool is what would be kept.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for line in (directory / "log").read_text(errors="replace").splitlines():
            if '"level": "info"' not in line:
                print(f"  {line[:300]}")


def _settle(spool: Path) -> None:
    """Wait until the spool grows no more: what is late is not lost."""
    before = -1
    for waited in range(MOST_SETTLES):
        size = sum(file.stat().st_size for file in spool.glob("*/*.rtpdump"))
        if size == before:
            if waited > 2:
                print(f"  the recorder was still reading {waited - 2} s after the last packet")
            return
        before = size
        time.sleep(SETTLE_SECONDS)


def _lost(sent: Mapping[int, int], spool: Path) -> int:
    received: dict[int, int] = {}
    for file in spool.glob("*/*.rtpdump"):
        try:
            reader = SpoolReader(file)
        except ValueError:
            # Nothing was written yet, not even the head.
            continue
        received[reader.header.port] = sum(block.settled - sum(block.rtcp) for block in reader.blocks())
    return sum(max(0, count - received.get(port, 0)) for port, count in sent.items())


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def search(first: int, clean: bool) -> int:
    """The highest number of calls without loss: up in steps, then once more between the last two."""
    good, bad, calls = (first, 0, first) if clean else (0, first, first)
    while True:
        if not bad:
            calls = round(good * SEARCH_STEP)
            if calls > MOST_CALLS:
                print(f"  stopped at {good} calls: the search goes no further")
                return good
        elif bad - good > max(1, good // 10):
            calls = (good + bad) // 2
        else:
            return good
        row = measure(OURS, calls, SEARCH_SECONDS, max(CALLS_A_SECOND, calls / 10))
        print(
            f"  {calls} calls: lost {row.lost}, refused {row.refused}, {row.cores:.2f} cores, behind {row.behind:.2f} s"
        )
        if row.behind > MOST_BEHIND:
            print("  the gateway cannot keep its own pace: it is the limit on this machine")
            bad = calls
        elif row.clean:
            good = calls
        else:
            bad = calls


def main() -> None:
    """Measure both receivers, print the table, look for the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long all calls stream")
    parser.add_argument("--no-search", action="store_true", help="do not look for the highest number of calls")
    options = parser.parse_args()
    wanted = round(2 * options.calls / PACKET_SECONDS)
    print(f"{options.calls} calls, {2 * options.calls} streams, {wanted} packets/s for {options.seconds:g} s")
    print(
        f"{'receiver':18} {'sent':>9} {'lost':>9} {'refused':>8} {'CPU s/M':>8} {'cores':>6} {'MB':>7} {'p50 ms':>8}"
        f" {'p99 ms':>8}"
    )
    rows = {}
    for receiver in (OURS, PLAIN):
        row = rows[receiver] = measure(receiver, options.calls, options.seconds, CALLS_A_SECOND)
        print(
            f"{receiver:18} {row.sent:9} {row.lost:9} {row.refused:8} {row.cpu_us:8.2f} {row.cores:6.3f}"
            f" {row.peak_mb:7.1f} {row.setup_p50_ms:8.1f} {row.setup_p99_ms:8.1f}"
        )
        if row.behind > MOST_BEHIND:
            print(f"  the gateway fell {row.behind:.1f} s behind its own clock: these figures are for less than asked")
    ours, plain = rows[OURS], rows[PLAIN]
    best = (ours.calls if ours.clean else 0) if options.no_search else search(ours.calls, ours.clean)
    print(f"highest number of calls without loss: {best}{' (not searched)' if options.no_search else ''}")
    print(
        json.dumps(
            {
                "calls": ours.calls,
                "streams": 2 * ours.calls,
                "packets_sent": ours.sent,
                "packets_lost": ours.lost,
                "cpu_us_per_packet": ours.cpu_us,
                "cores_used": ours.cores,
                "peak_mb": ours.peak_mb,
                "setup_p50_ms": ours.setup_p50_ms,
                "setup_p99_ms": ours.setup_p99_ms,
                "asyncio_cpu_us_per_packet": plain.cpu_us,
                "asyncio_packets_lost": plain.lost,
                "max_calls_zero_loss": best,
            }
        )
    )


if __name__ == "__main__":
    main()
