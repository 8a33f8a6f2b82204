"""Documents say what the code does: tables, commands, links and targets that they name exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.__main__ import parse_only
from tools.check_locks import faults
from tools.write_docs import CONFIGURATION, configuration

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def test_the_table_of_settings_is_current() -> None:
    assert CONFIGURATION.read_text(encoding="utf-8") == configuration(), "run `make docs`"


def test_locks_match_the_project() -> None:
    assert faults() == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text):
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for name in re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")):
        assert name in targets, f"{document.name} names `make {name}`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_understood(document: Path) -> None:
    """Each ``huiyin …`` line in a shell block parses (values in capitals stand for themselves)."""
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", document.read_text(encoding="utf-8"), re.S):
        for line in re.findall(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*huiyin ([^#\n|]*)", block, re.M):
            assert parse_only(line.split()).command, line


def test_a_wrong_setting_is_one_line_and_status_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service", "web"],
        env={"HUIYIN_RTP_PORTS": "many", "PATH": "/usr/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 2
    [line] = ended.stderr.strip().splitlines()
    assert "HUIYIN_RTP_PORTS" in line
    assert "20000-29999" in line
