"""The capture benchmark, scaled down: real processes, real SIP, and nothing lost."""

import json
import subprocess
import sys

from tests.acceptance.running import ROOT

KEYS = (
    "calls, streams, packets_sent, packets_lost, cpu_us_per_packet, cores_used, peak_mb, setup_p50_ms, setup_p99_ms, "
    "asyncio_cpu_us_per_packet, asyncio_packets_lost, max_calls_zero_loss"
)


def test_a_small_run_loses_nothing_and_ends_with_its_figures() -> None:
    command = [sys.executable, "-m", "benchmarks.capture", "--calls", "5", "--seconds", "1", "--no-search"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert ", ".join(figures) == KEYS
    assert (figures["calls"], figures["streams"], figures["packets_lost"]) == (5, 10, 0)
    # Every stream ran for the second in which all did.
    assert figures["packets_sent"] >= 10 * 49
    assert figures["max_calls_zero_loss"] == 5
