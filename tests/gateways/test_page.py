"""The page about gateways names a test for every dialect, and every test is there."""

import ast
import re
from pathlib import Path

import pytest

from telephony import calls, recording
from telephony.siprec import binding, metadata, session

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gateways.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("|") and "tests/gateways" in line]
GATEWAYS = (
    "Oracle", "Metaswitch", "BroadWorks", "Avaya", "CUBE", "CUCM, built-in bridge", "network-based", "Ribbon",
    "OpenSIPS", "SEMS", "AudioCodes", "NetSapiens",
)  # fmt: skip


def defined_in(module: Path) -> set[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_every_gateway_has_a_row(gateway: str) -> None:
    assert any(gateway in row[0] for row in ROWS)


def test_every_row_names_a_test_that_exists() -> None:
    for row in ROWS:
        assert len(row) == 4
        path, _, name = row[3].strip(" `").partition("::")
        assert name in defined_in(ROOT / path), row[3]


def test_every_test_has_a_row() -> None:
    named = {row[3].strip(" `") for row in ROWS}
    for module in Path(__file__).parent.glob("test_*.py"):
        if module != Path(__file__):
            tests = {name for name in defined_in(module) if name.startswith("test_")}
            assert any(f"tests/gateways/{module.name}::{name}" in named for name in tests)


def test_every_flag_is_explained() -> None:
    told = {
        text
        for module in (binding, metadata, session, recording, calls)
        for name, text in vars(module).items()
        if re.fullmatch("[A-Z][A-Z_]{5,}", name) and isinstance(text, str) and " " in text
    }
    assert told
    assert [flag for flag in sorted(told) if f"`{flag}`" not in PAGE] == []
