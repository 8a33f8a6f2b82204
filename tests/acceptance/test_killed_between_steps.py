"""kill -9 after every single step of a disposal, of a hold and of a release: the next run (or worker) finishes."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXPECTED: dict[str, dict[str, Any]] = {
    "dispose": {
        "lives": ["disposed", "disposed"],
        "disposals": ["done", "done"],
        "objects": ["certificate", "certificate"],
        "turns": 0,
        "versions": 0,
        "certificates": 2,
        "trash": 0,
        "ledger": ["disposed", "disposed"],
    },
    "hold": {
        "lives": ["kept", "kept"],
        "held": [True, True],
        "versions": 6,
        "held_versions": 6,
        "ledger": ["held"] * 2,
        "jobs": ["done"],
    },
    "release": {
        "lives": ["kept", "kept"],
        "held": [False, False],
        "versions": 6,
        "held_versions": 0,
        "ledger": [*["held"] * 2, "hold released", *["released"] * 2],
        "jobs": ["done"] * 2,
    },
}
# What must be among the steps, so that a change of the code cannot make the test say nothing.
STEPS = {
    "dispose": ("delete audio.flac", "delete transcript.v1.json", "put ", "before commit", "after commit"),
    "hold": ("hold True ", "before commit", "after commit"),
    "release": ("hold False ", "put released.json", "before commit", "after commit"),
    "rebuild": ("hold True ", "before commit", "after commit"),
}


@pytest.fixture
def directory() -> Iterator[Path]:
    """In memory where the machine has some: no disk is killed here, and hundreds of runs wait for none."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def killed_at_each_step(work: str, directory: Path) -> list[dict[str, Any]]:
    """What was left each time after another run finished; the last time nobody was killed."""
    command = [sys.executable, "-m", "tests.acceptance.dying", work, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    died = [each["died"] for each in found]
    # Deletions run side by side: which of them is the n-th differs from run to run, their number does not.
    for kind in {"delete" if step.startswith("delete") else step for step in STEPS[work]}:
        assert sum(step.startswith(kind) for step in STEPS[work]) <= sum(step.startswith(kind) for step in died), kind
    assert found[-1]["died"] == ""
    return found


@pytest.mark.parametrize("work", sorted(EXPECTED))
def test_killed_after_each_step(work: str, directory: Path) -> None:
    for each in killed_at_each_step(work, directory):
        assert {name: each[name] for name in EXPECTED[work]} == EXPECTED[work], each


@pytest.mark.timeout(600)
def test_a_rebuild_killed_after_each_step_comes_to_the_same(directory: Path) -> None:
    *killed, whole = killed_at_each_step("rebuild", directory)
    assert len(killed) > 20
    assert len(whole["hold_members"]) == 4
    assert len(whole["disposals"]) == 2
    for each in killed:
        different = {name for name in whole if each[name] != whole[name]} - {"step", "died"}
        assert different == set(), each["died"]
