"""What is known of a sound file in the watched folder: its side file says it, else its name does.

Errors are ``ValueError`` with the reason and never quote what stands there: it may be a name or a telephone number.
"""

import csv
import io
import json
import re
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from api.intake.facts import FinishedCall, first_fault
from workorders.reading import ExportRefused, decode

JSON, CSV = ".json", ".csv"
SIDES = (JSON, CSV)
# Octets of a side file.
LARGEST_SIDE = 64 * 1024
# Parts of a name pattern that are called otherwise in the facts.
_CALLED = {"call_id": "call_id", "agent": "agent_number", "citizen": "citizen_number", "order": "work_order"}


def from_side(content: bytes, suffix: str) -> FinishedCall:
    """A side file: the JSON object of an upload, or a CSV file with a line of the same names and a line of values."""
    try:
        return FinishedCall.read(content if suffix == JSON else _object_of(content))
    except ValueError as error:
        raise ValueError(f"同名的信息文件有误（{error}） / the side file: {error}") from None


def from_name(stem: str, pattern: re.Pattern[str] | None, zone: ZoneInfo) -> FinishedCall | None:
    """What a name without its suffix says, its time in ``zone``; ``None`` where it says nothing to us."""
    found = pattern.fullmatch(stem) if pattern else None
    if found is None:
        return None
    said = found.groupdict()
    digits = re.sub(r"\D", "", said["date"] + said["time"])
    try:
        started = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=zone)
    except ValueError:
        raise ValueError("文件名中没有有效的日期时间 / the file's name holds no moment of the calendar") from None
    facts = {_CALLED[part]: value for part, value in said.items() if part in _CALLED}
    try:
        return FinishedCall.model_validate({**facts, "started_at": started})
    except ValidationError as error:
        fault = first_fault(error)
        raise ValueError(f"文件名有误（{fault}） / the file's name: {fault}") from None


def _object_of(content: bytes) -> bytes:
    try:
        rows = list(csv.reader(io.StringIO(decode(content), newline=""), strict=True))
    except (ExportRefused, csv.Error):
        raise ValueError("no CSV in UTF-8 or GB18030") from None
    rows = [row for row in rows if any(row)]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        raise ValueError("expected one line of names and one of as many values")
    named = {name.strip(): value.strip() for name, value in zip(*rows, strict=True) if value.strip()}
    return json.dumps(named).encode()
