"""The benchmark of search runs, small, and its last line holds the figures."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(600)


@pytest.mark.usefixtures("postgres")
def test_the_benchmark_finds_what_was_said_and_ends_with_its_figures() -> None:
    command = [sys.executable, "-m", "benchmarks.search", "--calls", "300", "--sqlite-calls", "200", "--times", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    figures = json.loads(lines[-1])
    assert (figures["calls"], figures["turns"], figures["sqlite_calls"]) == (300, 6000, 200)
    assert figures["postgres_p95_ms"] > 0
    assert figures["sqlite_p95_ms"] > 0
    frequent = [line for line in lines if line.strip().startswith("frequent words")]
    assert len(frequent) == 2
    assert not [line for line in frequent if "found 0 " in line]
