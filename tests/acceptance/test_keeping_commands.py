"""hold, disposal and policy at the command line: real processes, accounts with passwords."""

import subprocess
import sys
from pathlib import Path

import pytest

PASSWORD = "correct horse battery"


class House:
    """A data directory, and the program on it."""

    def __init__(self, directory: Path) -> None:
        self._environment = {"HUIYIN_DATA_DIR": str(directory), "PATH": "/usr/bin:/bin"}

    def __call__(self, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service", *arguments]
        here = Path(__file__).parents[2]
        return subprocess.run(
            command, input=f"{password}\n", capture_output=True, text=True, env=self._environment, check=False, cwd=here
        )


@pytest.fixture(scope="module")
def huiyin(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One for all: what one test keeps is nothing to the others."""
    house = House(tmp_path_factory.mktemp("house") / "data")
    assert house("migrate").returncode == 0
    for name, role in (("anna", "auditor"), ("bo", "auditor"), ("cai", "system"), ("dan", "agent")):
        assert house("user", "add", name, "--role", role).returncode == 0
    return house


def test_a_case_from_placing_to_release(huiyin: House) -> None:
    place = ("hold", "place", "--name", "甲", "--reason", "乙", "--person", "13800000001")
    for wrong in (huiyin(*place, "--by", "dan"), huiyin(*place, "--by", "anna", password="wrong password")):
        assert wrong.returncode == 1
        assert "account" in wrong.stderr
        assert "13800000001" not in wrong.stderr
    placed = huiyin(*place, "--by", "anna")
    assert placed.returncode == 0, placed.stderr
    case = placed.stdout.split()[0]
    assert f"{case}  standing" in huiyin("hold", "list").stdout
    assert huiyin("hold", "release", case, "--reason", "丙", "--by", "anna").returncode == 0
    assert huiyin("hold", "confirm", case, "--by", "anna").returncode == 1
    assert "released" in huiyin("hold", "confirm", case, "--by", "bo").stdout
    assert huiyin("hold", "show", case).stdout.startswith(f"{case}  released")


def test_policies_and_empty_batches(huiyin: House) -> None:
    assert huiyin("policy", "years", "3", "--by", "anna").returncode == 1
    assert huiyin("policy", "years", "1", "--by", "cai").returncode == 1
    assert "years  3" in huiyin("policy", "years", "3", "--by", "cai").stdout
    contract = huiyin("policy", "contract", "服务合同", "--ends", "2090-01-31", "--years-after", "2", "--by", "cai")
    assert "服务合同" in contract.stdout
    assert "nothing is eligible" in huiyin("disposal", "batch").stdout
    assert huiyin("disposal", "list").returncode == 0
    nowhere = "01940000-0000-7000-8000-000000000000"
    assert huiyin("disposal", "approve", nowhere, "--by", "anna").returncode == 1
    assert huiyin("policy", "explain", nowhere).returncode == 1
