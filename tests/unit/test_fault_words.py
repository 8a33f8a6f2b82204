"""Every fault that a verification can name has its words in Chinese as well."""

import re
from pathlib import Path

import pytest

from archive import faults
from archive.faults import IN_CHINESE, Fault, in_both

ROOT = Path(__file__).parent.parent.parent
NAMED = re.compile(r"^[A-Z_, ]+ = (\".+\")$", re.MULTILINE)
DAMAGED = re.compile(r"raise Damaged\(\s*\"([^\"]+)\"")
NOTES = re.compile(r"raise ValueError\(\"([^\"]+)\"\)")


def _kinds() -> list[str]:
    ours = {value for name, value in vars(faults).items() if name.isupper() and isinstance(value, str)}
    trust = (ROOT / "archive/trust.py").read_text(encoding="utf-8")
    ours |= {kind for line in NAMED.findall(trust) for kind in re.findall(r'"([^"]+)"', line)}
    checked = (ROOT / "core/ledger.py").read_text(encoding="utf-8").partition("async def check(")[2]
    ours |= set(DAMAGED.findall(checked))
    opened = (ROOT / "core/note.py").read_text(encoding="utf-8").partition("def open_note")[2]
    return sorted(ours | set(NOTES.findall(opened)))


@pytest.mark.parametrize("kind", _kinds())
def test_a_kind_of_fault_is_said_in_both_languages(kind: str) -> None:
    said = Fault("a/b", kind, "x", "y").said
    assert f"{IN_CHINESE[kind]} {kind}" in said
    assert re.search(r"[\u4e00-\u9fff]", IN_CHINESE[kind])


def test_words_and_numbers_of_what_was_expected_and_found_are_said_in_both() -> None:
    fault = Fault("a/b", faults.OTHER_TEXT, "12 turns as sealed", "turn 2 differs")
    assert fault.said == (
        "a/b：目录所示文字与封存不符 the catalogue's text is another；"
        "应为 expected 封存的 12 句 12 turns as sealed，实为 found 第 2 句不同（从 0 数起） turn 2 differs"
    )
    assert in_both(fault) == (
        "目录所示文字与封存不符：应为 封存的 12 句，实为 第 2 句不同（从 0 数起）"
        " / the catalogue's text is another: expected 12 turns as sealed, found turn 2 differs"
    )
    assert Fault("a", faults.ALTERED, "0a", "1b").said.endswith("应为 expected 0a，实为 found 1b"), (
        "hashes stay as they are"
    )
    held = Fault("recording 1", faults.OTHER_HOLD, "held, by case 7", "not held, by no case")
    assert in_both(held).partition(" / ")[0] == "目录所示保全与台账不符：应为 由案件 7 保全，实为 没有保全"
