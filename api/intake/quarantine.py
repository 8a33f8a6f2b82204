"""Files that could not be taken in, kept with the reason until a person has decided: ``quarantine/<name>/``.

The directory of a file is named by its content and its call, so that a gateway that tries again and again fills
nothing, and two calls with the same broken bytes keep the facts of both.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import NotFound
from core.settings import Settings

FILE, REPORT = "file", "report.json"
_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")


@dataclass(frozen=True)
class Quarantined:
    """One file; ``facts`` is what came with it, as it came.  ``sha256`` and ``size`` are the file's."""

    sha256: str
    size: int
    reason: str
    at: datetime
    by: str
    facts: dict[str, Any]

    @property
    def call_id(self) -> str:
        """The gateway's, where that could be read."""
        return str(self.facts.get("call_id", ""))

    @property
    def name(self) -> str:
        """What it is called here; tells nothing about who spoke."""
        whose = self.call_id or str(self.facts.get("name", ""))
        return f"{self.sha256[:32]}-{hashlib.sha256(whose.encode(errors='backslashreplace')).hexdigest()[:16]}"


def keep(settings: Settings, file: Path, found: Quarantined) -> None:
    """Move a file there, durably; blocking.  One that is there already gets the newer report."""
    place = settings.quarantine / found.name
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (place / FILE).exists():
        shutil.move(file, place / f"{FILE}.new")
        _sync(place / f"{FILE}.new")
        (place / f"{FILE}.new").replace(place / FILE)
    report = {**asdict(found), "at": found.at.isoformat()}
    temporary = place / f"{REPORT}.new"
    # Escaped, since a file's name may hold what is no text.
    temporary.write_text(json.dumps(report, indent=1), encoding="ascii")
    _sync(temporary)
    temporary.replace(place / REPORT)
    for directory in (place, place.parent):
        _sync(directory)


def listed(settings: Settings) -> list[Quarantined]:
    """Everything in quarantine, newest first; blocking."""
    return sorted(_reports(settings), key=lambda each: each.at, reverse=True)


def count(settings: Settings) -> int:
    """How many there are, without reading them; blocking."""
    return sum(1 for report in settings.quarantine.glob(f"*/{REPORT}") if _NAME.fullmatch(report.parent.name))


def find(settings: Settings, name: str) -> tuple[Quarantined, Path]:
    """One of them and its file; ``NotFound`` otherwise.  The beginning of a name will do where it is the only one."""
    fitting = [each for each in _reports(settings) if name and each.name.startswith(name)]
    if len(fitting) != 1:
        raise NotFound("隔离区没有这个文件 / no such file in quarantine", name=name[:49], found=len(fitting))
    return fitting[0], settings.quarantine / fitting[0].name / FILE


def forget(settings: Settings, found: Quarantined) -> None:
    """Remove it for good; blocking.  It has been taken in, or a person has decided so."""
    place = settings.quarantine / found.name
    # The report last: without it the file would be nobody's.
    (place / FILE).unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def _reports(settings: Settings) -> Iterator[Quarantined]:
    for report in sorted(settings.quarantine.glob(f"*/{REPORT}")):
        if _NAME.fullmatch(report.parent.name):
            values = json.loads(report.read_text(encoding="utf-8"))
            yield Quarantined(**{**values, "at": datetime.fromisoformat(values["at"])})


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
