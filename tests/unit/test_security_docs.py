"""What docs/security.md names exists: a test that was renamed or removed is missed here."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NAMED = re.compile(r"`((?:attacks_web|tests)/[\w/]+\.py)(?:::(\w+))?`")


def test_every_attack_names_a_test_that_is_there() -> None:
    named = NAMED.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    for file, test in named:
        path = ROOT / re.sub("^attacks_web", "tests/integration/attacks_web", file)
        assert path.is_file(), file
        assert not test or re.search(rf"^(async )?def {test}\(", path.read_text(encoding="utf-8"), re.M), (file, test)


def test_every_attack_that_is_tried_is_named() -> None:
    told = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "tests" / "integration" / "attacks_web").glob("test_*.py")):
        for test in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.M):
            assert test in told, (path.name, test)
