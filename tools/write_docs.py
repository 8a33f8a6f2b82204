"""Writes the generated parts of docs/: the table of settings, taken from the settings class.

A generated part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; a test holds it true.
"""

import re
from pathlib import Path

from core.settings import table

ROOT = Path(__file__).parent.parent
CONFIGURATION = ROOT / "docs" / "configuration.md"


def with_part(text: str, name: str, content: str) -> str:
    """``text`` with the generated part ``name`` replaced; ``ValueError`` where the markers are missing."""
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
    if not pattern.search(text):
        raise ValueError(f"no markers for {name}")
    return pattern.sub(lambda found: found[1] + content + found[2], text)


def configuration() -> str:
    """What ``docs/configuration.md`` must say now."""
    return with_part(CONFIGURATION.read_text(encoding="utf-8"), "settings", table())


def main() -> None:
    CONFIGURATION.write_text(configuration(), encoding="utf-8")


if __name__ == "__main__":
    main()
