"""The archive's benchmark, scaled down: every part runs on real databases and a real store, and finds what it made."""

import json
import subprocess
import sys

from tests.acceptance.running import ROOT
from tests.servers import Postgres

KEYS = (
    "sqlite_lookup_p95_ms, postgres_lookup_p95_ms, eligible_scan_s, dispose_per_s, verify_ratio_to_raw_sha256, "
    "verify_peak_mb, ledger_appends_per_s, proof_ms_10m"
)
SMALL = "--recordings 2000 --disposals 10 --verify-mb 8 --objects 400 --leaves 70000 --times 5 --appends 10"


def test_a_small_run_ends_with_its_figures(postgres: Postgres) -> None:
    # The server is the run's own; the fixture says aloud where none can be started.
    command = [sys.executable, "-m", "benchmarks.archive", *SMALL.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert ", ".join(figures) == KEYS
    assert all(value > 0 for value in figures.values())
    # Over two years and eight days the recordings of the last days of the rule's two years are found, on both.
    assert done.stdout.count(" eligible found in ") == 2
    assert " 0 eligible" not in done.stdout
    assert "disposal: 10 recordings" in done.stdout
