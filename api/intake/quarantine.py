"""Files that could not be taken in, kept with the reason until a person has looked: ``quarantine/<hash>/``.

The directory of a file is named by its content, so that a gateway that tries again and again fills nothing.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.settings import Settings

FILE, REPORT = "file", "report.json"


@dataclass(frozen=True)
class Quarantined:
    """One file; ``facts`` is what came with it, as it came.  ``sha256`` and ``size`` are the file's."""

    sha256: str
    size: int
    reason: str
    at: datetime
    by: str
    facts: dict[str, Any]


def directory_of(settings: Settings) -> Path:
    """Where quarantined files lie."""
    return settings.data_dir / "quarantine"


def keep(settings: Settings, file: Path, found: Quarantined) -> None:
    """Move a file there; blocking.  One that is there already gets the newer report."""
    place = directory_of(settings) / found.sha256
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (place / FILE).exists():
        shutil.move(file, place / FILE)
    report = {**asdict(found), "at": found.at.isoformat()}
    temporary = place / f"{REPORT}.new"
    temporary.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(place / REPORT)


def listed(settings: Settings) -> list[Quarantined]:
    """Everything in quarantine, newest first; blocking."""
    reports = sorted(directory_of(settings).glob(f"*/{REPORT}"))
    found = [_read(report) for report in reports]
    return sorted(found, key=lambda each: each.at, reverse=True)


def _read(report: Path) -> Quarantined:
    values = json.loads(report.read_text(encoding="utf-8"))
    return Quarantined(**{**values, "at": datetime.fromisoformat(values["at"])})
